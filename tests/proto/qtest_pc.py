#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole program as a PC, over the socket engine: what a datasheet says is expected of every
device model; what else is seen is compared with another one, and each difference has its reason here.

    tests/proto/qtest_pc.py [--dm PATH] [--oracle PATH] [NAME...]
"""
import argparse
import os
import struct
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from qtest_client import Qtest, QtestError

ORACLES = ('/usr/libexec/xen-qemu-system-i386',) # Debian's other QEMUs have no -accel qtest
TESTS = []
SECTORS = 4 * 1024 * 1024 // 512

# Why what an oracle shows is not what we show: by test, what to a reason; a trailing * matches more.
# The oracle is QEMU 7.2 as Debian packages it for Xen.
ATA_OBSOLETE = 'QEMU fills words that are obsolete since ATA-2 with the geometry of its own sectors'
ATA8 = 'QEMU stops at ATA/ATAPI-6 or leaves the word 0; ours is what ATA8-ACS defines for it'
MULTIPLE = 'ours may be 128 sectors a block'
MWDMA = 'QEMU selects the mode that is set at power-on; ours says which one the host set'
PCI_COMMAND = 'bit 6, parity error response, can be written in PCI 2.1; bits that a chip of the ' \
    '82371SB has fixed are fixed'
REASONS = {
    'ide_identify': {
        'model': 'each names itself',
        'serial': 'each numbers its drives in its own way',
        'word 2': ATA8, 'word 4': ATA_OBSOLETE, 'word 5': ATA_OBSOLETE, 'word 21': ATA_OBSOLETE,
        'word 22': ATA_OBSOLETE,
        'word 48': 'bit 14 is fixed at 1 by ATA8-ACS; QEMU says that doubleword I/O is possible, '
                   'which ATA-2 made obsolete',
        'word 49': 'bit 13: standby timer values as in the standard; bit 10: IORDY may be disabled',
        'word 50': ATA8, 'word 52': ATA_OBSOLETE, 'word 47': MULTIPLE, 'word 59': MULTIPLE,
        'word 62': 'single word DMA is obsolete since ATA-3', 'word 63': MWDMA,
        'word 69': 'QEMU promises that TRIMmed sectors read as something fixed; raw files may not',
        'word 80': 'ours speaks ATA8-ACS too', 'word 81': ATA8,
        'word 82': 'ours has the power management and look-ahead features',
        'word 84': 'ours has logs, SMART self-test, FUA', 'word 85': 'as word 82',
        'word 87': 'as word 84', 'word 88': MWDMA, 'word 93': 'ours also says how device 0 was found',
        'word 105': ATA8, 'word 106': 'QEMU always says that sectors are several to a physical one',
        'word 119': ATA8,
        'word 120': ATA8, 'word 217': ATA8, 'word 255': 'the checksum, since ATA/ATAPI-5',
    },
    'ide_signature': {
        'absent channel': 'nothing is on the cable: the pull-down on DD7 (ATA/ATAPI-6, 4.3) shows; '
                          'QEMU has drives without medium there',
        'signature': 'ATA/ATAPI-6, 9.12: the device register is 00h; QEMU keeps its obsolete bits',
    },
    'ide_pio': {
        'error past the end': 'IDNF (ATA/ATAPI-6, 8.34.6); QEMU aborts',
    },
    'atapi': {
        'sense before ready': 'MMC-5, 6.43: a medium that was not reported yet is a unit attention; '
                              'QEMU does not count the one it starts with',
        'word 49': 'IORDY is supported and may be disabled', 'word 53': 'words 54 to 58 are reserved',
        'word 62': 'single word DMA is obsolete since ATA-3', 'word 63': MWDMA,
        'word 80': 'QEMU stops at ATA/ATAPI-4', 'word 82': 'PACKET, DEVICE RESET and power '
        'management are there', 'word 83': 'bit 14 is fixed at 1', 'word 84': 'bit 14 is fixed at 1',
        'word 85': 'as word 82', 'word 87': 'bit 14 is fixed at 1', 'word 88': MWDMA,
        'word 93': 'the result of the reset',
    },
    'pci_scan': {
        '00.0 command': PCI_COMMAND, '01.0 command': PCI_COMMAND, '01.1 command': PCI_COMMAND,
        '01.3 command': PCI_COMMAND, '02.0 command': PCI_COMMAND,
        '01.1 subsystem': 'the 82371SB has no subsystem registers',
    },
    'cmos': {
        'byte 32': 'the century is the clock\'s, which is the hypervisor\'s',
        'byte 37': 'the century is the clock\'s, which is the hypervisor\'s',
        'register 0*': 'the clock is the hypervisor\'s; ours are the bytes behind it',
    },
    'i8042': {
        'command byte': 'after a self-test both interfaces are disabled and the system flag is set; '
                        'QEMU leaves them as firmware would',
    },
    'fw_cfg': {
        'file *': 'each brings what its firmware asks for; ours is there for direct boot only',
    },
    'memory': {
        'beyond the memory': 'nobody answers: a PCI bus gives ones (master abort); QEMU gives zeros',
    },
}


class Failure(Exception):
    pass


def expect(got, want, what):
    if got != want:
        raise Failure('%s: %s, expected %s' % (what, show(got), show(want)))


def show(value):
    return hex(value) if isinstance(value, int) and not isinstance(value, bool) else repr(value)


def test(*args):
    """A test is given a machine of these arguments and a dictionary for what it sees."""
    def register(function):
        TESTS.append((function.__name__.removeprefix('test_'), args, function))
        return function
    return register


DISK = ('-nodefaults', '-drive', 'if=ide,index=0,format=raw,file=DISK')
CD = ('-nodefaults', '-drive', 'if=ide,index=2,media=cdrom,format=raw,file=ISO')


# ---- ATA: ATA/ATAPI-6 (T13 1410D) ----

BSY, DRDY, DRQ, ERR = 0x80, 0x40, 0x08, 0x01


def ide_ready(q, base=0x1f0):
    """The status once BSY is clear. It is polled where that does not take the interrupt back."""
    q.until('BSY to clear', lambda: not q.inb(base + 0x206) & BSY)
    return q.inb(base + 0x206)


def identify(q, command, base=0x1f0, drive=0):
    q.outb(base + 6, 0xa0 | drive << 4)
    q.outb(base + 7, command)
    expect(ide_ready(q, base) & (DRQ | ERR), DRQ, 'DRQ after IDENTIFY')
    return [q.inw(base) for _ in range(256)]


def text(words):
    return b''.join(struct.pack('>H', w) for w in words).decode('latin-1').strip()


@test(*DISK)
def test_ide_identify(q, seen):
    w = identify(q, 0xec)
    expect(ide_ready(q) & (DRQ | ERR | DRDY), DRDY, 'status after the data')
    expect(w[0] & 0x8000, 0, 'word 0, bit 15: an ATA device')
    expect(w[1] * w[3] * w[6] <= SECTORS, True, 'CHS capacity')
    expect(w[49] & 0x300, 0x300, 'word 49: LBA and DMA')
    expect(w[60] | w[61] << 16, SECTORS, 'words 60, 61: LBA28 capacity')
    expect(w[83] & 0xc400, 0x4400, 'word 83: valid, LBA48')
    expect(w[100] | w[101] << 16, SECTORS, 'words 100, 101: LBA48 capacity')
    expect(w[47] & 0xff >= 16, True, 'word 47: sectors of READ MULTIPLE')
    for n in range(256):
        if n not in range(10, 20) and n not in range(23, 47):
            seen['word %d' % n] = w[n]
    seen['serial'], seen['model'] = text(w[10:20]), text(w[27:47])


@test(*DISK)
def test_ide_signature(q, seen):
    """9.12: what a software reset leaves in the task file."""
    q.outb(0x3f6, 0x04)
    q.outb(0x3f6, 0x00)
    ide_ready(q)
    seen['signature'] = [q.inb(0x1f0 + r) for r in range(1, 7)]
    expect(seen['signature'][:5], [1, 1, 1, 0, 0], 'signature of a disk')
    q.outb(0x1f6, 0xb0)
    seen['absent drive'] = q.inb(0x1f7)
    seen['absent channel'] = q.inb(0x177)


@test(*DISK)
def test_ide_pio(q, seen):
    """9.5, 9.6: PIO out and in, LBA28 and LBA48, interrupts on IRQ 14."""
    q.irq_intercept()
    data = bytes(range(256)) * 4
    for r, v in ((2, 2), (3, 7), (4, 0), (5, 0), (6, 0xe0)):
        q.outb(0x1f0 + r, v)
    q.outb(0x1f7, 0x30)
    for sector in range(2):
        expect(ide_ready(q) & DRQ, DRQ, 'DRQ before sector %d' % sector)
        for i in range(256):
            at = sector * 512 + 2 * i
            q.outw(0x1f0, data[at] | data[at + 1] << 8)
        expect(q.until('IRQ 14', lambda: q.inb(0x3f6) and 14 in q.irqs), True, 'IRQ 14')
        if sector == 0:
            q.inb(0x1f7)
    expect(ide_ready(q) & (DRQ | ERR), 0, 'status after WRITE SECTORS')
    expect(14 in q.irqs, True, 'IRQ 14')
    expect(q.inb(0x1f7) & BSY, 0, 'BSY')
    expect(14 in q.irqs, False, 'IRQ 14 after the status was read')
    for r, v in ((2, 0), (3, 0), (4, 0), (5, 0), (2, 2), (3, 7), (4, 0), (5, 0), (6, 0xe0)):
        q.outb(0x1f0 + r, v)
    q.outb(0x1f7, 0x24)
    got = b''
    for sector in range(2):
        expect(ide_ready(q) & DRQ, DRQ, 'DRQ of sector %d' % sector)
        got += b''.join(struct.pack('<H', q.inw(0x1f0)) for _ in range(256))
    expect(got, data, 'what was read back')
    q.outb(0x1f7, 0xe7)
    expect(ide_ready(q) & (DRQ | ERR), 0, 'status after FLUSH CACHE')
    q.outb(0x1f6, 0xef)
    q.outb(0x1f3, 0xff)
    q.outb(0x1f4, 0xff)
    q.outb(0x1f5, 0xff)
    q.outb(0x1f2, 1)
    q.outb(0x1f7, 0x20)
    expect(ide_ready(q) & ERR, ERR, 'ERR past the end')
    seen['error past the end'] = q.inb(0x1f1)
    q.outb(0x1f7, 0x00)
    expect(ide_ready(q) & ERR, ERR, 'ERR of NOP')
    expect(q.inb(0x1f1), 0x04, 'ABRT')


def bus_master(q):
    """PIIX3 (82371SB), 2.7: BMIBA of function 1, I/O and bus mastering on."""
    q.config_write(0x09, 0x20, 0xc000)
    q.config_write(0x09, 0x04, 0x05, 2)
    return q.config_read(0x09, 0x20) & 0xfff0


def dma(q, bm, command, read, table, lba, count):
    q.outb(bm, 0)
    q.outb(bm + 2, 0x06)
    q.outl(bm + 4, table)
    for r, v in ((2, count), (3, lba & 0xff), (4, lba >> 8 & 0xff), (5, lba >> 16 & 0xff),
                 (6, 0xe0)):
        q.outb(0x1f0 + r, v)
    q.outb(0x1f7, command)
    q.outb(bm, 0x09 if read else 0x01)
    q.until('the bus master', lambda: not q.inb(bm + 2) & 1 or 14 in q.irqs)
    ide_ready(q)
    status = q.inb(bm + 2)
    q.outb(bm, 0)
    return status


@test(*DISK)
def test_ide_bmdma(q, seen):
    bm = bus_master(q)
    q.irq_intercept()
    data = os.urandom(1024)
    q.memwrite(0x10000, data)
    q.memwrite(0x1000, struct.pack('<IIII', 0x10000, 512, 0x10200, 0x80000000 | 512))
    status = dma(q, bm, 0xca, False, 0x1000, 100, 2)
    seen['status after write'] = status
    expect(status & 0x07, 0x04, 'BMISX: interrupt, no error, not active')
    expect(14 in q.irqs, True, 'IRQ 14')
    expect(q.inb(0x1f7) & (BSY | DRQ | ERR), 0, 'ATA status')
    expect(14 in q.irqs, False, 'IRQ 14 after the status was read')
    q.memwrite(0x1000, struct.pack('<II', 0x20000, 0x80000000 | 1024))
    status = dma(q, bm, 0xc8, True, 0x1000, 100, 2)
    expect(status & 0x07, 0x04, 'BMISX')
    expect(q.memread(0x20000, 1024), data, 'what was read back')
    q.inb(0x1f7)
    # 2.7: the table is longer than the transfer: stays active, with the interrupt
    q.memwrite(0x1000, struct.pack('<IIII', 0x20000, 1024, 0x30000, 0x80000000 | 512))
    status = dma(q, bm, 0xc8, True, 0x1000, 100, 2)
    seen['status of a long table'] = status
    expect(status & 0x07, 0x05, 'BMISX of a long table')
    q.inb(0x1f7)
    # and shorter: not active, no interrupt of the drive
    q.memwrite(0x1000, struct.pack('<II', 0x20000, 0x80000000 | 512))
    status = dma(q, bm, 0xc8, True, 0x1000, 100, 2)
    seen['status of a short table'] = status
    expect(status & 0x03, 0, 'BMISX of a short table')


def ide_packet(q, base, bytes_, limit=0x800):
    """A packet command by PIO: the data it gave, the error bit, the error register."""
    q.outb(base + 6, 0xa0)
    q.outb(base + 1, 0)
    q.outb(base + 4, limit & 0xff)
    q.outb(base + 5, limit >> 8)
    q.outb(base + 7, 0xa0)
    expect(ide_ready(q, base) & DRQ, DRQ, 'DRQ for the packet')
    for i in range(0, 12, 2):
        q.outw(base, bytes_[i] | bytes_[i + 1] << 8)
    got = b''
    while ide_ready(q, base) & DRQ:
        n = q.inb(base + 4) | q.inb(base + 5) << 8
        got += b''.join(struct.pack('<H', q.inw(base)) for _ in range((n + 1) // 2))
    err, code = q.inb(base + 7) & ERR, q.inb(base + 1)
    return got, err, code


@test(*CD)
def test_atapi(q, seen):
    """SFF-8020i and MMC: signature, IDENTIFY PACKET DEVICE, INQUIRY, READ CAPACITY, READ(10)."""
    base = 0x170
    q.outb(0x376, 0x04)
    q.outb(0x376, 0x00)
    ide_ready(q, base)
    expect([q.inb(base + r) for r in (2, 3, 4, 5)], [1, 1, 0x14, 0xeb], 'signature of a packet device')
    w = identify(q, 0xa1, base)
    expect(w[0] & 0xdf03, 0x8500, 'word 0: a removable CD-ROM, 12-byte packets')
    for n in (0, 49, 53, 62, 63, 64, 80, 82, 83, 84, 85, 86, 87, 88, 93):
        seen['word %d' % n] = w[n]

    def packet(bytes_):
        return ide_packet(q, base, bytes_)

    # A new medium: the first commands say so
    sense = []
    for _ in range(4):
        _, err, code = packet(bytes(12))
        if not err:
            break
        got, _, _ = packet(bytes([3, 0, 0, 0, 18] + [0] * 7))
        sense.append((code >> 4, got[2] & 15, got[12], got[13]))
    seen['sense before ready'] = sense
    got, err, _ = packet(bytes([0x12, 0, 0, 0, 36] + [0] * 7))
    expect((err, got[0] & 0x1f, got[1] & 0x80, len(got)), (0, 5, 0x80, 36), 'INQUIRY')
    got, err, _ = packet(bytes([0x25] + [0] * 11))
    expect((err, struct.unpack('>II', got)), (0, (SECTORS // 4 - 1, 2048)), 'READ CAPACITY')
    got, err, _ = packet(bytes([0x28, 0, 0, 0, 0, 16, 0, 0, 1, 0, 0, 0]))
    expect((err, len(got), got[:7]), (0, 2048, b'\1CD001\1'), 'READ(10) of sector 16')
    _, err, code = packet(bytes([0x28, 0, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, 0]))
    expect((err, code >> 4), (ERR, 5), 'READ(10) past the end: ILLEGAL REQUEST')
    _, err, code = packet(bytes([0xee] + [0] * 11))
    expect((err, code >> 4), (ERR, 5), 'an unknown command: ILLEGAL REQUEST')


# ---- the chipset ----

@test('-nodefaults', '-vga', 'std')
def test_pci_scan(q, seen):
    """PCI 2.1, 6.1 and 6.2.5: who is there, and what of it can be written."""
    for devfn in range(256):
        if q.config_read(devfn, 0) == 0xffffffff:
            continue
        name = '%02x.%x' % (devfn >> 3, devfn & 7)
        seen[name] = '%04x:%04x class %06x' % (q.config_read(devfn, 0, 2),
                                               q.config_read(devfn, 2, 2),
                                               q.config_read(devfn, 8) >> 8)
        seen[name + ' header'] = q.config_read(devfn, 0x0e, 1)
        seen[name + ' pin'] = q.config_read(devfn, 0x3d, 1)
        seen[name + ' subsystem'] = q.config_read(devfn, 0x2c)
        for bar in range(6):
            q.config_write(devfn, 0x10 + 4 * bar, 0xffffffff)
            seen['%s bar %d' % (name, bar)] = q.config_read(devfn, 0x10 + 4 * bar)
            q.config_write(devfn, 0x10 + 4 * bar, 0)
        command = q.config_read(devfn, 4, 2)
        q.config_write(devfn, 4, 0xffff, 2)
        seen[name + ' command'] = q.config_read(devfn, 4, 2)
        q.config_write(devfn, 4, command, 2)
        q.config_write(devfn, 0x3c, 0x5a, 1)
        seen[name + ' line'] = q.config_read(devfn, 0x3c, 1)
    expect(seen.get('00.0', '')[:9], '8086:1237', 'the host bridge')
    expect(seen.get('01.0', '')[:9], '8086:7000', 'the ISA bridge')
    expect(seen.get('01.1', '')[:9], '8086:7010', 'the IDE controller')
    expect(seen.get('01.3', '')[:9], '8086:7113', 'power management')
    expect(seen['01.0 header'], 0x80, 'the ISA bridge has more functions')


def who_is_there(q, seen):
    """By slot, what QEMU's PC has unless it is told otherwise; what each is like, other tests say."""
    for slot in range(2, 32):
        vendor = q.config_read(slot << 3, 0)
        if vendor != 0xffffffff:
            seen['slot %d' % slot] = '%08x class %06x' % (vendor, q.config_read(slot << 3, 8) >> 8)


