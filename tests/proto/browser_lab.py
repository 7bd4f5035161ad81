#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A person at a guest of the lab in a browser, by the commands of the README: `tools/lab shell` starts
Xen, a guest boots there to its boot loader's prompt, `tools/browse` serves the page, and a headless
Chromium on this host shows the guest's screen and types into it. Takes minutes; run by hand.

    tests/proto/browser_lab.py [--picture FILE.png] [--icount]
"""
import argparse
import base64
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
from cdp import Browser

CANVAS = '#noVNC_container canvas'
COLOURS = '''(() => {
    const c = document.querySelector('%s');
    if (!c || !c.width) return 0;
    const d = new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer);
    return new Set(d).size;
})()''' % CANVAS

# The boot loader waits for ever, so that a slow machine has the time to type.
GUEST = '''. /lab/in/lab/lib.sh
sed 's/^timeout 20$/timeout 00/' $(guest_iso) >cd.iso
guest_cfg "disk = [ $(cd_rom hdc $PWD/cd.iso) ]" 'boot = "d"' \
    'vnclisten = "127.0.0.1:0,websocket=on"'
guest_create
(wait_for_console 'boot:' 300) && echo GUEST-"PROMPTS"
'''


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Lab:
    """The shell of a dom0, through its terminal."""

    def __init__(self, web_port, more):
        ports = [w for name in ('vnc', 'serial') for w in ('--%s-port' % name, str(free_port()))]
        self.text, self.news = '', threading.Condition()
        self.process = subprocess.Popen(
            [os.path.join(TOP, 'tools', 'lab'), 'shell', '--web-port', str(web_port), *ports, *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            data = os.read(self.process.stdout.fileno(), 4096)
            with self.news:
                self.text += data.decode(errors='replace')
                self.news.notify()
            if not data:
                return

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait_for(self, pattern, seconds):
        end = time.monotonic() + seconds
        with self.news:
            while not re.search(pattern, self.text):
                left = end - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    sys.exit('no %r from the lab; its last words:\n%s' % (pattern, self.text[-2000:]))
                self.news.wait(min(left, 1))

    def close(self):
        try:
            self.type('poweroff -f\n')
            self.process.wait(60)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


def type_into(b, text):
    for c in text:
        b.key('Key' + c.upper() if c.isalpha() else 'Enter', c if c.isalpha() else 'Enter',
              ord(c.upper()) if c.isalpha() else 13, True)
        b.key('Key' + c.upper() if c.isalpha() else 'Enter', c if c.isalpha() else 'Enter',
              ord(c.upper()) if c.isalpha() else 13, False)


def use(lab, url, picture):
    with Browser() as b:
        b.go(url)
        b.until('the screen', lambda: b.js(COLOURS) > 1, 120)
        b.js("document.querySelector('%s').focus()" % CANVAS)
        type_into(b, 'browsed\r')
        lab.type("(wait_for_console 'browsed' 120) && echo GUEST-\"HEARD\"\n")
        lab.wait_for('GUEST-HEARD', 180)
        time.sleep(1)       # for the answer to be drawn; only the picture wants it
        if picture:
            with open(picture, 'wb') as f:
                f.write(base64.b64decode(b('Page.captureScreenshot', format='png')['data']))


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--picture', help='leaves what the browser showed there')
    p.add_argument('--icount', action='store_true', help='as tools/lab has it')
    a = p.parse_args()
    web_port = free_port()
    lab = Lab(web_port, ['--icount'] if a.icount else [])
    browse = None
    try:
        lab.wait_for('This is dom0', 3600)      # another lab may have to end first
        lab.type(GUEST)
        lab.wait_for('GUEST-PROMPTS', 400)
        browse = subprocess.Popen([os.path.join(TOP, 'tools', 'browse'), '127.0.0.1:%d' % web_port],
                                  stdout=subprocess.PIPE, text=True)
        use(lab, browse.stdout.readline().strip(), a.picture)
        print('ok: the page showed the guest, and what was typed there reached it')
    finally:
        if browse:
            browse.kill()
            browse.wait()
        lab.close()


if __name__ == '__main__':
    main()
