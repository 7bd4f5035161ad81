#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole program's lines to the outside, over the socket engine: serial ports on sockets, ptys, pipes and files;
keys and motion from the monitor to the PS/2 ports; a kernel from its file to guest memory as our ROM asks for it.

    tests/proto/qtest_ports.py --dm build/hvm-dm [NAME...]
"""
import os
import select
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import suite  # noqa: E402
from qtest_client import Qtest, QtestError  # noqa: E402
from suite import expect, test  # noqa: E402


def start(args):
    return Qtest(suite.dm, ['-nodefaults'] + args)


def send(q, data, base=0x3f8):
    for byte in data:
        q.outb(base, byte)


def receive(q, n, base=0x3f8):
    got = b''
    while len(got) < n:
        q.until('a byte', lambda: q.inb(base + 5) & 1)
        got += bytes([q.inb(base)])
    return got


def read_fd(fd, n):
    got, end = b'', time.monotonic() + 5
    while len(got) < n and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            got += os.read(fd, n - len(got))
    return got


# ---- serial ports ----

@test
def test_serial_socket(d):
    path = os.path.join(d, 'com1')
    with start(['-serial', 'unix:%s,server,nowait' % path]) as q:
        q.irq_intercept()
        q.outb(0x3fa, 0x01)
        send(q, b'nobody hears this')
        for text in (b'first', b'second'):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            q.until('the peer', lambda: any(c['label'] == 'serial0' and 'disconnected' not in c['filename']
                                            for c in q.qmp('query-chardev')))
            send(q, text)
            expect(read_fd(s.fileno(), len(text)), text, 'at the peer')
            q.outb(0x3f9, 0x01)
            s.sendall(b'ab')
            q.until('IRQ 4', lambda: q.inb(0x3fd) and 4 in q.irqs)
            expect(receive(q, 2), b'ab', 'at the guest')
            s.close()
            q.until('the peer to leave', lambda: any(c['label'] == 'serial0' and 'disconnected' in c['filename']
                                                     for c in q.qmp('query-chardev')))


@test
def test_serial_pty(d):
    with start(['-serial', 'pty']) as q:
        name = [c['filename'] for c in q.qmp('query-chardev') if c['label'] == 'serial0'][0]
        expect(name[:9], 'pty:/dev/', 'query-chardev')
        fd = os.open(name[4:], os.O_RDWR | os.O_NOCTTY)
        q.outb(0x3fa, 0x01)
        os.write(fd, b'\x03typed\r')  # also: by now the program has seen that somebody is there
        expect(receive(q, 7), b'\x03typed\r', 'at the guest')
        send(q, b'shown\r\n')
        expect(read_fd(fd, 7), b'shown\r\n', 'at the terminal')
        os.close(fd)


@test
def test_serial_stopped_reader(d):
    """It costs a bounded amount, the guest sees a busy transmitter, and nothing of what it took is lost."""
    path = os.path.join(d, 'com1')
    with start(['-serial', 'unix:%s,server,nowait' % path]) as q:
        s = socket.socket(socket.AF_UNIX)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(path)
        time.sleep(0.2)
        sent = 0
        while q.inb(0x3fd) & 0x20:
            q.outb(0x3f8, sent & 0xff)
            sent += 1
            expect(sent < 1 << 20, True, 'back-pressure')
        got = b''
        while len(got) < sent:
            got += s.recv(65536)
            q.inb(0x3fd)
        expect(got, bytes(i & 0xff for i in range(sent)), 'what arrived')
        q.until('room', lambda: q.inb(0x3fd) & 0x20)


@test
def test_serial_four_ports(d):
    files = [os.path.join(d, 'com%d' % i) for i in range(4)]
    with start([w for f in files for w in ('-serial', 'file:' + f)]) as q:
        for i, base in enumerate((0x3f8, 0x2f8, 0x3e8, 0x2e8)):
            send(q, b'port %d' % i, base)
    for i, name in enumerate(files):
        with open(name, 'rb') as f:
            expect(f.read(), b'port %d' % i, name)
    with start([]) as q:
        expect(q.inb(0x3fd), 0xff, 'without -serial')


@test
def test_serial_refusals(d):
    for args, word in ((['-serial', 'file:%s/no/such' % d], 'No such file'),
                       (['-serial', 'tcp:127.0.0.1:1'], 'refused'),
                       (['-serial', 'mon:stdio'], 'mon:'),
                       (['-serial', '/dev/zero/x'], 'Not a directory')):
        try:
            start(args).close()
        except QtestError as e:
            expect(word in str(e) and 'serial0' in str(e), True, str(e))
        else:
            raise AssertionError('%s was taken' % args)


# ---- keyboard and mouse ----

def mode(q, value):
    q.outb(0x64, 0x60)
    q.outb(0x60, value)


def ps2_bytes(q, n, aux):
    got = b''
    for _ in range(n):
        q.until('a byte', lambda: q.clock_step(1000000) and q.inb(0x64) & 1)
        expect(q.inb(0x64) & 0x20, 0x20 if aux else 0, 'where byte %d comes from' % len(got))
        got += bytes([q.inb(0x60)])
    return got


@test
def test_keys(d):
    with start([]) as q:
        q.irq_intercept()
        mode(q, 0x41)
        q.qmp('send-key', keys=[{'type': 'qcode', 'data': 'shift'}, {'type': 'qcode', 'data': 'a'}])
        codes = [0x2a, 0x1e, 0x9e, 0xaa]
        got = list(ps2_bytes(q, 4, False))
        expect(got[:2], codes[:2], 'make codes')
        expect(sorted(got[2:]), sorted(codes[2:]), 'break codes')
        expect(1 in q.raised, True, 'IRQ 1')


@test
def test_motion(d):
    with start([]) as q:
        q.irq_intercept()
        mode(q, 0x02)
        q.outb(0x64, 0xd4)
        q.outb(0x60, 0xf4)
        expect(ps2_bytes(q, 1, True), b'\xfa', 'enabling')
        q.qmp('input-send-event', events=[{'type': 'rel', 'data': {'axis': 'x', 'value': 7}},
                                          {'type': 'rel', 'data': {'axis': 'y', 'value': 2}}])
        expect(ps2_bytes(q, 3, True), bytes([0x28, 7, 0xfe]), 'motion')
        q.qmp('input-send-event', events=[{'type': 'btn', 'data': {'button': 'right', 'down': True}}])
        expect(ps2_bytes(q, 3, True), bytes([0x0a, 0, 0]), 'a button')
        expect(12 in q.raised, True, 'IRQ 12')


# ---- direct kernel boot ----

def fw_item(q, key, n):
    q.outw(0x510, key)
    return bytes(q.inb(0x511) for _ in range(n))


@test
def test_kernel(d):
    """What the ROM does: each descriptor of its table is put at 7c00 and started."""
    setup = bytearray(3 * 512)
    setup[0x1f1] = 2
    setup[0x1fe:0x208] = struct.pack('<HH4sH', 0xaa55, 0x66eb, b'HdrS', 0x20f)
    setup[0x211] = 1
    setup[0x22c:0x230] = struct.pack('<I', 0x7fffffff)
    setup[0x238:0x23c] = struct.pack('<I', 2047)
    body, initrd = os.urandom(300001), os.urandom(123457)
    for name, data in (('kernel', bytes(setup) + body), ('initrd', initrd)):
        with open(os.path.join(d, name), 'wb') as f:
            f.write(data)
    with start(['-m', '64', '-kernel', os.path.join(d, 'kernel'), '-initrd', os.path.join(d, 'initrd'),
                '-append', 'quiet x=1,y=2']) as q:
        count = struct.unpack('>I', fw_item(q, 0x19, 4))[0]
        listing = fw_item(q, 0x19, 4 + 64 * count)[4:]
        files = {listing[i + 8:i + 64].split(b'\0')[0]: struct.unpack('>IH', listing[i:i + 6])
                 for i in range(0, len(listing), 64)}
        expect(fw_item(q, *files[b'bootorder'][::-1]), b'/rom@genroms/linuxboot.bin\0', 'bootorder')
        size, key = files[b'genroms/linuxboot.bin']
        rom = fw_item(q, key, size)
        expect((rom[:2], sum(rom) & 0xff), (b'\x55\xaa', 0), 'ROM')
        table = rom.index(struct.pack('>HH', 0x18, 0x0a))
        (entries,) = struct.unpack_from('<H', rom, table + 64)
        places = {}
        for i in range(entries):
            descriptor = rom[table + 16 * i:table + 16 * i + 16]
            control, length, address = struct.unpack('>IIQ', descriptor)
            q.memwrite(0x7c00, descriptor)
            q.outl(0x514, 0)
            q.outl(0x518, 0x007c0000)
            expect(q.readl(0x7c00), 0, 'answer to descriptor %d' % i)
            places[control >> 16] = (address, length)
        expect(q.memread(*places[0x11]) == body, True, 'the kernel in memory')
        expect(q.memread(*places[0x12]) == initrd, True, 'the initrd in memory')
        expect(q.memread(*places[0x15]), b'quiet x=1,y=2\0', 'the command line')
        head = q.memread(*places[0x18])
        expect(struct.unpack_from('<II', head, 0x218), places[0x12], 'ramdisk_image, ramdisk_size')
        expect(struct.unpack_from('<I', head, 0x228)[0], places[0x15][0], 'cmd_line_ptr')
        os.truncate(os.path.join(d, 'kernel'), 1000)  # a file that shrinks under us
        q.memwrite(0x7c00, struct.pack('>IIQ', 0x11 << 16 | 0x0a, *places[0x11][::-1]))
        q.outl(0x518, 0x007c0000)
        expect(q.readl(0x7c00), 0x01000000, 'answer when the file has shrunk')
        expect('shorter' in q.log(), True, 'the log: ' + q.log())


@test
def test_kernel_refusals(d):
    bad = os.path.join(d, 'bad')
    with open(bad, 'wb') as f:
        f.write(bytes(4096))
    for args, word in ((['-kernel', bad], 'HdrS'), (['-kernel', d], 'regular'),
                       (['-kernel', bad + '2'], 'No such file'), (['-append', 'x'], '-kernel')):
        try:
            start(args).close()
        except QtestError as e:
            expect(word in str(e), True, str(e))
        else:
            raise AssertionError('%s was taken' % args)


if __name__ == '__main__':
    suite.main(__doc__)