def add_default_test(name, *args):
    TESTS.append(('default_' + name, args, who_is_there))


add_default_test('none_named')
add_default_test('card_none', '-nic', 'none')
add_default_test('net_none', '-net', 'none')
add_default_test('vga_none', '-vga', 'none')
add_default_test('card_beside', '-device', 'rtl8139', '-device', 'virtio-net-pci')
add_default_test('vga_device', '-device', 'rtl8139', '-device', 'VGA')
add_default_test('netdev', '-netdev', 'stream,id=n,server=on,addr.type=unix,addr.path=DIRECTORY/n')

@test()
def test_default_card(q, seen):
    """The card that a PC has by default: its address, and that its cable is in."""
    memory, registers = 0xfebc0000, 0x5400
    expect(q.config_read(3 << 3, 0), 0x100e8086, 'an 82540EM')
    q.config_write(3 << 3, 0x10, memory)
    q.config_write(3 << 3, 4, 6, 2)
    seen['RAL, RAH'] = q.memread(memory + registers, 4) + q.memread(memory + registers + 4, 4)
    expect(seen['RAL, RAH'][:6], bytes.fromhex('525400123456'), 'its address')
    seen['STATUS.LU'] = q.readl(memory + 8) & 2


@test()
def test_pci_mechanism(q, seen):
    """82441FX, 3.1: CONFADD is a doubleword register, CONFDATA is bytes of it."""
    q.outl(0xcf8, 0x80000000)
    expect(q.inl(0xcf8), 0x80000000, 'CONFADD')
    expect(q.inw(0xcfe), 0x1237, 'the device id, by a word')
    expect(q.inb(0xcfd), 0x80, 'a byte of the vendor id')
    q.outb(0xcf8, 0x55)
    expect(q.inl(0xcf8), 0x80000000, 'CONFADD after a byte access')
    q.outl(0xcf8, 0)
    expect(q.inl(0xcfc), 0xffffffff, 'CONFDATA while disabled')
    for link in range(4):
        expect(q.config_read(0x08, 0x60 + link, 1), 0x80, 'PIRQRC[%c] after reset' % (65 + link))


