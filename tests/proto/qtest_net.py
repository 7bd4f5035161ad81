#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Network cards of the whole program over the socket engine: a driver's conversation with a card whose cable is a
Unix socket of ours. The same is asked of the packaged QEMU where there is one, and both must send and store the same.

    tests/proto/qtest_net.py --dm build/hvm-dm [NAME...]
"""
import os
import struct
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from net_card import ORACLE, SLOT, NetCard, frame, of_oracle, tcp  # noqa: E402
import suite  # noqa: E402
from qtest_client import Qtest, QtestError  # noqa: E402
from suite import expect, test  # noqa: E402

IO = 0xc000
TX, RING, TX_RING, RX_RING, BUFFER = 0x100000, 0x110000, 0x130000, 0x131000, 0x140000
OWN, EOR, FS, LS = 1 << 31, 1 << 30, 1 << 29, 1 << 28


class Card(NetCard):
    def __init__(self, dm, extra=()):
        super().__init__(dm, 'rtl8139', (IO,), extra)

    def descriptor(self, ring, n, command, tag, address):
        self.q.memwrite(ring + 16 * n, struct.pack('<IIQ', command, tag, address))

    def status(self, ring, n):
        return struct.unpack('<I', self.q.memread(ring + 16 * n, 4))[0]


def plus(card):
    q = card.q
    q.outw(IO + 0xe0, 0x0003)
    q.outl(IO + 0x20, TX_RING)
    q.outl(IO + 0x24, 0)
    q.outl(IO + 0xe4, RX_RING)
    q.outl(IO + 0xe8, 0)
    q.outb(IO + 0x37, 0x0c)
    q.outl(IO + 0x44, 0x0e)


@test
def test_identity(card, see):
    q = card.q
    see('id', q.config_read(SLOT << 3, 0))
    see('class', q.config_read(SLOT << 3, 8))
    see('subsystem', q.config_read(SLOT << 3, 0x2c))
    see('version', q.inl(IO + 0x40) & 0x7cc00000)
    see('address', bytes(q.inb(IO + i) for i in range(6)))
    see('command', q.inb(IO + 0x37) & 0x0f)
    see('PHY', [q.inw(IO + off) & mask for off, mask in ((0x62, 0x1000), (0x64, 0x782d))])
    see('media', q.inb(IO + 0x58) & 0x04)
    info = q.qmp('query-pci')[0]['devices']
    expect([d['qdev_id'] for d in info if d['slot'] == SLOT], ['nic0'], 'query-pci')


@test
def test_eeprom(card, see):
    def word(address, length):
        q, got = card.q, 0
        q.outb(IO + 0x50, 0x80)
        q.outb(IO + 0x50, 0x88)
        for bit in format(6 << length | address, '0%db' % (length + 5)):
            q.outb(IO + 0x50, 0x88 | int(bit) << 1)
            q.outb(IO + 0x50, 0x8c | int(bit) << 1)
        q.outb(IO + 0x50, 0x88)
        for _ in range(16):
            q.outb(IO + 0x50, 0x8c)
            got = got << 1 | q.inb(IO + 0x50) & 1
            q.outb(IO + 0x50, 0x88)
        q.outb(IO + 0x50, 0)
        return got
    see('signature', word(0, 6))
    see('address', [word(7 + i, 6) for i in range(3)])


@test
def test_four_descriptors(card, see):
    q = card.q
    q.outb(IO + 0x37, 0x04)
    for i in range(6):
        n, data = i % 4, frame(60 + 250 * i, i)
        q.memwrite(TX + 4096 * n, data)
        q.outl(IO + 0x20 + 4 * n, TX + 4096 * n)
        q.outl(IO + 0x10 + 4 * n, len(data))
        expect(card.receive(), data, 'frame %d' % i)
        q.until('sent', lambda: q.inl(IO + 0x10 + 4 * n) & 0xa000 == 0xa000)
    see('interrupts', q.inw(IO + 0x3e) & 4)


@test
def test_byte_ring(card, see):
    q, at = card.q, 0
    q.outl(IO + 0x30, RING)
    q.outb(IO + 0x37, 0x0c)
    q.outl(IO + 0x44, 0x0e)
    for i in range(30):
        data = frame(60 + i * 131 % 1400, i)
        card.send(data)
        q.until('a frame', lambda: not q.inb(IO + 0x37) & 1)
        ring = q.memread(RING, 8192)
        status, length = struct.unpack('<HH', ring[at:at + 4])
        see('status', status)
        expect(length, len(data) + 4, 'length')
        expect((ring + ring)[at + 4:at + 4 + len(data)], data, 'frame %d' % i)
        at = (at + 4 + length + 3 & ~3) % 8192
        expect(q.inw(IO + 0x3a), at, 'CBR')
        q.outw(IO + 0x38, at - 16 & 0xffff)
    # not for us, not asked for
    card.send(frame(60, 1, bytes(6)))
    card.send(frame(60, 2))
    q.until('a frame', lambda: not q.inb(IO + 0x37) & 1)
    expect(struct.unpack('<H', q.memread(RING + at + 4 + 6, 2))[0], 0x0902, 'the filter')


@test
def test_plus_send(card, see):
    q = card.q
    plus(card)
    data = tcp(bytes(i & 255 for i in range(501)))
    q.memwrite(TX, data)
    card.descriptor(TX_RING, 0, OWN | FS | 1 << 18 | 1 << 16 | 100, 0, TX)
    card.descriptor(TX_RING, 1, OWN | LS | 1 << 18 | 1 << 16 | len(data) - 100, 0, TX + 100)
    card.descriptor(TX_RING, 2, OWN | EOR | FS | LS | 100, 1 << 17 | 0x0520, TX)
    q.outb(IO + 0xd9, 0x40)
    see('with sums', card.receive())
    see('tagged', card.receive())
    q.until('sent', lambda: not card.status(TX_RING, 2) & OWN)
    see('status', [card.status(TX_RING, i) & 0xf0000000 for i in range(3)])


@test
def test_plus_receive(card, see):
    q = card.q
    plus(card)
    for i in range(4):
        card.descriptor(RX_RING, i, OWN | (EOR if i == 3 else 0) | 1536, 0, BUFFER + 2048 * i)
    for i in range(9):
        n, data = i % 4, frame(60 + 100 * i, i)
        card.send(data)
        q.until('frame %d' % i, lambda: not card.status(RX_RING, n) & OWN)
        see('status', card.status(RX_RING, n))
        expect(q.memread(BUFFER + 2048 * n, len(data)), data, 'frame %d' % i)
        card.descriptor(RX_RING, n, OWN | (EOR if n == 3 else 0) | 1536, 0, BUFFER + 2048 * n)
    see('interrupts', q.inw(IO + 0x3e) & 1)


@test
def test_link(card, see):
    q = card.q
    q.outw(IO + 0x3e, 0xffff)
    q.qmp('set_link', name='net0', up=False)
    q.until('the link down', lambda: not q.inw(IO + 0x64) & 4)
    see('media', q.inb(IO + 0x58) & 0x04)
    q.outb(IO + 0x37, 0x04)
    q.outl(IO + 0x20, TX)
    q.outl(IO + 0x10, 60)
    q.until('sent, to nobody', lambda: q.inl(IO + 0x10) & 0x2000)
    q.qmp('set_link', name='nic0', up=True)
    q.until('the link up', lambda: q.inw(IO + 0x64) & 4)


@test
def test_flood(card, see):
    """More than the ring holds, and nobody reads: what fits is there, in order; the rest waits or is lost, and
    neither costs memory."""
    q = card.q
    q.outl(IO + 0x30, RING)
    q.outb(IO + 0x37, 0x0c)
    q.outl(IO + 0x44, 0x0e)
    card.cable.setblocking(False)
    data, sent = struct.pack('>I', 1000) + frame(1000), 0
    try:
        for _ in range(20000):
            sent += card.cable.send(data)
    except BlockingIOError:
        pass
    with open('/proc/%d/status' % q.process.pid, encoding='ascii') as f:
        rss = int(next(line for line in f if line.startswith('VmRSS')).split()[1])
    if rss > 200000:
        raise AssertionError('%d KiB after a flood' % rss)
    q.until('the first frame', lambda: q.memread(RING + 2, 2) == struct.pack('<H', 1004))


def test_plug(dm):
    """netdev_add, device_add, the guest looks, device_del, the guest ejects."""
    with Qtest(dm, ['-nodefaults']) as q, tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'net')
        q.qmp('netdev_add', type='stream', id='net7', server=True, **{'addr': {'type': 'unix', 'path': path}})
        q.qmp('device_add', driver='rtl8139', id='nic7', netdev='net7', mac='00:16:3e:00:00:07', addr='9')
        expect(q.config_read(9 << 3, 0), 0x813910ec, 'the card on the bus')
        expect(q.inl(0xae00) >> 9 & 1, 1, 'PCIU')
        try:
            q.qmp('device_add', driver='nec-usb-xhci', id='nic7')
            raise AssertionError('two devices with one id')
        except QtestError as e:
            expect('"nic7" already' in str(e), True, str(e))
        q.outl(0xae08, 1 << 4)  # of another slot: nothing
        q.qmp('device_del', id='nic7')
        expect(q.inl(0xae04) >> 9 & 1, 1, 'PCID')
        expect(q.config_read(9 << 3, 0), 0x813910ec, 'the card until the guest lets go')
        q.outl(0xae08, 1 << 9)
        q.wait_event('DEVICE_DELETED')
        expect(q.config_read(9 << 3, 0), 0xffffffff, 'the empty slot')
        q.qmp('netdev_del', id='net7')
        for command, arguments in (('device_del', {'id': 'nic7'}), ('netdev_del', {'id': 'net7'}),
                                   ('set_link', {'name': 'net7', 'up': True}),
                                   ('device_add', {'driver': 'rtl8139', 'netdev': 'nowhere'}),
                                   ('netdev_add', {'type': 'hubport', 'id': 'x', 'hubid': 1})):
            try:
                q.qmp(command, **arguments)
            except QtestError:
                continue
            raise AssertionError('%s succeeded' % command)
        for _ in range(3):  # again, under the same names
            q.qmp('netdev_add', type='stream', id='net7', server=True, **{'addr': {'type': 'unix', 'path': path}})
            q.qmp('device_add', driver='rtl8139', id='nic7', netdev='net7', addr='9')
            q.qmp('device_del', id='nic7')
            q.outl(0xae08, 1 << 9)
            q.qmp('netdev_del', id='net7')


CARDS = ('rtl8139', 'e1000', 'virtio-net-pci')


def card_roms(dm):
    """What firmware finds in the ROM of each card."""
    roms, at = {}, 0xf0000000
    args = [word for i, card in enumerate(CARDS) for word in ('-device', '%s,addr=%x' % (card, SLOT + i))]
    with Qtest(dm, ['-nodefaults'] + args) as q:
        for i, card in enumerate(CARDS):
            devfn = SLOT + i << 3
            q.config_write(devfn, 0x30, 0xfffffffe)
            size = -q.config_read(devfn, 0x30) & 0xffffffff
            q.config_write(devfn, 0x30, at | 1)
            q.config_write(devfn, 0x04, 2, 2)
            roms[card] = q.config_read(devfn, 0), q.memread(at, size)
            at += size
    return roms


def test_roms(dm):
    """SeaBIOS starts an image that is whole and names the card. (The oracle leaves the second image, for UEFI, as
    it is in the file.)"""
    roms = card_roms(dm)
    oracles = card_roms(ORACLE) if os.access(ORACLE, os.X_OK) else {}
    for card, (ids, rom) in roms.items():
        expect(rom[:2], b'\x55\xaa', card)
        pcir = struct.unpack('<H', rom[0x18:0x1a])[0]
        expect(rom[pcir:pcir + 4], b'PCIR', card)
        expect(struct.unpack('<I', rom[pcir + 4:pcir + 8])[0], ids, card + ': whom its ROM is for')
        expect(sum(rom[:rom[2] * 512]) & 255, 0, card + ': the sum of its ROM')
        if card in oracles:
            expect(rom[:rom[2] * 512] == oracles[card][1][:rom[2] * 512], True, card + ': the ROM beside the oracle')


def test_queues(dm):
    """Pairs of queues: as many as the tap is to have, if the card is to have several; what can't be is refused."""
    def start(card, netdev):
        with Qtest(dm, ['-nodefaults', '-device', card + ',netdev=net0,addr=4',
                        '-netdev', 'tap,id=net0,script=no' + netdev]) as q:
            q.config_write(SLOT << 3, 0x20, 0xf0000000)
            q.config_write(SLOT << 3, 0x04, 2, 2)
            features = q.readl(0xf0000004)
            return features >> 22 & 1, features >> 3 & 1, q.number('readw', 0xf0000012)

    if not os.access('/dev/net/tun', os.W_OK) or os.geteuid():
        print('no tap can be made here')
        return
    for card, netdev, want in (
            ('virtio-net-pci,mq=on', ',queues=3', (1, 0, 7)), ('virtio-net-pci', ',queues=3', (0, 0, 3)),
            ('virtio-net-pci,mq=on', '', (0, 0, 3)), ('virtio-net-pci,mq=on,host_mtu=9000', ',queues=8', (1, 1, 17))):
        expect(start(card, netdev), want, card + ' ' + netdev)
    for card, netdev, word in (('virtio-net-pci,mq=on', ',queues=9', 'queues=9'), ('e1000,mq=on', '', 'mq='),
                               ('virtio-net-pci,mq=on', ',queues=0', 'queues=0'),
                               ('virtio-net-pci,vectors=0', '', 'vectors=0'),
                               ('virtio-net-pci,host_mtu=67', '', 'host_mtu=67')):
        try:
            start(card, netdev)
        except QtestError as error:
            if word in str(error):
                continue
            raise
        raise AssertionError('%s %s was taken' % (card, netdev))


