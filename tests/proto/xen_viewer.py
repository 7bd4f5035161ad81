#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a viewer sees is what there is, however it came: a guest draws under the native rig, and in
the end the picture that updates left with the viewer is that of a screendump.

    tests/proto/xen_viewer.py [--dm hvm-dm|qemu|PATH] [--list] [NAME...]

The viewer (tests/bench/rfb) takes CopyRect, unpacks by zlib, and never asks for a whole screen but
at first.
"""
import os
import time

from harness import Started, base, expect, main, test
from qmp_client import Qmp
import rig

QEMU_DIFFERS = {}
QUIET, LOSS = 0.6, {'own': 0, 'bgr': 0, '16': 4}


def picture(path):
    with open(path, 'rb') as f:
        kind, size, levels, pixels = f.read().split(b'\n', 3)
    expect(kind == b'P6' and levels == b'255', 'no PPM')
    return size, pixels


def started():
    return Started(base(vnc={'listen': 'unix:DISK.vnc', 'unused': False}))


def compare(s, v, what, loss=0):
    """Once nothing changes any more."""
    v('still', QUIET, 20)
    seen, there = s.disk + '.seen', s.disk + '.there'
    v('save', seen)
    with Qmp(s.stat_path) as q:
        q.command('screendump', filename=there)
    (size, a), (other, b) = picture(seen), picture(there)
    expect(size == other, '%s: %s is seen, %s is there' % (what, size, other))
    wrong = sum(abs(x - y) > loss for x, y in zip(a, b)) if a != b else 0
    expect(not wrong, '%s: %d bytes of the picture differ' % (what, wrong))
    os.unlink(there)


def play(s, v, what, *plays, loss=0):
    for words in plays:
        v.say('watch', 0.5)         # looks meanwhile, in the middle of things
        s(*words)
        v.answer()
        compare(s, v, '%s, %s' % (what, words[0]), loss)


@test
def test_every_encoding_and_format():
    for encoding in ('tight', 'zrle', 'hextile', 'raw'):
        for pixels in LOSS:
            with started() as s:
                s('running')
                s('screen', 'vbe', 640, 480)
                options = ['--pixels', pixels]
                with rig.Viewer(s.disk + '.vnc', encoding, options) as v:
                    play(s, v, encoding + ', ' + pixels, ('console', 40, 100), ('frames', 3, 10),
                         ('console', 1), ('console', 7, 30), loss=LOSS[pixels])


@test
def test_modes():
    with started() as s:
        s('running')
        with rig.Viewer(s.disk + '.vnc') as v:
            s('screen', 'text')
            s('out', 0x3d4, 2, 0x200a)          # no cursor: it would blink in one of the two
            play(s, v, 'text', ('console', 40, 200), ('console', 300))
            s('screen', 'planar')
            play(s, v, 'planar', ('paint', 'bytes'), ('paint', 'strings', 2), ('paint', 'masks', 3))
            s('screen', 'vbe')
            play(s, v, 'vbe', ('console', 60, 200), ('frames', 2))
            s('screen', 'vbe', 800, 600)
            play(s, v, 'smaller', ('frames', 1), ('console', 60, 200))
            s('screen', 'text')
            s('out', 0x3d4, 2, 0x200a)
            play(s, v, 'text again', ('console', 10, 100))


def tracked(s):
    return s('counts').get('dm_track_dirty_vram', 0)


@test
def test_video_memory_is_tracked_while_somebody_looks():
    """And less often the longer nothing has changed: 60 times a second, each half a second after 3 s."""
    with started() as s:
        s('running')
        s('screen', 'vbe', 640, 480)
        before = tracked(s)
        s('frames', 10, 100)
        expect(tracked(s) == before, 'video memory is tracked while nobody looks')
        with rig.Viewer(s.disk + '.vnc') as v:
            v('watch', 0.5)
            expect(tracked(s) > before, 'a viewer has Xen not asked')
            v('watch', 3.5)
            before = tracked(s)
            v('watch', 2)
            expect(0 < tracked(s) - before <= 4, '%d times in 2 s at rest' % (tracked(s) - before))
        deadline = time.monotonic() + 10
        with Qmp(s.stat_path) as q:
            while q.command('query-vnc')['clients']:
                expect(time.monotonic() < deadline, 'the viewer does not go')
        before = tracked(s)
        s('frames', 10, 100)
        expect(tracked(s) == before, 'video memory is tracked after the viewer has gone')


@test
def test_a_slow_viewer_beside_a_quick_one():
    with started() as s:
        s('running')
        s('screen', 'vbe', 640, 480)
        with rig.Viewer(s.disk + '.vnc', 'zrle') as slow, rig.Viewer(s.disk + '.vnc') as quick:
            for n in range(6):
                quick.say('watch', 0.4)
                s('console', 20, 50)            # the slow one asks between, now and then
                if n % 2:
                    slow('updates', 1)
                quick.answer()
            compare(s, quick, 'quick')
            compare(s, slow, 'slow')


if __name__ == '__main__':
    main(__doc__, QEMU_DIFFERS)