@test()
def test_reset_control(q, seen):
    """PIIX3 2.5.5 (0xcf9), port 92, 8042 command 0xfe: each resets the machine."""
    def soiled():
        return q.config_read(0x08, 0x60, 1) == 0x0b

    for way, (port, values) in {'RC': (0xcf9, (0x02, 0x06)), 'port 92': (0x92, (0x01,)),
                                '8042': (0x64, (0xfe,))}.items():
        q.config_write(0x08, 0x60, 0x0b, 1)
        expect(soiled(), True, way + ': before')
        q.events.clear()
        for v in values:
            q.outb(port, v)
        q.wait_event('RESET')
        expect(soiled(), False, way + ': after')


@test('-nodefaults')
def test_cmos(q, seen):
    """MC146818: the bytes of RAM behind the clock keep what is written."""
    def cmos(n):
        q.outb(0x70, n)
        return q.inb(0x71)

    for n in (0x0f, 0x10, 0x12, 0x14, 0x15, 0x16, 0x17, 0x18, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x32,
              0x34, 0x35, 0x37, 0x38, 0x3d, 0x5b, 0x5c, 0x5d, 0x5f):
        seen['byte %02x' % n] = cmos(n)
    for n in (0x0f, 0x33, 0x40, 0x7f):
        for v in (0x00, 0xa5, 0xff):
            q.outb(0x70, n)
            q.outb(0x71, v)
            expect(cmos(n), v, 'byte %#x' % n)
    for n in (0x0a, 0x0b, 0x0d):
        seen['register %02x' % n] = cmos(n)


