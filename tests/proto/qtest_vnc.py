#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole program as viewers and the monitor see it: where it listens, who is let in, who looks, what is done with what
viewers say besides keys, pictures of the screen. Messages are those of RFC 6143 and of rfbproto.rst.

    tests/proto/qtest_vnc.py --dm build/hvm-dm [NAME...]
"""
import ctypes
import os
import socket
import struct
import sys
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import suite  # noqa: E402
from qtest_client import Qtest, QtestError  # noqa: E402
from suite import expect, test  # noqa: E402

EXTENDED_SIZE = -308


def start(vnc, *args):
    return Qtest(suite.dm, ['-nodefaults', '-device', 'VGA', '-vnc', vnc, *args])


def refused(*args):
    """How a start that can't be ended, in its own words."""
    try:
        with Qtest(suite.dm, ['-nodefaults', *args]):
            return ''
    except QtestError as e:
        return str(e)


def des(password, challenge):
    """What a viewer answers: the password's bytes, each turned end for end, are the key."""
    lib = ctypes.CDLL('libcrypto.so.3')
    key = bytes(int('{:08b}'.format(c)[::-1], 2) for c in password.encode()[:8].ljust(8, b'\0'))
    schedule, out = ctypes.create_string_buffer(256), ctypes.create_string_buffer(8)
    lib.DES_set_key_unchecked(key, schedule)
    answer = b''
    for half in (challenge[:8], challenge[8:]):
        lib.DES_ecb_encrypt(half, out, schedule, 1)
        answer += out.raw
    return answer


class Viewer:
    def __init__(self, address, password=None):
        self.sock = socket.socket({str: socket.AF_UNIX}.get(type(address)) or
                                  (socket.AF_INET6 if ':' in address[0] else socket.AF_INET))
        self.sock.settimeout(10)
        self.sock.connect(address)
        self.refusal = None
        expect(self.take(12), b'RFB 003.008\n', 'greeting')
        self.sock.sendall(b'RFB 003.008\n')
        types = self.take(self.take(1)[0])
        if not types:
            self.refusal = self.take_reason()
            return
        expect(types, b'\2' if password is not None else b'\1', 'security types')
        self.sock.sendall(types)
        if password is not None:
            self.sock.sendall(des(password, self.take(16)))
        if struct.unpack('>I', self.take(4))[0]:
            self.refusal = self.take_reason()
            return
        self.sock.sendall(b'\1')
        self.size = struct.unpack('>HH', self.take(4))
        self.take(16)
        self.take(struct.unpack('>I', self.take(4))[0])

    def take(self, n):
        got = b''
        while len(got) < n:
            piece = self.sock.recv(n - len(got))
            if not piece:
                raise AssertionError('the server hung up')
            got += piece
        return got

    def take_reason(self):
        return self.take(struct.unpack('>I', self.take(4))[0]).decode()

    def say(self, *pieces):
        self.sock.sendall(b''.join(pieces))

    def can(self, *encodings):
        self.say(struct.pack('>BBH', 2, 0, len(encodings)), *(struct.pack('>i', e) for e in encodings))

    def ask(self, again=False):
        self.say(struct.pack('>BBHHHH', 3, again, 0, 0, *self.size))

    def update(self):
        """The rectangles of the next update but for raw pixels: (x, y, width, height, encoding, data)."""
        kind, _, count = struct.unpack('>BBH', self.take(4))
        expect(kind, 0, 'message')
        rects = []
        for _ in range(count):
            x, y, w, h, encoding = struct.unpack('>HHHHi', self.take(12))
            data = b''
            if encoding == 0:
                self.take(w * h * 4)
            elif encoding == EXTENDED_SIZE:
                data = self.take(4)
                data += self.take(16 * data[0])
            else:
                raise AssertionError('encoding %d was not offered' % encoding)
            rects.append((x, y, w, h, encoding, data))
        return rects

    def picture(self):
        self.ask()
        expect(any(r[4] == 0 for r in self.update()), True, 'there is a picture')

    def close(self):
        self.sock.close()


def place(q):
    vnc = q.qmp('query-vnc')
    return vnc['host'], vnc['service'], vnc['family']


# ---- where ----

