#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A person at a guest's screen in a browser: the packaged noVNC in a headless Chromium speaks to the
VNC server's WebSocket; the guest is played over the socket engine. The page has to show what is in
video memory, and what is typed and clicked has to arrive at the keyboard controller.

    tests/proto/browser.py [--dm PATH] [NAME...]
"""
import argparse
import functools
import http.server
import os
import subprocess
import sys
import tempfile
import threading
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cdp import Browser, BrowserError
from qtest_client import Qtest

NOVNC = '/usr/share/novnc'
TESTS = []
WIDTH, HEIGHT, LFB = 320, 200, 0xe0000000
DEFAULT_VGA = 0x1111


def test(function):
    TESTS.append((function.__name__, function))
    return function


def expect(got, want, what):
    if got != want:
        raise AssertionError('%s: expected %r, got %r' % (what, want, got))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Site:
    """The folder of noVNC on a port of the loopback."""

    def __enter__(self):
        handler = functools.partial(Quiet, directory=NOVNC)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return 'http://127.0.0.1:%d' % self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def web_port(q):
    servers = q.qmp('query-vnc-servers')[0]['server']
    return [int(s['service']) for s in servers if s['websocket']][0]


def colour(x, y, seed=0):
    """Of a picture in which every pixel says where it is."""
    return (x & 0xff) << 16 | y << 8 | (x >> 8) * 64 + seed


def draw(q, seed=0):
    """Bochs's VBE interface: 32 bits a pixel, the frame buffer at BAR 0."""
    devfn = next(d for d in range(0, 256, 8) if q.config_read(d, 0) == DEFAULT_VGA << 16 | 0x1234)
    q.config_write(devfn, 0x10, LFB)
    q.config_write(devfn, 4, 7, 2)
    for index, value in ((4, 0), (1, WIDTH), (2, HEIGHT), (3, 32), (4, 0x41)):
        q.outw(0x1ce, index)
        q.outw(0x1cf, value)
    q.outb(0x3c0, 0x20)     # the attribute controller shows video memory
    rows = b''.join(colour(x, y, seed).to_bytes(4, 'little')
                    for y in range(HEIGHT) for x in range(WIDTH))
    for at in range(0, len(rows), 32768):
        q.memwrite(LFB + at, rows[at:at + 32768])


PIXELS = '''(() => {
    const c = document.querySelector('#screen canvas');
    if (!c || c.width != %d || c.height != %d) return null;
    const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
    const out = new Array(c.width * c.height);
    for (let i = 0; i < out.length; i++)
        out[i] = d[4 * i] << 16 | d[4 * i + 1] << 8 | d[4 * i + 2];
    return out;
})()''' % (WIDTH, HEIGHT)


def picture(seed=0):
    return [colour(x, y, seed) for y in range(HEIGHT) for x in range(WIDTH)]


def wait_for_picture(b, seed=0):
    b.until('the picture', lambda: b.js(PIXELS) == picture(seed))


def enable_keyboard(q):
    q.outb(0x64, 0x60)
    q.outb(0x60, 0x41)      # interrupt, translation to set 1
    q.outb(0x60, 0xf4)      # the keyboard scans
    expect(scancode(q), 0xfa, 'acknowledgement')


def scancode(q):
    def there():
        q.clock_step(1000000)
        return q.inb(0x64) & 1
    q.until('a byte of the keyboard', there)
    return q.inb(0x60)


def use(b, q):
    """The whole of it, once the page is connected."""
    wait_for_picture(b)
    draw(q, 17)
    wait_for_picture(b, 17)
    enable_keyboard(q)
    b.js("document.querySelector('#screen canvas').focus()")
    b.key('KeyA', 'a', 65, True)
    expect(scancode(q), 0x1e, 'A pressed')
    b.key('KeyA', 'a', 65, False)
    expect(scancode(q), 0x9e, 'A lifted')
    b.key('F2', 'F2', 113, True)
    expect(scancode(q), 0x3c, 'F2 pressed')
    clients = q.qmp('query-vnc')['clients']
    expect([c['websocket'] for c in clients], [True], 'the viewers')
    b.go('about:blank')     # the page is left with F2 down
    expect(scancode(q), 0xbc, 'F2 lifted')
    q.until('the viewer to be gone', lambda: not q.qmp('query-vnc')['clients'])


@test
def websocket(dm):
    with Site() as site, Qtest(dm, ['-vnc', '127.0.0.1:90,to=190,websocket=on']) as q:
        draw(q)
        with Browser() as b:
            b.go('%s/vnc_lite.html?host=127.0.0.1&port=%d' % (site, web_port(q)))
            b.until('the connection', lambda: (b.js(
                "(document.getElementById('status') || {}).textContent") or '').startswith(
                    'Connected to '))
            use(b, q)


@test
def wss_with_password(dm):
    with tempfile.TemporaryDirectory(prefix='hvm-dm-pki.') as pki:
        with open(pki + '/info', 'w') as f:
            f.write('cn = guest\nca\nip_address = 127.0.0.1\ntls_www_server\nsigning_key\n')
        for words in (['--generate-privkey', '--ecc', '--outfile', 'server-key.pem'],
                      ['--generate-self-signed', '--load-privkey', 'server-key.pem', '--template',
                       'info', '--outfile', 'server-cert.pem']):
            subprocess.run(['certtool'] + words, cwd=pki, check=True, capture_output=True)
        args = ['-object', 'tls-creds-x509,id=t,dir=%s,endpoint=server,verify-peer=no' % pki,
                '-vnc', '127.0.0.1:90,to=190,websocket=on,tls-creds=t,password=on']
        with Site() as site, Qtest(dm, args) as q:
            q.qmp('change-vnc-password', password='sesame')
            draw(q)
            with Browser() as b:
                b.go(site + '/vendor/pako/LICENSE')
                b.until('the site', lambda: b.js('location.href').startswith(site))
                b.js('''import('/core/rfb.js').then(m => {
                    document.body.innerHTML = '<div id="screen" style="height:600px"></div>';
                    window.rfb = new m.default(document.getElementById('screen'),
                        'wss://127.0.0.1:%d/', {credentials: {password: 'sesame'}});
                    return true; })''' % web_port(q))
                use(b, q)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dm', default='build/hvm-dm')
    p.add_argument('names', nargs='*')
    a = p.parse_args()
    if not os.path.exists(NOVNC):
        sys.exit('there is no noVNC in %s: tools/deps --browser installs it' % NOVNC)
    failed = 0
    for name, function in TESTS:
        if a.names and name not in a.names:
            continue
        try:
            function(os.path.abspath(a.dm))
            print('ok    ' + name, flush=True)
        except BrowserError as e:
            failed += 1
            print('FAIL  %s: %s' % (name, e), flush=True)
        except Exception:
            failed += 1
            print('FAIL  %s: %s' % (name, traceback.format_exc()), flush=True)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