def cmos_bytes(q, numbers):
    got = []
    for n in numbers:
        q.outb(0x70, n)
        got.append(q.inb(0x71))
    return got


@test('-nodefaults', '-boot', 'once=d,order=c')
def test_boot_once(q, seen):
    expect(cmos_bytes(q, (0x38, 0x3d)), [0, 3], 'the first boot: from CD')
    q.qmp('system_reset')
    q.wait_event('RESET')
    q.until('the order', lambda: cmos_bytes(q, (0x38, 0x3d)) == [0, 2])


def add_geometry_test(name, size, heads, place, translation):
    """What SeaBIOS takes from CMOS: the translation of each disk, by its partition table."""
    def check(q, seen):
        seen['parameters'] = cmos_bytes(q, [0x12] + list(range(0x19, 0x2d)))
        expect(cmos_bytes(q, [0x39])[0], translation << 2 * place, 'translations')

    path = 'GEOMETRY-%d-%d' % (size, heads)
    TESTS.append(('geometry_' + name, ('-nodefaults', '-drive',
                                       'if=ide,index=%d,format=raw,file=%s' % (place, path)), check))


MIB = 1 << 20
add_geometry_test('small', 10 * MIB, 0, 0, 0)
add_geometry_test('504_mib', 504 * MIB, 0, 1, 0)
add_geometry_test('beyond', 505 * MIB, 0, 0, 1)
add_geometry_test('untranslated', 2000 * MIB, 16, 0, 0)
add_geometry_test('bit_shifted', 2000 * MIB, 64, 2, 2)
add_geometry_test('lba', 10000 * MIB, 255, 3, 1)


