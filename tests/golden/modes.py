#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Golden pictures: the guest of tests/lab/modes.asm goes through every mode of both video chips, on
the packaged QEMU and on ours (played without a hypervisor by play_modes); the pictures are compared
pixel by pixel, and each difference has its reason here.

    tests/golden/modes.py --player build/tests/play_modes [--keep FOLDER] [--list FILE] [std|cirrus]

--keep FOLDER leaves the pictures that differ there, both of each; --list FILE writes what the lab
scenario `modes` compares with: name, size, mask, and the MD5 of the masked pixels.
"""
import argparse
import fnmatch
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QEMU = 'qemu-system-i386'
BLINK_TRIES, BLINK_SECONDS = 8, 0.15
MASKED = {m: bytes(i & m for i in range(256)) for m in (0xf8, 0xfc, 0xff)}


def mask_of(name):
    """The bits of a colour that have to agree: what fewer bits become is the display's affair."""
    if re.search(r'-x1[56]$|x1[56]$', name):
        return 0xf8
    if 'dac8' in name or not name.startswith('cursor') and re.search(r'x(24|32)$', name):
        return 0xff
    return 0xfc


class Picture:
    def __init__(self, width, height, pixels):
        self.width, self.height, self.pixels = width, height, pixels

    @staticmethod
    def read(path, mask):
        with open(path, 'rb') as f:
            data = f.read()
        head = re.match(rb'P6\s(\d+) (\d+)\s255\s', data)
        return Picture(int(head[1]), int(head[2]), data[head.end():].translate(MASKED[mask]))

    def row(self, y, left=0, right=None):
        at = y * self.width * 3
        return self.pixels[at + left * 3:at + (self.width if right is None else right) * 3]

    def map(self, width, height, function):
        """A picture of rows function(y)."""
        return Picture(width, height, b''.join(function(y) for y in range(height)))

    def __eq__(self, other):
        return (self.width, self.height, self.pixels) == (other.width, other.height, other.pixels)

    def line(self, name, mask):
        return '%s %dx%d %02x' % (name, self.width, self.height, mask)

    def md5(self):
        return hashlib.md5(self.pixels).hexdigest()


# ---- reasons: each makes of both pictures what can be compared ----