@test
def test_next_free_display(d):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        display = taken.getsockname()[1] - 5900
        with start('127.0.0.1:%d,to=%d' % (display, display + 99)) as q:
            host, port, family = place(q)
            expect((host, family), ('127.0.0.1', 'ipv4'), 'query-vnc')
            expect(display + 5900 < int(port) <= display + 5999, True, 'port %s' % port)
            Viewer((host, int(port))).picture()
        words = refused('-vnc', '127.0.0.1:%d' % display)
        expect('in use' in words, True, words)


@test
def test_ipv6(d):
    with start('[::1]:40,to=139') as q:
        host, port, family = place(q)
        expect((host, family), ('::1', 'ipv6'), 'query-vnc')
        Viewer((host, int(port))).picture()


@test
def test_unix(d):
    path = os.path.join(d, 'vnc')
    for _ in range(2):      # the second finds what a killed one left
        with start('unix:' + path) as q:
            expect(place(q), (path, path, 'unix'), 'query-vnc')
            Viewer(path).picture()
            q.process.kill()
            q.process.wait()
        expect(os.path.exists(path), True, 'left over')
    with start('unix:' + path) as q:
        Viewer(path).picture()
    expect(os.path.exists(path), False, 'left over')


@test
def test_no_other_screens(d):
    for words, name in ((('-spice', 'port=5900'), 'spice=1'), (('-display', 'sdl'), 'sdl=1')):
        said = refused(*words)
        lines = [line for line in said.split('\n') if name in line]
        expect(len(lines), 1, said)


# ---- who ----

@test
def test_password(d):
    path = os.path.join(d, 'vnc')
    with start('unix:%s,password=on' % path) as q:
        expect(q.qmp('query-vnc')['auth'], 'vnc', 'auth')
        expect('no password' in Viewer(path, '').refusal, True, 'before there is one')
        q.qmp('change-vnc-password', password='sesame')
        first = Viewer(path, 'sesame')
        first.picture()
        expect(Viewer(path, 'Sesame').refusal, 'wrong password', 'a wrong one')
        q.qmp('set_password', protocol='vnc', password='longer than eight')
        expect(Viewer(path, 'sesame').refusal, 'wrong password', 'the old one')
        Viewer(path, 'longer t').picture()
        for when in ('now', '+0', '1'):
            q.qmp('expire_password', protocol='vnc', time=when)
            expect('expired' in (Viewer(path, 'longer t').refusal or ''), True, when)
        first.picture()         # stays
        q.qmp('set_password', protocol='vnc', password='new')
        expect('expired' in Viewer(path, 'new').refusal, True, 'as long as it is not said')
        for when in ('+100', str(int(time.time()) + 100), 'never'):
            q.qmp('expire_password', protocol='vnc', time=when)
            Viewer(path, 'new').picture()
        q.qmp('change-vnc-password', password='')
        expect('no password' in Viewer(path, '').refusal, True, 'none again')
    with start('unix:' + path) as q:
        for command in ({'command': 'change-vnc-password'}, {'command': 'set_password', 'protocol': 'vnc'},
                        {'command': 'expire_password', 'protocol': 'vnc', 'time': 'now'}):
            if command['command'] != 'expire_password':
                command['password'] = 'x'
            try:
                q.qmp(**command)
                raise AssertionError('%s did not fail' % command)
            except QtestError as e:
                expect('password=on' in str(e), True, str(e))


@test
def test_several(d):
    with start('127.0.0.1:40,to=139,share=force-shared') as q:
        host, port, _ = place(q)
        viewers = [Viewer((host, int(port))) for _ in range(3)]
        for v in viewers:
            v.picture()
        want = sorted(str(v.sock.getsockname()[1]) for v in viewers)
        for clients in (q.qmp('query-vnc')['clients'], q.qmp('query-vnc-servers')[0]['clients']):
            expect(sorted(c['service'] for c in clients), want, 'ports of the viewers')
            expect({(c['host'], c['family'], c['websocket']) for c in clients}, {('127.0.0.1', 'ipv4', False)}, 'viewers')
        viewers[1].close()
        q.until('the second to be gone', lambda: len(q.qmp('query-vnc')['clients']) == 2)
        for v in (viewers[0], viewers[2]):
            v.picture()


# ---- what viewers say besides ----