# ---- the i8042: IBM PS/2 Hardware Interface Technical Reference ----

@test()
def test_i8042(q, seen):
    def answers(n, what):
        got = []
        for _ in range(n):
            q.until(what, lambda: q.clock_step(1000000) and q.inb(0x64) & 1)
            got.append(q.inb(0x60))
        return got

    def empty():
        while q.inb(0x64) & 1:
            q.inb(0x60)

    empty()
    q.outb(0x64, 0xaa)
    expect(answers(1, 'the self-test'), [0x55], 'self-test')
    q.outb(0x64, 0xab)
    expect(answers(1, 'the interface test'), [0x00], 'keyboard interface test')
    q.outb(0x64, 0xa9)
    expect(answers(1, 'the interface test'), [0x00], 'auxiliary interface test')
    q.outb(0x64, 0x20)
    seen['command byte'] = answers(1, 'the command byte')[0]
    q.irq_intercept()
    q.outb(0x64, 0x60)
    q.outb(0x60, 0x47)
    q.outb(0x60, 0xff)
    expect(answers(2, 'the keyboard reset'), [0xfa, 0xaa], 'keyboard reset')
    expect(1 in q.raised, True, 'IRQ 1')
    q.outb(0x60, 0xf2)
    seen['keyboard id'] = answers(3, 'the keyboard id')
    expect(seen['keyboard id'][:2], [0xfa, 0xab], 'keyboard id')
    q.outb(0x60, 0xee)
    expect(answers(1, 'the echo'), [0xee], 'echo')
    q.outb(0x60, 0xf4)
    expect(answers(1, 'ACK'), [0xfa], 'enable')
    q.qmp('send-key', keys=[{'type': 'qcode', 'data': 'a'}])
    expect(answers(2, 'a key'), [0x1e, 0x9e], 'key A in set 1, through translation')
    q.outb(0x64, 0xd4)
    q.outb(0x60, 0xff)
    expect(answers(3, 'the mouse reset'), [0xfa, 0xaa, 0x00], 'mouse reset')
    expect(12 in q.raised, True, 'IRQ 12')
    for rate in (200, 100, 80):
        for byte in (0xf3, rate):
            q.outb(0x64, 0xd4)
            q.outb(0x60, byte)
            expect(answers(1, 'ACK'), [0xfa], 'sample rate')
    q.outb(0x64, 0xd4)
    q.outb(0x60, 0xf2)
    expect(answers(2, 'the mouse id'), [0xfa, 0x03], 'id of a wheel mouse')
    expect(q.inb(0x64) & 1, 0, 'nothing more')