def without_columns(which):
    def prepare(p):
        def row(y):
            line = p.row(y)
            return b''.join(line[3 * x:3 * x + 3] for x in range(p.width) if not which(x))
        first = row(0)
        return p.map(len(first) // 3, p.height, row)
    return prepare


def no_ninth(ours, theirs):
    return tuple(without_columns(lambda x: x % 9 == 8)(p) for p in (ours, theirs))


def no_doubled_ninth(ours, theirs):
    return without_columns(lambda x: x % 18 >= 16)(ours), theirs


def as_high(ours, theirs):
    return ours.map(ours.width, theirs.height, ours.row), theirs


def but_rows(which):
    def prepare(ours, theirs):
        return tuple(p.map(p.width, p.height, lambda y: b'' if which(y) else p.row(y))
                     for p in (ours, theirs))
    return prepare


def shifted(by, rows=10000):
    """Rows that ours shows moved to the left."""
    def prepare(ours, theirs):
        return (ours.map(ours.width - by, ours.height, lambda y: ours.row(y, 0, ours.width - by)),
                theirs.map(ours.width - by, ours.height, lambda y: theirs.row(
                    y, by if y < rows else 0, theirs.width - (0 if y < rows else by))))
    return prepare


def pel_masked(ours, theirs):
    """What own_palette of modes.asm makes of index & 3ch; its colours tell which index they are."""
    def colour(i):
        return bytes(v << 2 & 0xff for v in (i >> 2, i & 0x3f, i * 5 & 0x3f))
    table = {colour(i): colour(i & 0x3c) for i in range(256)}
    return ours, theirs.map(theirs.width, theirs.height, lambda y: b''.join(
        table[theirs.pixels[i:i + 3]] for i in range(y * theirs.width * 3,
                                                     (y + 1) * theirs.width * 3, 3)))


def without_box(left, top, width, height):
    def prepare(ours, theirs):
        def cut(p):
            return p.map(p.width, p.height, lambda y: p.row(y) if not top <= y < top + height else
                         p.row(y, 0, left) + bytes(3 * width) + p.row(y, left + width))
        return cut(ours), cut(theirs)
    return prepare


def nothing(_ours, _theirs):
    return None, None


IBM = 'IBM Video Subsystem Technical Reference: '
TRM = 'CL-GD5446 Technical Reference Manual: '
REASONS = {
    'text-shades': (no_ninth, IBM + 'the ninth dot repeats the eighth in C0h to DFh; in QEMU from '
                    'B0h on'),
    'text-40x25': (no_doubled_ninth, 'nine dots a character, each twice; QEMU draws eight'),
    'text-font14': (as_high, 'the CRT controller shows 400 lines whatever a character has of them; '
                    'QEMU shows whole rows of characters only'),
    'text-underline': (but_rows(lambda y: y % 16 == 13), 'QEMU does not underline'),
    'vga-12-panned': (shifted(3), 'QEMU 7.2 does not pan by pixels'),
    'vga-12-panned-split': (shifted(3, 301), 'as vga-12-panned; the lower part stays'),
    'mode-x-panned': (shifted(2), 'as vga-12-panned: one pixel, shown twice'),
    'vga-13-pel-mask': (pel_masked, IBM + 'the PEL mask is ANDed with the colour; not in QEMU'),
    'vbe-010*x4': (nothing, 'in QEMU the sequencer does not reach the planes of a mode that VBE has set: '
                   'it has each written to all; unit/vgabios'),
    'blt-skip-x24': (without_box(9, 300, 2, 20), TRM + 'GR2F counts bytes with 24 bits a pixel; in '
                     'QEMU pixels when bits are expanded over both colours'),
    'blt-nor-nand-*': (nothing, 'QEMU has 90h and DAh the other way round; unit/cirrus'),
    'blt-pattern-lines-*': (nothing, TRM + 'a pattern lies at a multiple of its size, the three low '
                            'bits are its first line; QEMU rounds all to its largest; unit/cirrus'),
    'blt-cpu-dwords-*': (nothing, TRM + 'GR33 bit 0 pads rows to doublewords; QEMU counts '
                         'doublewords where bytes are meant; unit/cirrus'),
}


def reason_for(name):
    return next((r for key, r in REASONS.items() if fnmatch.fnmatchcase(name, key)), None)


# ---- the two players ----

class Theirs:
    """The guest on the packaged QEMU."""

    def __init__(self, vga, image, folder):
        self.path = os.path.join(folder, 'theirs.ppm')
        place = os.path.join(folder, 'qmp')
        self.process = subprocess.Popen(
            [QEMU, '-M', 'pc', '-accel', 'tcg', '-nodefaults', '-vga', vga, '-display', 'none',
             '-serial', 'stdio', '-qmp', 'unix:%s,server=on,wait=off' % place,
             '-drive', 'file=%s,format=raw,if=ide' % image],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.socket.connect(place)
                break
            except OSError:
                time.sleep(0.05)
        self.file = self.socket.makefile('rw')
        self.file.readline()
        self.qmp('qmp_capabilities')

    def qmp(self, command, **arguments):
        self.file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'return' in answer:
                return
            if 'error' in answer:
                raise RuntimeError('QEMU: %s' % answer)

    def stage(self):
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError('QEMU has ended')
            if line.startswith(b'SHOW '):
                return line[5:].strip().decode()

    def one(self, mask):
        self.qmp('screendump', filename=self.path)
        return Picture.read(self.path, mask)

    def pictures(self, name, mask):
        """One, or the two of a blinking cursor."""
        found = [self.one(mask)]
        for _ in range(BLINK_TRIES if name.startswith('cursor-') and name[-3:-2] != 'x' else 0):
            if len(found) > 1:
                break
            time.sleep(BLINK_SECONDS)
            again = self.one(mask)
            if again not in found:
                found.append(again)
        return found

    def go_on(self):
        self.process.stdin.write(b' ')
        self.process.stdin.flush()

    def close(self):
        self.process.kill()
        self.process.wait()


class Ours:
    """The guest on our chips."""

    def __init__(self, player, vga, image, folder):
        self.path = os.path.join(folder, 'ours.ppm')
        self.stale = []
        self.process = subprocess.Popen([player, vga, image], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError('play_modes has ended: %s' % self.process.wait())
        return line.strip().decode()

    def stage(self):
        line = self.line()
        while not line.startswith('SHOW '):
            line = self.line()
        return line[5:]

    def say(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def pictures(self, name, mask):
        found = []
        for half in 'PB' if re.match('text-|cursor-', name) else 'P':
            self.say('%s %s\n' % (half, self.path))
            line = self.line()
            while line != 'DONE':
                self.stale.append(line)
                line = self.line()
            picture = Picture.read(self.path, mask)
            if picture not in found:
                found.append(picture)
        return found

    def go_on(self):
        self.say('x\n')

    def close(self):
        self.process.kill()
        self.process.wait()


# ---- comparing ----

def where(ours, theirs):
    if (ours.width, ours.height) != (theirs.width, theirs.height):
        return '%dx%d here, %dx%d there' % (ours.width, ours.height, theirs.width, theirs.height)
    bad = [i // 3 for i in range(len(ours.pixels)) if ours.pixels[i] != theirs.pixels[i]]
    i = bad[0]
    return '%d bytes; first at %d,%d: %s here, %s there' % (
        len(bad), i % ours.width, i // ours.width, ours.pixels[3 * i:3 * i + 3].hex(),
        theirs.pixels[3 * i:3 * i + 3].hex())


def differs(name, ours, theirs):
    """None, or how they differ and no reason is known. Both are one picture, or a blink's two."""
    reason = reason_for(name)
    if len(ours) != len(theirs):
        return '%d pictures here, %d there' % (len(ours), len(theirs))
    if all(p in theirs for p in ours):
        return 'the reason for a difference is out of date' if reason else None
    if not reason:
        return where(ours[0], theirs[0])
    a, b = reason[0](ours[0], theirs[0])
    return None if a is None or a == b else where(a, b)


def keep(folder, name, ours, theirs):
    if not folder:
        return
    os.makedirs(folder, exist_ok=True)
    for who, pictures in (('ours', ours), ('theirs', theirs)):
        for i, p in enumerate(pictures):
            with open('%s/%s-%s%s.ppm' % (folder, name, who, i or ''), 'wb') as f:
                f.write(b'P6\n%d %d\n255\n' % (p.width, p.height) + p.pixels)


def build(folder):
    image = os.path.join(folder, 'modes.img')
    subprocess.run(['nasm', '-f', 'bin', '-o', image, 'modes.asm'], check=True,
                   cwd=os.path.join(TOP, 'tests', 'lab'))
    with open(image, 'r+b') as f:
        f.truncate(1 << 20)
    return image


def compare(vga, a, folder, listing):
    """Plays all of it; returns how many stages differ without a reason, and how many there were."""
    image = build(folder)
    theirs, ours = Theirs(vga, image, folder), Ours(a.player, vga, image, folder)
    stages = failed = explained = 0
    try:
        while True:
            name, other = ours.stage(), theirs.stage()
            if name != other:
                raise RuntimeError('the guest is at %s here, at %s there' % (name, other))
            if name == 'end':
                break
            mask = mask_of(name)
            mine, yours = ours.pictures(name, mask), theirs.pictures(name, mask)
            wrong = '; '.join(ours.stale) or differs(name, mine, yours)
            ours.stale = []
            stages += 1
            explained += reason_for(name) is not None
            if wrong:
                failed += 1
                keep(a.keep, vga + '-' + name, mine, yours)
                print('FAIL  %s %s: %s' % (vga, name, wrong), flush=True)
            if a.list:
                shown = mine if reason_for(name) else yours
                listing.append('%s %s %s' % (vga, mine[0].line(name, mask),
                                             ' '.join(p.md5() for p in shown)))
            for player in (ours, theirs):
                player.go_on()
    finally:
        ours.close()
        theirs.close()
    print('%s: %d pictures, %d with a reason to differ, %d wrong' %
          (vga, stages, explained, failed), flush=True)
    return failed


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--player', default=os.path.join(TOP, 'build', 'tests', 'play_modes'))
    p.add_argument('--keep')
    p.add_argument('--list')
    p.add_argument('vga', nargs='*')
    a = p.parse_args()
    failed, listing = 0, []
    with tempfile.TemporaryDirectory(prefix='hvm-dm-modes.') as folder:
        for vga in a.vga or ('std', 'cirrus'):
            failed += compare(vga, a, folder, listing)
    if a.list:
        with open(a.list, 'w') as f:
            f.write('\n'.join(listing) + '\n')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
