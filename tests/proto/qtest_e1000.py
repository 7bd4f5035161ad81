#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver's conversation with the 82540EM over the socket engine, the same with the packaged QEMU; what
differs must be in DIFFERENCES with its reason.

    tests/proto/qtest_e1000.py --dm build/hvm-dm [-v]
"""
import argparse
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from net_card import MAC, ORACLE, SLOT, NetCard, fold, frame, of_oracle, tcp  # noqa: E402

BAR, PORT = 0xe0000000, 0xc000
TX_RING, RX_RING, DATA, BUFFERS = 0x100000, 0x101000, 0x110000, 0x140000

DIFFERENCES = {
    'BMSR at first': 'there the PHY says no link until a driver restarts negotiation',
    'LEDCTL': 'there it begins at 602; the manual says 07068302 (13.4.32)',
    'TIPG': 'there it begins at 0; its values of the manual are loaded here',
    'FCAH': 'there all 32 bits are kept; the manual has 16',
    'VET': 'as FCAH',
    'by ports': 'there the I/O BAR answers nothing',
    'EEPROM words': 'the image is the board maker\'s; both have the address, the ids and the sum',
    'STATUS': 'there bit 31 is set, reserved in this card (13.4.2)',
}


class Card(NetCard):
    def __init__(self, dm):
        super().__init__(dm, 'e1000', (BAR, PORT))

    def rd(self, reg):
        return self.q.readl(BAR + reg)

    def wr(self, reg, val):
        self.q.writel(BAR + reg, val)


def mdic(card, reg):
    card.wr(0x20, 1 << 27 | 1 << 21 | reg << 16)
    card.q.clock_step(1000)
    return card.rd(0x20) & 0xffff


def identity(card, see):
    q = card.q
    see('id', q.config_read(SLOT << 3, 0))
    see('class', q.config_read(SLOT << 3, 8))
    see('subsystem', q.config_read(SLOT << 3, 0x2c))
    see('RA', [card.rd(0x5400), card.rd(0x5404)])
    see('STATUS', card.rd(0x08))
    for name, reg in (('LEDCTL', 0xe00), ('TIPG', 0x410), ('PBA', 0x1000)):
        see(name, card.rd(reg))
    see('PHY id', [mdic(card, 2), mdic(card, 3)])
    see('BMCR', mdic(card, 0))
    see('BMSR at first', mdic(card, 1))
    q.outl(PORT, 0x5400)
    see('by ports', q.inl(PORT + 4))


def eeprom(card, see):
    words = []
    for i in range(64):
        card.wr(0x14, i << 8 | 1)
        words.append(card.rd(0x14) >> 16)
    see('EEPROM address', words[:3])
    see('EEPROM sum', sum(words) & 0xffff)
    see('EEPROM ids', words[13:15])
    see('EEPROM words', words)


def transmit(card, see):
    q = card.q
    card.wr(0x3800, TX_RING)
    card.wr(0x3804, 0)
    card.wr(0x3808, 128 * 16)
    card.wr(0x3810, 0)
    card.wr(0x3818, 0)
    card.wr(0x400, 2)
    card.tail = 0

    def desc(addr, word2, word3):
        q.memwrite(TX_RING + 16 * card.tail, struct.pack('<QII', addr, word2, word3))
        card.tail += 1

    def kick():
        card.wr(0x3818, card.tail)

    card.wr(0xd0, 1)
    q.memwrite(DATA, frame(300))
    desc(DATA, 100 | 2 << 24, 0)
    desc(DATA + 100, 200 | 0x0b << 24, 0)
    kick()
    see('two parts', card.receive())
    see('their status', q.memread(TX_RING + 12, 1) + q.memread(TX_RING + 28, 1))
    see('ICR', card.rd(0xc0) & 1)
    see('ICR again', card.rd(0xc0) & 1)
    see('TDH', card.rd(0x3810))
    card.wr(0, 1 << 30 | 0x41)
    desc(DATA, 300 | 0x4b << 24, 0x6123 << 16)
    kick()
    see('tagged', card.receive())
    data = tcp(bytes(range(200)) * 14 + bytes(150))  # no whole segments: there an empty one follows those
    q.memwrite(DATA, data[:50] + struct.pack('>H', fold(data[26:34] + b'\0\6\0\0')) + data[52:])
    desc(14 | 24 << 8 | 33 << 16 | (34 | 50 << 8) << 32, 2950 | 0x27 << 24, 54 << 8 | 1000 << 16)
    desc(DATA, 3004 | 1 << 20 | 0x2f << 24, 3 << 8)
    kick()
    for i in range(3):
        got = card.receive()
        see('segment %d' % i, got)
        if fold(got[26:34] + struct.pack('>HH', 6, len(got) - 34) + got[34:]) != 0xffff:
            raise AssertionError('a checksum')
    desc(14 | 24 << 8 | 33 << 16 | (34 | 50 << 8) << 32, 3 << 24 | 0x20 << 24, 0)
    desc(DATA, 354 | 1 << 20 | 0x2b << 24, 2 << 8)
    kick()
    see('checksum put in', card.receive())
    see('sent', [card.rd(0x4080), card.rd(0x40d4)])


def reception(card, see):
    q = card.q
    for i in range(16):
        q.memwrite(RX_RING + 16 * i, struct.pack('<QQ', BUFFERS + 2048 * i, 0))
    card.wr(0x2800, RX_RING)
    card.wr(0x2804, 0)
    card.wr(0x2808, 16 * 16)
    card.wr(0x2810, 0)
    card.wr(0x2818, 15)
    card.wr(0xd0, 0x80)
    card.wr(0x100, 0x8002)
    q.clock_step(1100000000)  # the oracle looks for frames a second later
    head = 0
    for what, data, wanted in (
            ('ours', frame(500), True), ('broadcast', frame(100, to=b'\xff' * 6), True),
            ('another\'s', frame(100, to=b'\2\0\0\0\0\1'), False), ('long', frame(1514), True)):
        card.send(data)
        if wanted:
            q.until(what, lambda: card.rd(0x2810) == head + 1)
            length, _, status = struct.unpack('<HHB', q.memread(RX_RING + 16 * head + 8, 5))
            see(what, [length, status & 3, q.memread(BUFFERS + 2048 * head, length - 4)])
            head += 1
    see('RX cause', card.rd(0xc0) & 0x80)
    see('received', [card.rd(0x4074), card.rd(0x4078)])
    for name, reg in (('FCAH', 0x2c), ('VET', 0x38)):
        card.wr(reg, 0xffffffff)
        see(name, card.rd(reg) & 0xffffffff)


def run(dm):
    seen = []
    for part in (identity, eeprom, transmit, reception):
        card = Card(dm)
        try:
            part(card, lambda what, value: seen.append((what, value)))
        finally:
            card.close()
    return seen


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--dm', required=True)
    parser.add_argument('-v', action='store_true')
    options = parser.parse_args()
    ours, failed = run(options.dm), 0
    if not os.access(ORACLE, os.X_OK):
        print('%d answers; no QEMU here to compare with' % len(ours))
        return 0
    theirs = of_oracle(lambda: dict(run(ORACLE)))
    for what, value in ours:
        if value == theirs[what]:
            continue
        known = what in DIFFERENCES
        failed += not known
        if options.v or not known:
            print('%s: %s: %r, there %r%s' % ('differs' if known else 'WRONG', what, value, theirs[what],
                                              '; ' + DIFFERENCES[what] if known else ''))
    print('%d answers, %d differ without a reason' % (len(ours), failed))
    return failed > 0


sys.exit(main())