# ---- serial: PC16550D ----

@test('-serial', 'null')
def test_serial(q, seen):
    q.outb(0x3fb, 0x80)
    q.outb(0x3f8, 0x01)
    q.outb(0x3f9, 0x00)
    q.outb(0x3fb, 0x03)
    q.outb(0x3ff, 0x5a)
    expect(q.inb(0x3ff), 0x5a, 'scratch')
    expect(q.inb(0x3fd) & 0x60, 0x60, 'THRE and TEMT')
    q.outb(0x3fa, 0x07)
    expect(q.inb(0x3fa) & 0xc0, 0xc0, 'FIFOs on')
    q.irq_intercept()
    q.outb(0x3fc, 0x1b)
    q.outb(0x3f9, 0x01)
    q.outb(0x3f8, 0x42)
    q.until('the loop', lambda: q.clock_step(1000000) and q.inb(0x3fd) & 1)
    expect(q.inb(0x3f8), 0x42, 'loopback')
    q.outb(0x3fc, 0x0b)
    q.outb(0x3f9, 0x02)
    expect(4 in q.raised, True, 'IRQ 4')
    expect(q.inb(0x3fa) & 0x0f, 0x02, 'IIR: THR empty')
    expect(q.inb(0x3fa) & 0x0f, 0x01, 'IIR: nothing, after it was read')


