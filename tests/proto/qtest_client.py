# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives a device model over the qtest protocol: this process is its CPU, memory and clock.

    with Qtest('build/hvm-dm', ['-drive', 'if=ide,format=raw,file=disk.img']) as q:
        q.outb(0x1f7, 0xec)
"""
import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

TIMEOUT = 20


class QtestError(Exception):
    pass


class Lines:
    """A stream that is read by lines."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b''

    def get(self):
        while b'\n' not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise QtestError('the device model closed its socket')
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line.decode()

    def put(self, text):
        self.sock.sendall(text.encode() + b'\n')


class Qtest:
    def __init__(self, dm, args=(), machine='pc', pass_fds=()):
        self.directory = tempfile.mkdtemp(prefix='hvm-dm-qtest.')
        self.irqs = set()     # lines that are high, after irq_intercept
        self.raised = []      # every rising edge, in order
        self.events = []      # of QMP
        self.process = None
        self.name = os.path.basename(dm)
        try:
            self.start(dm, args, machine, pass_fds)
        except BaseException:
            self.close()
            raise

    def start(self, dm, args, machine, pass_fds):
        paths = [os.path.join(self.directory, n) for n in ('qtest', 'qmp')]
        listeners = []
        for path in paths:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.bind(path)
            s.listen(1)
            s.settimeout(TIMEOUT)
            listeners.append(s)
        self.log_path = os.path.join(self.directory, 'log')
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(
                [dm, '-qtest', 'unix:' + paths[0], '-qtest-log', '/dev/null',
                 '-chardev', 'socket,path=%s,id=char0' % paths[1],
                 '-mon', 'chardev=char0,mode=control', '-display', 'none',
                 '-machine', machine, '-accel', 'qtest'] + list(args),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=pass_fds)
        self.words, self.monitor = (Lines(self.accept(s)) for s in listeners)
        for s in listeners:
            s.close()
        try:
            self.greeting = json.loads(self.monitor.get())
            self.qmp('qmp_capabilities')
        except (ConnectionError, QtestError):
            raise QtestError('it ended with %d: %s' % (self.process.wait(TIMEOUT), self.log())) from None

    def accept(self, listener):
        end = time.monotonic() + TIMEOUT
        listener.settimeout(0.05)
        while True:
            try:
                sock, _ = listener.accept()
                sock.settimeout(TIMEOUT)
                return sock
            except socket.timeout:
                if self.process.poll() is not None:
                    raise QtestError('it ended with %d: %s' % (self.process.returncode,
                                                               self.log())) from None
                if time.monotonic() > end:
                    raise QtestError('it does not connect: %s' % self.log()) from None

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as f:
            return f.read().strip()[-500:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for lines in (getattr(self, 'words', None), getattr(self, 'monitor', None)):
            if lines:
                lines.sock.close()
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- the words ----

    def take_irq(self, line):
        _, what, n = line.split()
        if what == 'raise':
            self.irqs.add(int(n))
            self.raised.append(int(n))
        else:
            self.irqs.discard(int(n))

    def __call__(self, *words):
        """Sends a command, returns what follows OK."""
        self.words.put(' '.join(hex(w) if isinstance(w, int) else w for w in words))
        while True:
            line = self.words.get()
            if line.startswith('IRQ '):
                self.take_irq(line)
            elif line.startswith('OK'):
                return line[3:]
            else:
                raise QtestError('%s: %s' % (' '.join(map(str, words))[:80], line))

    def number(self, *words):
        return int(self(*words), 0)

    def inb(self, port):
        return self.number('inb', port)

    def inw(self, port):
        return self.number('inw', port)

    def inl(self, port):
        return self.number('inl', port)

    def outb(self, port, val):
        self('outb', port, val)

    def outw(self, port, val):
        self('outw', port, val)

    def outl(self, port, val):
        self('outl', port, val)

    def readl(self, addr):
        return self.number('readl', addr)

    def writel(self, addr, val):
        self('writel', addr, val)

    def memread(self, addr, size):
        return base64.b64decode(self('b64read', addr, size))

    def memwrite(self, addr, data):
        self('b64write', addr, len(data), base64.b64encode(data).decode())

    def irq_intercept(self):
        self('irq_intercept_in', 'ioapic')

    def clock_step(self, ns=None):
        return int(self('clock_step') if ns is None else self('clock_step', ns))

    def until(self, what, truth, ms=5000):
        """Asks until it is true; what happens in the background needs real time."""
        end = time.monotonic() + ms / 1000
        while True:
            got = truth()
            if got:
                return got
            if time.monotonic() > end:
                raise QtestError('waited in vain for ' + what)

    # ---- the monitor ----

    def qmp(self, command, **arguments):
        self.monitor.put(json.dumps({'execute': command, 'arguments': arguments}))
        while True:
            answer = json.loads(self.monitor.get())
            if 'event' in answer:
                self.events.append(answer['event'])
            elif 'error' in answer:
                raise QtestError('%s: %s' % (command, answer['error']['desc']))
            else:
                return answer['return']

    def wait_event(self, name):
        def seen():
            if name not in self.events:
                self.qmp('query-status')
            return name in self.events
        return self.until('the event ' + name, seen)

    # ---- PCI, by mechanism 1 ----

    def config_read(self, devfn, reg, size=4):
        self.outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc))
        return self.number({1: 'inb', 2: 'inw', 4: 'inl'}[size], 0xcfc + (reg & 3))

    def config_write(self, devfn, reg, val, size=4):
        self.outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc))
        self({1: 'outb', 2: 'outw', 4: 'outl'}[size], 0xcfc + (reg & 3), val)