@test
def test_clipboard(d):
    """There is no channel to the guest: what viewers cut is dropped, and they are told nothing of an extended one."""
    path = os.path.join(d, 'vnc')
    with start('unix:' + path):
        v = Viewer(path)
        v.can(0, struct.unpack('>i', b'\xc0\xa1\xe5\xce')[0])
        text = b'x' * 300000
        v.say(struct.pack('>BxxxI', 6, len(text)), text)
        v.picture()
        v.say(struct.pack('>Bxxxi', 6, -8), struct.pack('>II', 1 << 25, 0))
        v.picture()
        v.say(struct.pack('>BxxxI', 6, 0))
        v.picture()


@test
def test_desktop_size(d):
    """The guest sets the size: a viewer's wish is answered by 1, prohibited, in y, for 1, its own wish, in x."""
    path = os.path.join(d, 'vnc')
    with start('unix:' + path):
        v = Viewer(path)
        wish = struct.pack('>BxHHBxIHHHHI', 251, 1920, 1080, 1, 1, 0, 0, 1920, 1080, 0)
        v.say(wish)             # nobody asked for answers
        v.can(0, EXTENDED_SIZE)
        v.ask()
        sizes = [r for r in v.update() if r[4] == EXTENDED_SIZE]
        expect([r[:4] for r in sizes], [(0, 0, *v.size)], 'the size at first')
        v.say(wish)
        x, y, w, h, encoding, data = v.update()[0]
        expect((x, y, w, h, encoding), (1, 1, *v.size, EXTENDED_SIZE), 'the answer')
        expect(struct.unpack('>HHHH', data[8:16]), (0, 0, *v.size), 'its screen')
        v.picture()


# ---- pictures ----

def read_ppm(data):
    kind, size, most, pixels = data.split(b'\n', 3)
    width, height = map(int, size.split())
    expect((kind, most, len(pixels)), (b'P6', b'255', width * height * 3), 'PPM')
    return width, height, pixels


def read_png(data):
    expect(data[:8], b'\x89PNG\r\n\x1a\n', 'signature')
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        expect(struct.unpack('>I', data[at + 8 + size:at + 12 + size])[0], zlib.crc32(kind + body), 'CRC')
        chunks[kind] = chunks.get(kind, b'') + body
        at += 12 + size
    width, height, depth, colour = struct.unpack('>IIBB', chunks[b'IHDR'][:10])
    expect((depth, colour), (8, 2), 'depth and colour type')
    lines, row = zlib.decompress(chunks[b'IDAT']), width * 3
    pixels, above = b'', bytes(row)
    for y in range(height):
        kind, line = lines[y * (row + 1)], bytearray(lines[y * (row + 1) + 1:(y + 1) * (row + 1)])
        expect(kind in (0, 1, 2), True, 'a filter that needs no more than this')
        for i in range(row):
            line[i] = (line[i] + (0 if kind == 0 else above[i] if kind == 2 else line[i - 3] if i > 2 else 0)) & 255
        pixels += line
        above = line
    return width, height, pixels


@test
def test_screendump(d):
    path = os.path.join(d, 'vnc')
    ppm, png = os.path.join(d, 'a.ppm'), os.path.join(d, 'a.png')
    with start('unix:' + path) as q:
        for index, value in ((0, 0xb0c5), (1, 320), (2, 200), (3, 32), (4, 0x41)):
            q.outw(0x1ce, index)
            q.outw(0x1cf, value)
        q.inb(0x3da)
        q.outb(0x3c0, 0x20)     # else the screen is off
        frame = 0xe0000000
        vga = next(d for d in range(256) if q.config_read(d, 0) == 0x11111234)
        q.config_write(vga, 0x10, frame)
        q.config_write(vga, 0x04, 3, 2)
        colours = [(x * 3 & 255, x * 5 & 255, x * 7 & 255) for x in range(320)]
        q.memwrite(frame, b''.join(struct.pack('<I', r << 16 | g << 8 | b) for r, g, b in colours))
        q.qmp('screendump', filename=ppm)
        q.qmp('screendump', filename=png, format='png')
        with open(ppm, 'rb') as f:
            width, height, pixels = read_ppm(f.read())
        expect((width, height), (320, 200), 'size')
        expect(pixels[:960], bytes(c for rgb in colours for c in rgb), 'the first line')
        expect(pixels[960:], bytes(960 * 199), 'the others')
        with open(png, 'rb') as f:
            expect(read_png(f.read()), (width, height, pixels), 'the same as PNG')
        v = Viewer(path)
        expect(v.size, (320, 200), 'as a viewer sees it')


if __name__ == '__main__':
    suite.main(__doc__)
