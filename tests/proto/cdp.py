# SPDX-License-Identifier: GPL-2.0-or-later
"""A browser without a window, driven over its debugging protocol (CDP) on a WebSocket.

    with Browser() as b:
        b.go('http://127.0.0.1:8000/')
        b.js('document.title')
"""
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

CHROMIUM = 'chromium'
FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--disable-features=BackForwardCache', '--disable-dev-shm-usage', '--disable-extensions', '--mute-audio',
         '--ignore-certificate-errors', '--remote-debugging-port=0', '--window-size=1000,800')
TIMEOUT = 60


class BrowserError(Exception):
    pass


class WebSocket:
    """The client's side of RFC 6455, text messages only."""

    def __init__(self, host, port, path):
        self.sock = socket.create_connection((host, port), TIMEOUT)
        self.stream = self.sock.makefile('rb')
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(('GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\n'
                           'Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n'
                           'Sec-WebSocket-Version: 13\r\n\r\n' % (path, host, port, key)).encode())
        answer = b''
        while not answer.endswith(b'\r\n\r\n'):
            answer += self.take(1)
        if b' 101 ' not in answer.split(b'\r\n')[0]:
            raise BrowserError(answer.decode(errors='replace'))

    def take(self, n):
        data = self.stream.read(n)
        if len(data) < n:
            raise BrowserError('the browser hung up')
        return data

    def send(self, text):
        data = text.encode()
        n = len(data)
        head = bytes([0x81])
        head += bytes([0x80 | n]) if n < 126 else \
            bytes([0xfe]) + struct.pack('>H', n) if n < 65536 else \
            bytes([0xff]) + struct.pack('>Q', n)
        self.sock.sendall(head + bytes(4) + data)   # a mask of zeros is one, too

    def receive(self):
        message = b''
        while True:
            first, n = self.take(2)
            if n == 126:
                n, = struct.unpack('>H', self.take(2))
            elif n == 127:
                n, = struct.unpack('>Q', self.take(8))
            data = self.take(n)
            if first & 15 > 2:
                continue
            message += data
            if first & 0x80:
                return message.decode()


class Browser:
    def __init__(self):
        if not shutil.which(CHROMIUM):
            raise BrowserError('%s is not installed: tools/deps --browser installs it' % CHROMIUM)
        self.directory = tempfile.mkdtemp(prefix='hvm-dm-browser.')
        self.count = 0
        self.log = open(os.path.join(self.directory, 'log'), 'wb')
        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, '--user-data-dir=' + self.directory, 'about:blank'],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.attach()
        except BaseException:
            self.close()
            raise

    def attach(self):
        path = os.path.join(self.directory, 'DevToolsActivePort')
        end = time.monotonic() + TIMEOUT
        while not (os.path.exists(path) and open(path).read().count('\n')):
            if time.monotonic() > end or self.process.poll() is not None:
                with open(self.log.name, errors='replace') as f:
                    raise BrowserError('it does not start: ' + f.read()[-2000:])
            time.sleep(0.05)
        port = int(open(path).read().split('\n')[0])
        with urllib.request.urlopen('http://127.0.0.1:%d/json/list' % port, timeout=TIMEOUT) as f:
            pages = [t for t in json.load(f) if t['type'] == 'page']
        where = pages[0]['webSocketDebuggerUrl'].split('/', 3)[3]
        self.socket = WebSocket('127.0.0.1', port, '/' + where)
        self('Page.enable')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __call__(self, method, **params):
        self.count += 1
        self.socket.send(json.dumps({'id': self.count, 'method': method, 'params': params}))
        while True:
            answer = json.loads(self.socket.receive())
            if answer.get('id') != self.count:
                continue
            if 'error' in answer:
                raise BrowserError('%s: %s' % (method, answer['error']))
            return answer['result']

    def go(self, url):
        self('Page.navigate', url=url)

    def js(self, expression):
        """The value of an expression in the page; a promise's when it has one."""
        answer = self('Runtime.evaluate', expression=expression, awaitPromise=True,
                      returnByValue=True)
        if 'exceptionDetails' in answer:
            raise BrowserError('%s: %s' % (expression[:100], answer['exceptionDetails']))
        return answer['result'].get('value')

    def until(self, what, truth, seconds=TIMEOUT):
        end = time.monotonic() + seconds
        while True:
            got = truth()
            if got:
                return got
            if time.monotonic() > end:
                raise BrowserError('waited in vain for ' + what)
            time.sleep(0.05)

    def key(self, code, key, number, down):
        self('Input.dispatchKeyEvent', type='keyDown' if down else 'keyUp', code=code, key=key,
             windowsVirtualKeyCode=number, text=key if down and len(key) == 1 else '')
