#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest and video memory through the whole device model, under the native rig without Xen.

    tests/proto/xen_memory.py [--dm hvm-dm|qemu|PATH] [--list] [NAME...]

Where video memory lies follows the VGA's BAR (PCI Local Bus 2.1, 6.2.5); pages that we write are told
to Xen while it wants to know; what a balloon took away is seen to be gone and to be back.
"""
from harness import Started, base, expect, main, test
from qmp_client import Qmp

QEMU_DIFFERS = {
    'vram_is_as_large_as_libxl_left_room_for': 'ends with a sentence of libxenctrl\'s',
    'vram_follows_its_bar': 'moves it to the first place only, and fails at the next',
    'ballooned_pages': 'copies to where nothing could be mapped',
}
COMMAND, BAR0, CLASS = 0x04, 0x10, 0x0a
MEMORY_SPACE = 2
PAGE, FOUR_GIB = 4096, 1 << 32


class Vga:
    """The display controller, as firmware finds and places it."""

    def __init__(self, s):
        self.s = s
        self.devfn = next(d for d in range(256) if s('pci', d, CLASS, 2) == 0x0300)
        s('pciw', self.devfn, COMMAND, 2, 0)
        s('pciw', self.devfn, BAR0, 4, 0xffffffff)
        self.size = -(s('pci', self.devfn, BAR0, 4) & ~0xf) & 0xffffffff

    def place(self, base):
        self.s('pciw', self.devfn, COMMAND, 2, 0)
        if base is not None:
            self.s('pciw', self.devfn, BAR0, 4, base)
            self.s('pciw', self.devfn, COMMAND, 2, MEMORY_SPACE)

    def there(self, base):
        """Whether memory, not an ioreq, answers there."""
        return self.s.guest.try_('ram', hex(base), 4)[0]


def rep_insw(s, count=256):
    s('ins', 0x1f0, 2, count)


@test
def test_vram_follows_its_bar():
    with Started(base()) as s:
        s('running')
        vga = Vga(s)
        expect(vga.size == 16 << 20, 'the BAR is of %#x bytes' % vga.size)
        vga.place(0xe0000000)
        expect(vga.there(0xe0000000) and vga.there(0xe0fff000), 'nothing at the BAR')
        expect(not vga.there(0xe1000000), 'more than the BAR')
        s('ramw', 0xe0001000, 'feedc0de')
        vga.place(0xe1000000)
        expect(not vga.there(0xe0000000), 'still at the old place')
        expect(s('ram', 0xe1001000, 4) == 'feedc0de', 'the bytes did not come along')
        vga.place(None)
        s('idle', 0.1)                      # it has a moment
        expect(not vga.there(0xe1000000), 'there while the BAR is off')
        vga.place(0xf0000000)
        expect(s('ram', 0xf0001000, 4) == 'feedc0de', 'the bytes are lost')
        expect(s('domain')['refused'] != 'dm_relocate', 'a move was refused')


@test
def test_vram_is_not_moved_for_nothing():
    with Started(base()) as s:
        s('running')
        vga = Vga(s)
        vga.place(0xe0000000)
        before = s('counts').get('dm_relocate', 0)
        for value in (7, 3, 2, 6):
            s('pciw', vga.devfn, COMMAND, 2, value)
        for _ in range(7):                  # as Linux sizes BARs
            s('pciw', vga.devfn, COMMAND, 2, 0)
            s('pciw', vga.devfn, BAR0, 4, 0xffffffff)
            s('pciw', vga.devfn, BAR0, 4, 0xe0000000)
            s('pciw', vga.devfn, COMMAND, 2, MEMORY_SPACE)
        expect(s('counts').get('dm_relocate', 0) == before, 'moved though nothing changed')


@test
def test_vram_makes_room():
    with Started(base()) as s:
        s('running')
        vga = Vga(s)
        vga.place(0xe0000000)
        s('pciw', vga.devfn, COMMAND, 2, 0)
        platform = next(d for d in range(256) if s('pci', d, 0, 4) == 0x00015853)
        s('pciw', platform, 0x14, 4, 0xe0000000)
        s('pciw', platform, COMMAND, 2, MEMORY_SPACE)
        expect(not vga.there(0xe0000000), 'in the way of another BAR')


@test
def test_vram_is_as_large_as_libxl_left_room_for():
    with Started(base(videoram=32), video=16) as s:
        good, how = s.guest.try_('running')
        expect(not good, 'runs without its video memory')
        expect('video' in s.log() and 'videoram' in s.log(), 'the log does not say what to do')


@test
def test_written_pages_are_told_while_xen_wants_to_know():
    with Started(base()) as s:
        s('running')
        rep_insw(s)
        expect('dm_modified_memory' not in s('counts'), 'told though nobody asked')
        with Qmp(s.qmp_path) as q:
            q.command('xen-set-global-dirty-log', enable=True)
            rep_insw(s)
            q.command('query-status')       # a turn of the loop later
            told = s('counts').get('dm_modified_memory', 0)
            expect(told >= 1, 'a string into RAM was not told')
            for _ in range(20):
                s('in', 0x1f7)
            expect(s('counts')['dm_modified_memory'] == told, 'told of what it did not write')
            q.command('xen-set-global-dirty-log', enable=False)
        rep_insw(s)
        expect(s('counts')['dm_modified_memory'] == told, 'told though nobody wants to know')


@test
def test_mappings_are_made_once():
    with Started(base()) as s:
        s('running')
        rep_insw(s)
        before = s('counts')['foreign_map']
        for _ in range(50):
            rep_insw(s)
        expect(s('counts')['foreign_map'] == before, 'mapped again')
        s('invalidate')
        rep_insw(s)
        expect(s('counts')['foreign_map'] > before, 'an invalidated mapping is still used')


@test
def test_ballooned_pages():
    with Started(base()) as s:
        s('running')
        rep_insw(s)                         # to 1 MiB, frame 0x100
        s('balloon', 0x100, 2)
        s('invalidate')
        rep_insw(s)
        rep_insw(s)
        expect(s('in', 0x1f7) is not None, 'no answer')
        expect(not s.guest.try_('ram', hex(0x100000), 4)[0], 'the rig did not take the page')


@test
def test_many_vcpus_at_once():
    with Started(base(vcpus=8)) as s:
        s('running')
        s('smp', 8, 0x3f6, 200)


if __name__ == '__main__':
    main(__doc__, QEMU_DIFFERS)