def test_default(dm):
    """The card that a PC has by default is on a user-mode network; without libslirp it leads nowhere. Cards of -nic
    come first."""
    def network(*args):
        with Qtest(dm, args) as q:
            found = [q.config_read(slot << 3, 0) for slot in range(3, 6)]
            return found, q.qmp('human-monitor-command', **{'command-line': 'info network'})

    cards, info = network()
    expect(cards, [0x100e8086, 0xffffffff, 0xffffffff], 'the default card')
    expect('nic0: open, link up' in info, True, info)
    expect(network('-device', 'rtl8139', '-nic', 'user')[0], [0x100e8086, 0x813910ec, 0xffffffff], 'the order')
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, 'libslirp.so.0'), 'wb'):
            pass
        os.environ['LD_LIBRARY_PATH'] = directory
        try:
            cards, info = network()
            expect(cards[0], 0x100e8086, 'the default card without libslirp')
            expect('nic0: open' in info, False, info)
            try:
                network('-nic', 'user')
            except QtestError as error:
                expect('libslirp' in str(error), True, str(error))
            else:
                raise AssertionError('-nic user without libslirp was taken')
        finally:
            del os.environ['LD_LIBRARY_PATH']


def run(dm, function):
    seen = []
    card = Card(dm)
    try:
        function(card, lambda what, value: seen.append((what, value)))
    finally:
        card.close()
    return seen


def both(dm, function):
    ours = run(dm, function)
    if os.access(ORACLE, os.X_OK):
        theirs = of_oracle(lambda: run(ORACLE, function))
        for mine, other in zip(ours, theirs):
            expect(mine, other, 'beside the oracle')
        expect(len(ours), len(theirs), 'beside the oracle')


def main():
    options = suite.arguments(__doc__)
    tests = [(name, lambda f=f: both(suite.dm, f)) for name, f in suite.TESTS]
    alone = (test_plug, test_default, test_queues, test_roms)
    suite.run(tests + [(f.__name__.removeprefix('test_'), lambda f=f: f(suite.dm)) for f in alone], options.names)


if __name__ == '__main__':
    main()