# ---- fw_cfg: the layout that SeaBIOS reads ----

@test('-kernel', 'KERNEL')
def test_fw_cfg(q, seen):
    def item(selector, n):
        q.outw(0x510, selector)
        return bytes(q.inb(0x511) for _ in range(n))

    expect(item(0x0000, 4), b'QEMU', 'signature')
    seen['id'] = item(0x0001, 4)
    seen['cpus'] = item(0x0005, 2)
    seen['maximum of cpus'] = item(0x000f, 2)
    count = struct.unpack('>I', item(0x0019, 4))[0]
    files = item(0x0019, 4 + 64 * min(count, 64))[4:]
    names = sorted(files[i + 8:i + 64].split(b'\0')[0].decode() for i in range(0, len(files), 64))
    for name in names:
        seen['file ' + name] = True
    expect(item(0x3fff, 4), bytes(4), 'an item that is not there')


# ---- the socket itself ----

@test('-m', '64')
def test_memory(q, seen):
    q.memwrite(0x100000, b'hello')
    expect(q('read', 0x100000, 5), '0x68656c6c6f', 'read')
    q('write', 0x100000, 4, '0x0102')
    expect(q.memread(0x100000, 5), b'\1\2\0\0o', 'a short write is filled with zeros')
    q('memset', 0x200000, 4096, 0x5a)
    expect(q.readl(0x200ffc), 0x5a5a5a5a, 'memset')
    q('writeq', 0x300000, 0x1122334455667788)
    expect(q.number('readw', 0x300006), 0x1122, 'writeq, readw')
    expect(q('endianness'), 'little', 'endianness')
    q.writel(0x3fffffc, 0x1234)
    expect(q.readl(0x3fffffc), 0x1234, 'the last word of 64 MiB')
    seen['beyond the memory'] = q.readl(0x4000000)
    seen['inb of nothing'] = q.inb(0x1234)
    try:
        q('nonsense')
        raise Failure('an unknown command was taken')
    except QtestError:
        pass
    before = q.clock_step(1000)
    expect(q.clock_step(1000), before + 1000, 'clock_step')
    expect(int(q('clock_set', before + 5000)), before + 5000, 'clock_set')


@test('-vga', 'std')
def test_vga(q, seen):
    """IBM VGA: index and data pairs; Bochs VBE extension; the window at 0xa0000."""
    q.outb(0x3c2, 0x67)
    expect(q.inb(0x3cc), 0x67, 'miscellaneous output')
    q.outb(0x3ce, 0x08)
    q.outb(0x3cf, 0xa5)
    expect(q.inb(0x3cf), 0xa5, 'bit mask')
    q.outb(0x3c8, 5)
    for v in (1, 2, 3):
        q.outb(0x3c9, v)
    q.outb(0x3c7, 5)
    expect([q.inb(0x3c9) for _ in range(3)], [1, 2, 3], 'palette')
    q.outw(0x1ce, 0)
    seen['vbe id'] = q.inw(0x1cf)
    q.outw(0x1ce, 0x0a)
    seen['vbe memory'] = q.inw(0x1cf)
    for index, value in ((4, 0), (1, 640), (2, 480), (3, 32), (4, 0x41)):
        q.outw(0x1ce, index)
        q.outw(0x1cf, value)
    q.inb(0x3da)
    q.outb(0x3c0, 0x20)
    q.config_write(0x10, 0x10, 0xe0000000)
    q.config_write(0x10, 0x04, 0x02, 2)
    q('memset', 0xe0000000, 640 * 480 * 4, 0x7f)
    with tempfile.NamedTemporaryFile(suffix='.ppm') as f:
        q.qmp('screendump', filename=f.name)
        data = f.read()
    expect(data[:15], b'P6\n640 480\n255\n', 'screendump')
    expect(set(data[15:]), {0x7f}, 'its pixels')


# ---- running ----

def make_images(directory):
    disk, iso, kernel = (os.path.join(directory, n) for n in ('disk.img', 'cd.iso', 'kernel'))
    with open(disk, 'wb') as f:
        f.truncate(SECTORS * 512)
    with open(iso, 'wb') as f:
        f.truncate(SECTORS * 512)
        f.seek(16 * 2048)
        f.write(b'\1CD001\1')
    with open(kernel, 'wb') as f: # Linux/x86 boot protocol 2.12: a header and nothing behind it
        setup = bytearray(5 * 512)
        setup[0x1f1] = 4
        setup[0x1fe:0x210] = struct.pack('<HH4sHHHHH', 0xaa55, 0x66eb, b'HdrS', 0x20c, 0, 0, 0, 0)
        setup[0x211] = 1
        setup[0x22c:0x230] = struct.pack('<I', 0x37ffffff)
        f.write(setup + bytes(4096))
    return {'DISK': disk, 'ISO': iso, 'KERNEL': kernel, 'DIRECTORY': directory}


def make_geometry(path):
    """A sparse disk of that size, with a partition whose maker saw so many heads."""
    _, size, heads = os.path.basename(path).split('-')
    with open(path, 'wb') as f:
        f.truncate(int(size))
        if int(heads):
            f.seek(446)
            f.write(struct.pack('<8B2I', 0x80, 1, 1, 0, 0x0c, int(heads) - 1, 0xff, 0xff, 63,
                                int(size) // 512 - 63) + bytes(48) + b'\x55\xaa')


def run(dm, args, function):
    """What it saw, and what was wrong."""
    seen = {}
    with tempfile.TemporaryDirectory(prefix='hvm-dm-images.') as directory:
        images = make_images(directory)
        for name, path in images.items():
            args = [a.replace(name, path) for a in args]
        for i, a in enumerate(args):
            if 'GEOMETRY' in a:
                args = list(args)
                args[i] = a.replace('GEOMETRY', directory + '/GEOMETRY')
                make_geometry(args[i].split('file=')[1])
        try:
            with Qtest(dm, args) as q:
                function(q, seen)
        except (Failure, QtestError, OSError) as e:
            return seen, str(e) or repr(e)
        except Exception:
            return seen, traceback.format_exc()
    return seen, None


def reason(name, what):
    for pattern, why in REASONS.get(name, {}).items():
        if pattern == what or pattern.endswith('*') and what.startswith(pattern[:-1]):
            return why
    return None


def compare(name, ours, theirs, verbose):
    """How many differences have no reason."""
    unexplained = 0
    for what in sorted(set(ours) | set(theirs)):
        a, b = ours.get(what), theirs.get(what)
        why = None if a == b else reason(name, what)
        if a != b and not why:
            unexplained += 1
            print('      %s, %s: %s here, %s there, and no reason is known' %
                  (name, what, show(a), show(b)))
        elif a != b and verbose:
            print('      %s, %s: %s here, %s there: %s' % (name, what, show(a), show(b), why))
    return unexplained


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dm', default=os.path.join(HERE, '../../build/hvm-dm'))
    p.add_argument('--oracle', help='another device model, or "none"')
    p.add_argument('-v', '--verbose', action='store_true', help='show explained differences too')
    p.add_argument('names', nargs='*')
    a = p.parse_args()
    oracle = a.oracle or next((o for o in ORACLES if os.path.exists(o)), 'none')
    failed = 0
    for name, args, function in TESTS:
        if a.names and not any(n in name for n in a.names):
            continue
        ours, error = run(a.dm, args, function)
        print('%-5s %s%s' % ('FAIL' if error else 'ok', name, ': ' + error if error else ''),
              flush=True)
        failed += error is not None
        if oracle == 'none':
            continue
        theirs, error = run(oracle, args, function)
        if error and not reason(name, 'failure'):
            print('      the oracle: %s' % error)
            failed += 1
        elif not error:
            failed += compare(name, ours, theirs, a.verbose) != 0
    print('%d failed' % failed)
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
