#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk controllers beside IDE, over the socket engine: as qtest_pc.py, with another device model
as oracle and each difference explained.

    tests/proto/qtest_disk.py [--dm PATH] [--oracle PATH] [NAME...]
"""
import os
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qtest_pc
from qtest_pc import expect, test
from qtest_client import QtestError

qtest_pc.TESTS.clear()
qtest_pc.REASONS.clear()
qtest_pc.REASONS.update({
    'ahci_controller': {
        'CAP': 'ours can override a busy port (SCLO), QEMU claims the first generation\'s speed',
        'VS': 'ICH9 is of version 1.2; QEMU says 1.0',
        'capability 5': 'the ICH9\'s MSI has 32-bit addresses; QEMU\'s has 64-bit ones',
        'subsystem': 'QEMU marks all of its devices',
        'PxSSTS': 'the wire is of the second generation here, of the first there',
        'PxSERR': 'a drive that was found says so (DIAG.X)',
        'PxIS': 'PCS shows DIAG.X',
    },
    'ahci_commands': {
        'after IDENTIFY*': 'SATA 10.3.11: a PIO command that reads ends with a PIO Setup frame; QEMU '
                           'sends a register frame too',
        'error*': 'IDNF (ATA/ATAPI-6, 8.25); QEMU aborts',
        'word 76': 'ours also says which generations of the wire it knows',
        'word 222': 'ours is serial (ATA8-ACS, 7.16.7.89)',
    },
    'ahci_queue': {
        'set device bits': 'SATA 10.3.7: the status has no DSC bit there',
    },
    'ahci_software_reset': {
        'PxTFD': 'a disk is ready after its reset (ATA/ATAPI-6, 9.12): DRDY, not DF',
    },
    'fdc_data': {
        'the head is elsewhere': 'a read without implied seek finds no sector of that cylinder (82078, '
                                 '5.2.1); QEMU seeks whatever CONFIGURE says',
    },
    'fdc_registers': {
        'status register B': 'the 82078 is in its PC/AT mode: these two are not there',
        'DUMPREG': 'table 5-1: the bytes of SPECIFY as they came, and the EOT of the last command; '
                   'QEMU shows others',
    },
})


def make_images(directory, others=qtest_pc.make_images):
    images = others(directory)
    for name, sectors in (('FLOPPY', 2880), ('SMALL', 1440)):
        images[name] = os.path.join(directory, name.lower())
        with open(images[name], 'wb') as f:
            f.write(b''.join(struct.pack('<I', 0xf1000000 + i) * 128 for i in range(sectors)))
    for port in range(2, 6):
        images['P%d' % port] = os.path.join(directory, 'p%d' % port)
        with open(images['P%d' % port], 'wb') as f:
            f.write(b''.join(struct.pack('<II', 0x50 + port, i).ljust(512, b'.') for i in range(2048)))
    with open(images['DISK'], 'r+b') as f:
        f.write(b''.join(struct.pack('<I', i + 1) * 128 for i in range(2048)))
    return images


qtest_pc.make_images = make_images

# ---- AHCI 1.3 ----

AHCI = ('-nodefaults', '-device', 'ahci,id=ahci0,addr=4',
        '-drive', 'if=none,id=d0,format=raw,file=DISK',
        '-device', 'ide-hd,bus=ahci0.0,unit=0,drive=d0',
        '-drive', 'if=none,id=d1,format=raw,media=cdrom,readonly=on,file=ISO',
        '-device', 'ide-cd,bus=ahci0.1,unit=0,drive=d1')
DEVFN, BASE = 0x20, 0xe0000000
LIST, FIS, TABLES, DATA = 0x100000, 0x100400, 0x101000, 0x200000
CLB, CLBU, FB, FBU, IS, IE, CMD, TFD, SIG, SSTS, SCTL, SERR, SACT, CI = \
    0, 4, 8, 12, 0x10, 0x14, 0x18, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38


class Ahci:
    def __init__(self, q, port=0):
        self.q, self.port = q, port
        q.config_write(DEVFN, 0x24, BASE)
        q.config_write(DEVFN, 0x04, 0x06, 2)

    def get(self, reg, port=None):
        return self.q.readl(BASE + 0x100 + 0x80 * (self.port if port is None else port) + reg)

    def put(self, reg, val):
        self.q.writel(BASE + 0x100 + 0x80 * self.port + reg, val)

    def start(self):
        self.q.memwrite(LIST, bytes(0x5000))
        self.put(CLB, LIST)
        self.put(CLBU, 0)
        self.put(FB, FIS)
        self.put(FBU, 0)
        self.put(CMD, 0x16)
        self.put(SERR, 0xffffffff)
        self.q.until('the drive', lambda: not self.get(TFD) & 0x88)
        self.put(IS, 0xffffffff)
        self.put(CMD, 0x17)
        self.q.until('the port to run', lambda: self.get(CMD) & 0x8000)

    def restart(self):
        self.put(CMD, 0x16)
        self.q.until('the port to stop', lambda: not self.get(CMD) & 0x8000)
        self.put(SERR, 0xffffffff)
        self.put(IS, 0xffffffff)
        self.put(CMD, 0x17)

    def fill(self, slot, code, lba=0, count=0, regions=(), flags=0, feature=0, cdb=b''):
        low, high = lba & 0xffffff, lba >> 24
        fis = bytes([0x27, 0x80, code, feature & 0xff]) + low.to_bytes(3, 'little') + b'\x40' + \
            high.to_bytes(3, 'little') + bytes([feature >> 8]) + struct.pack('<H', count)
        table = fis.ljust(0x40, b'\0') + cdb.ljust(0x40, b'\0')
        for address, size in regions:
            table += struct.pack('<QII', address, 0, size - 1)
        at = TABLES + slot * 0x400
        self.q.memwrite(at, table)
        self.q.memwrite(LIST + slot * 32, struct.pack('<IIQ', 5 | flags | len(regions) << 16, 0, at))

    def run(self, slot=0):
        self.put(CI, 1 << slot)
        self.q.until('the command', lambda: not self.get(CI) >> slot & 1 or
                     self.get(IS) & 0x40000000)

    def command(self, *args, **kw):
        self.put(IS, 0xffffffff)
        self.fill(0, *args, **kw)
        self.run()


@test(*AHCI)
def test_ahci_controller(q, seen):
    expect(q.config_read(DEVFN, 0), 0x29228086, 'the 82801IR')
    expect(q.config_read(DEVFN, 8) >> 8, 0x010601, 'an AHCI controller')
    seen['revision'] = q.config_read(DEVFN, 8, 1)
    seen['subsystem'] = q.config_read(DEVFN, 0x2c)
    q.config_write(DEVFN, 0x24, 0xffffffff)
    seen['BAR5'] = q.config_read(DEVFN, 0x24)
    q.config_write(DEVFN, 0x20, 0xffffffff)
    seen['BAR4'] = q.config_read(DEVFN, 0x20)
    at, found = q.config_read(DEVFN, 0x34, 1), {}
    while at:
        found[q.config_read(DEVFN, at, 1)] = at
        seen['capability %x' % q.config_read(DEVFN, at, 1)] = [q.config_read(DEVFN, at + n)
                                                               for n in (0, 4)]
        at = q.config_read(DEVFN, at + 1, 1)
    expect(sorted(found), [0x05, 0x12], 'MSI and the index-data pair')
    seen['map register'] = q.config_read(DEVFN, 0x90, 1)
    a = Ahci(q)
    for name, reg in (('CAP', 0), ('GHC', 4), ('IS', 8), ('PI', 12), ('VS', 16), ('CAP2', 0x24)):
        seen[name] = q.readl(BASE + reg)
    expect(q.readl(BASE) & 0xc0041f1f, 0xc0041f05, 'CAP: 64 bits, NCQ, AHCI only, 32 slots, 6 ports')
    q.writel(BASE + 4, 0x80000001)
    q.until('the reset', lambda: not q.readl(BASE + 4) & 1)
    a.put(CMD, 0x16)
    for name, reg in (('PxCMD', CMD), ('PxIE', IE), ('PxIS', IS), ('PxSSTS', SSTS), ('PxSCTL', SCTL),
                      ('PxSERR', SERR), ('PxSACT', SACT), ('PxCI', CI)):
        seen[name] = a.get(reg)
    a.start()
    expect(a.get(SIG), 0x00000101, 'a disk on port 0')
    expect(a.get(SSTS) & 0xf0f, 0x103, 'its link')
    expect(a.get(SSTS, 2), 0, 'nothing on port 2')
    seen['PxTFD of an empty port'] = a.get(TFD, 2) & 0xff
    a.put(IE, 0xffffffff)
    seen['PxIE mask'] = a.get(IE)


@test(*AHCI)
def test_ahci_commands(q, seen):
    a = Ahci(q)
    a.start()
    a.command(0xec, regions=[(DATA, 512)])
    words = struct.unpack('<256H', q.memread(DATA, 512))
    expect(words[100] | words[101] << 16, qtest_pc.SECTORS, 'its size')
    for n in (75, 76, 77, 78, 79, 169, 222):
        seen['word %d' % n] = words[n]
    seen['after IDENTIFY: PxIS'] = a.get(IS) & 3
    seen['after IDENTIFY: PRDBC'] = q.readl(LIST + 4)
    seen['after IDENTIFY: PIO Setup'] = [q.memread(FIS + 0x20, 20)[n] for n in (0, 15, 16, 17)]
    a.command(0x25, lba=5, count=4, regions=[(DATA, 1024), (DATA + 0x1000, 1024)])
    expect(a.get(TFD) & 0x89, 0, 'the status after READ DMA EXT')
    expect([q.readl(DATA + n) for n in (0, 512, 0x1000, 0x1200)], [6, 7, 8, 9], 'its data')
    expect(a.get(IS) & 1, 1, 'a register frame')
    seen['after READ DMA EXT: PRDBC'] = q.readl(LIST + 4)
    frame = q.memread(FIS + 0x40, 20)
    expect(frame[:3], b'\x34\x40\x50', 'the frame: interrupt, status')
    data = os.urandom(1024)
    q.memwrite(DATA, data)
    a.command(0x35, lba=100, count=2, regions=[(DATA, 1024)], flags=0x40)
    a.command(0x24, lba=100, count=2, regions=[(DATA + 0x2000, 1024)])
    expect(q.memread(DATA + 0x2000, 1024), data, 'what was written, by PIO')
    a.command(0xea)
    seen['after FLUSH CACHE EXT: PxIS'] = a.get(IS) & 3
    seen['after FLUSH CACHE EXT: PxTFD'] = a.get(TFD)
    a.command(0x25, lba=qtest_pc.SECTORS, count=1, regions=[(DATA, 512)])
    expect(a.get(TFD) & 1, 1, 'ERR past the end')
    expect(a.get(CI), 1, 'the failed command stays')
    seen['error past the end'] = a.get(TFD) >> 8
    a.restart()
    a.command(0x25, lba=0, count=1, regions=[(DATA, 512)])
    expect(a.get(TFD) & 0x89, 0, 'the status after the recovery')
    q.memwrite(DATA, struct.pack('<Q', 200 | 8 << 48).ljust(512, b'\0'))
    a.command(0x06, count=1, feature=1, regions=[(DATA, 512)], flags=0x40)
    expect(a.get(TFD) & 0x89, 0, 'the status after TRIM')


@test(*AHCI)
def test_ahci_queue(q, seen):
    a = Ahci(q)
    a.start()
    for slot in range(32):
        a.fill(slot, 0x60, lba=slot * 16, count=slot << 3, feature=8,
               regions=[(DATA + slot * 4096, 4096)])
    a.put(SACT, 0xffffffff)
    a.put(CI, 0xffffffff)
    q.until('all of them', lambda: not a.get(SACT))
    expect([q.readl(DATA + s * 4096) for s in range(32)], [s * 16 + 1 for s in range(32)], 'data')
    seen['PxIS'] = a.get(IS)
    expect(a.get(IS) & 8, 8, 'set device bits')
    frame = q.memread(FIS + 0x58, 4)
    expect(frame[0], 0xa1, 'the frame')
    seen['set device bits'] = frame[2]
    a.put(IS, 0xffffffff)
    data = os.urandom(4096)
    q.memwrite(DATA, data)
    a.fill(7, 0x61, lba=300, count=7 << 3, feature=8, regions=[(DATA, 4096)], flags=0x40)
    a.put(SACT, 1 << 7)
    a.put(CI, 1 << 7)
    q.until('the write', lambda: not a.get(SACT))
    a.command(0x25, lba=300, count=8, regions=[(DATA + 0x2000, 4096)])
    expect(q.memread(DATA + 0x2000, 4096), data, 'what was written')


@test(*AHCI)
def test_ahci_packet(q, seen):
    a = Ahci(q, 1)
    a.start()
    expect(a.get(SIG), 0xeb140101, 'a packet device on port 1')
    for _ in range(4):
        a.command(0xa0, flags=0x20, cdb=bytes(12))
        if not a.get(TFD) & 1:
            break
        a.restart()
        a.command(0xa0, flags=0x20, regions=[(DATA, 18)], cdb=b'\x03\0\0\0\x12'.ljust(12, b'\0'))
        expect(q.memread(DATA, 3)[2] & 15, 6, 'unit attention')
    expect(a.get(TFD) & 1, 0, 'the drive is ready')
    a.command(0xa0, flags=0x20, feature=1, regions=[(DATA, 2048)],
              cdb=b'\x28\0\0\0\0\x10\0\0\1'.ljust(12, b'\0'))
    expect(q.memread(DATA, 6), b'\1CD001', 'sector 16')
    a.command(0xa0, flags=0x20, feature=1, regions=[(DATA, 8)], cdb=b'\x25'.ljust(12, b'\0'))
    seen['capacity'] = list(q.memread(DATA, 8))


@test(*AHCI)
def test_ahci_software_reset(q, seen):
    a = Ahci(q)
    a.start()
    for control, flags in ((4, 0x500), (0, 0)):
        a.q.memwrite(TABLES, bytes([0x27, 0] + [0] * 13 + [control]))
        a.q.memwrite(LIST, struct.pack('<IIQ', 5 | flags, 0, TABLES))
        a.run()
    q.until('the signature', lambda: not a.get(TFD) & 0x88)
    seen['PxTFD'] = a.get(TFD)
    expect(a.get(SIG), 0x00000101, 'the signature')
    a.put(CMD, 0x16)
    a.put(SCTL, 0x301)
    a.put(SCTL, 0x300)
    q.until('the link', lambda: a.get(SSTS) & 15 == 3)
    q.until('the signature', lambda: not a.get(TFD) & 0x88)
    expect(a.get(SIG), 0x00000101, 'the signature after COMRESET')


# ---- the 82078 (Intel 290474-002), and the 8237A behind it ----

FLOPPY = ('-nodefaults', '-drive', 'if=floppy,index=0,id=fd,format=raw,file=FLOPPY')
TWO = FLOPPY + ('-fdb', 'SMALL')
DOR, MSR, FIFO, DIR, CCR = 0x3f2, 0x3f4, 0x3f5, 0x3f7, 0x3f7


def send(q, *values):
    for val in values:
        q.until('the controller to take it', lambda: q.inb(MSR) & 0xc0 == 0x80)
        q.outb(FIFO, val)


def receive(q, n):
    got = []
    for _ in range(n):
        q.until('the result', lambda: q.inb(MSR) & 0xd0 == 0xd0)
        got.append(q.inb(FIFO))
    return got


def sense(q):
    send(q, 0x08)
    return receive(q, 2)


def start_fdc(q):
    q.irq_intercept()
    q.outb(DOR, 0x08)
    q.outb(DOR, 0x1c)
    q.until('IRQ 6', lambda: 6 in q.irqs or q.inb(MSR) and 6 in q.irqs)
    got = [sense(q) for _ in range(4)]
    expect([s for s, _ in got], [0xc0, 0xc1, 0xc2, 0xc3], 'four drives after a reset')
    q.outb(CCR, 0)
    send(q, 0x03, 0xaf, 0x02)
    send(q, 0x07, 0)
    expect(sense(q), [0x20, 0], 'RECALIBRATE')


def channel(q, mode, count, address=0x20000):
    for port, val in ((0xd6, 0xc0), (0xd4, 0), (0x0a, 6), (0x0c, 0), (0x0b, mode | 2),
                      (0x04, address & 0xff), (0x04, address >> 8 & 0xff), (0x81, address >> 16),
                      (0x05, count - 1 & 0xff), (0x05, count - 1 >> 8), (0x0a, 2)):
        q.outb(port, val)


@test(*TWO)
def test_fdc_registers(q, seen):
    start_fdc(q)
    q.outb(0x70, 0x10)
    expect(q.inb(0x71) >> 4, 4, 'CMOS: a 1.44 MB drive')
    seen['CMOS floppy types'] = q.inb(0x71)
    q.outb(0x70, 0x14)
    seen['CMOS equipment'] = q.inb(0x71) & 0xc1
    seen['status register A'], seen['status register B'] = q.inb(0x3f0), q.inb(0x3f1)
    send(q, 0x10)
    expect(receive(q, 1), [0x90], 'VERSION')
    send(q, 0x18)
    seen['PART ID'] = receive(q, 1)
    send(q, 0x04, 0)
    seen['ST3'] = receive(q, 1)
    send(q, 0x13, 0, 0x57, 0)
    send(q, 0x94)
    seen['LOCK'] = receive(q, 1)
    send(q, 0x0f, 0, 9)
    expect(sense(q), [0x20, 9], 'SEEK')
    send(q, 0x0e)
    seen['DUMPREG'] = receive(q, 10)
    send(q, 0x08)
    expect(receive(q, 1), [0x80], 'SENSE INTERRUPT without one')
    send(q, 0x1f)
    expect(receive(q, 1), [0x80], 'no command')
    seen['MSR'] = q.inb(MSR)
    q.qmp('eject', device='fd')
    send(q, 0x07, 0)
    sense(q)
    expect(q.inb(DIR) & 0x80, 0x80, 'DSKCHG without a disk')


@test(*FLOPPY)
def test_fdc_data(q, seen):
    start_fdc(q)
    channel(q, 0x44, 3 * 512)
    send(q, 0xe6, 0, 0, 0, 4, 2, 18, 0x1b, 0xff)
    q.until('IRQ 6', lambda: q.inb(MSR) & 0xc0 == 0xc0)
    result = receive(q, 7)
    expect(result[:3], [0, 0, 0], 'READ DATA')
    seen['R at the end of a read'] = result[3:]
    expect([q.readl(0x20000 + n) & 0xffff for n in (0, 512, 1024)], [3, 4, 5], 'its data')
    data = os.urandom(1024)
    q.memwrite(0x20000, data)
    channel(q, 0x48, 1024)
    send(q, 0xc5, 4, 0, 1, 17, 2, 18, 0x1b, 0xff)
    result = receive(q, 7)
    expect(result[0] & 0xc0, 0, 'WRITE DATA')
    seen['R at the end of a write'] = result[3:]
    q.memwrite(0x20000, bytes(1024))
    channel(q, 0x44, 1024)
    send(q, 0xe6, 4, 0, 1, 17, 2, 18, 0x1b, 0xff)
    receive(q, 7)
    expect(q.memread(0x20000, 1024), data, 'what was written')
    # across the sides
    channel(q, 0x44, 2 * 512)
    send(q, 0xe6, 0, 0, 0, 18, 2, 18, 0x1b, 0xff)
    result = receive(q, 7)
    expect(result[0] & 0xc0, 0, 'READ DATA over two sides')
    expect([q.readl(0x20000 + n) & 0xffff for n in (0, 512)], [17, 18], 'its data')
    send(q, 0x0f, 0, 79)
    sense(q)
    channel(q, 0x44, 512)
    send(q, 0xe6, 4, 79, 1, 18, 2, 18, 0x1b, 0xff)
    result = receive(q, 7)
    expect(result[0] & 0xc0, 0, 'the last sector')
    expect(q.readl(0x20000) & 0xffff, 2879, 'its data')
    send(q, 0x13, 0, 0x17, 0) # EIS: off
    send(q, 0xe6, 0, 5, 0, 1, 2, 18, 0x1b, 0xff)
    result = receive(q, 7)
    seen['the head is elsewhere'] = result[0] & 0xc0


@test(*FLOPPY)
def test_fdc_change(q, seen):
    start_fdc(q)
    send(q, 0x0f, 0, 1)
    sense(q)
    expect(q.inb(DIR) & 0x80, 0, 'DSKCHG after a step')
    q.qmp('eject', device='fd')
    drive = [b for b in q.qmp('query-block') if b['device'] == 'fd'][0]
    expect('inserted' in drive, False, 'the drive is empty')
    expect(drive['removable'], True, 'its medium can be changed')
    path = next(l for l in open('/proc/%d/cmdline' % q.process.pid).read().split('\0')
                if 'file=' in l).split('file=')[1]
    q.qmp('blockdev-change-medium', device='fd', filename=path, format='raw')
    expect(q.inb(DIR) & 0x80, 0x80, 'DSKCHG after a change')
    send(q, 0x0f, 0, 0)
    sense(q)
    expect(q.inb(DIR) & 0x80, 0, 'DSKCHG after a step')


SIX = ('-nodefaults', '-device', 'ahci,id=ahci0,addr=4') + tuple(
    word for port, name in ((0, 'DISK'), (1, 'ISO'), (2, 'P2'), (3, 'P3'), (4, 'P4'), (5, 'P5'))
    for word in ('-drive', 'if=none,id=p%d,format=raw,file=%s' % (port, name),
                 '-device', 'ide-hd,bus=ahci0.%d,unit=0,drive=p%d' % (port, port)))


@test(*SIX)
def test_ahci_six_ports(q, seen):
    """A disk on each port; the last four are made for this and say who they are."""
    for port in range(2, 6):
        a = Ahci(q, port)
        a.start()
        for lba in (0, 2047):
            a.command(0x25, lba=lba, count=1, regions=[(DATA, 512)])
            expect(a.get(TFD) & 0x89, 0, 'the status of port %d' % port)
            expect(q.memread(DATA, 8), struct.pack('<II', 0x50 + port, lba), 'port %d' % port)
        a.put(CMD, 0x16)
        q.until('the port to stop', lambda: not a.get(CMD) & 0x8000)


# ---- changes that are not kept ----

SNAPSHOT = ('-nodefaults', '-drive', 'if=ide,index=0,format=raw,file=DISK,snapshot=on')


def ide_sector(q, lba, data=None):
    """Reads a sector by PIO, or writes it."""
    for r, v in ((2, 1), (3, lba & 0xff), (4, lba >> 8 & 0xff), (5, lba >> 16), (6, 0xe0)):
        q.outb(0x1f0 + r, v)
    q.outb(0x1f7, 0x20 if data is None else 0x30)
    expect(qtest_pc.ide_ready(q) & (qtest_pc.DRQ | qtest_pc.ERR), qtest_pc.DRQ, 'DRQ')
    if data is None:
        return b''.join(struct.pack('<H', q.inw(0x1f0)) for _ in range(256))
    for i in range(0, 512, 2):
        q.outw(0x1f0, data[i] | data[i + 1] << 8)
    expect(qtest_pc.ide_ready(q) & (qtest_pc.DRQ | qtest_pc.ERR), 0, 'the end of a write')
    q.inb(0x1f7)
    return data


@test(*SNAPSHOT)
def test_snapshot(q, seen):
    with open('/proc/%d/cmdline' % q.process.pid) as f:
        path = next(l for l in f.read().split('\0') if 'file=' in l).split('file=')[1].split(',')[0]
    with open(path, 'rb') as f:
        before = f.read()
    expect(ide_sector(q, 1000), before[512000:512512], 'what the image holds')
    for lba in (7, 1000, 2047):
        ide_sector(q, lba, bytes([lba & 0xff]) * 512)
    q.outb(0x1f7, 0xe7) # FLUSH CACHE
    expect(qtest_pc.ide_ready(q) & qtest_pc.ERR, 0, 'a flush')
    expect(ide_sector(q, 1000), b'\xe8' * 512, 'what was written')
    expect(ide_sector(q, 1001), before[512512:513024], 'what is beside it')
    with open(path, 'rb') as f:
        expect(f.read() == before, True, 'the image as it was')


# ---- media of any format, CD-ROM ----

SECOND = 0x170  # the channel of qtest_pc.CD


def cd_sector(q, lba):
    """A sector, after the drive has said what there is to say of its medium."""
    for _ in range(8):
        _, err, _ = qtest_pc.ide_packet(q, SECOND, bytes(12))
        if not err:
            break
        qtest_pc.ide_packet(q, SECOND, bytes([3, 0, 0, 0, 18] + [0] * 7))
    got, err, _ = qtest_pc.ide_packet(q, SECOND, bytes([0x28, 0, 0, 0, 0, lba, 0, 0, 1, 0, 0, 0]))
    expect((err, len(got)), (0, 2048), 'READ(10)')
    return got


def medium(directory, name, format_):
    """An image of that format, whose every sector says which it is; its raw content is NAME.raw."""
    path = os.path.join(directory, name)
    with open(path + '.raw', 'wb') as f:
        f.write(b''.join((name.encode() + struct.pack('<I', i)).ljust(2048, b'.') for i in range(512)))
    options = ['-o', 'force_size=on'] if format_ == 'vpc' else []
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', format_, *options, path + '.raw', path],
                   check=True)
    return path


def expect_medium(q, name):
    for lba in (0, 17, 200):
        expect(cd_sector(q, lba)[:len(name) + 4], name.encode() + struct.pack('<I', lba), name)


@test(*qtest_pc.CD)
def test_cd_formats(q, seen):
    """A medium of each format, from a file and from a server, one after the other."""
    with tempfile.TemporaryDirectory(prefix='hvm-dm-media.') as where:
        for format_ in ('raw', 'qcow2', 'vpc', 'raw'):
            name = '%s%d' % (format_, len(os.listdir(where)))
            q.qmp('blockdev-change-medium', device='ide1-cd0', format=format_,
                  filename=medium(where, name, format_))
            expect_medium(q, name)
            shown = [b for b in q.qmp('query-block') if b['device'] == 'ide1-cd0'][0]
            expect(os.path.basename(shown['inserted']['file']), name, 'the medium that is shown')
        for format_ in ('raw', 'qcow2'):
            name = 'served-' + format_
            path, address = medium(where, name, format_), os.path.join(where, name + '.sock')
            with subprocess.Popen(['nbdkit', '-f', '-U', address, 'file', path]) as server:
                q.until('the server', lambda: os.path.exists(address))
                q.qmp('blockdev-change-medium', device='ide1-cd0', format=format_,
                      filename='nbd+unix:///?socket=' + address)
                expect_medium(q, name)
                q.qmp('eject', device='ide1-cd0')
                server.kill()
        path = medium(where, 'typed', 'qcow2') # as by xl qemu-monitor-command
        q.qmp('human-monitor-command', **{'command-line': 'change ide1-cd0 %s qcow2' % path})
        expect_medium(q, 'typed')
        # what can't be opened leaves the medium where it is
        q.qmp('blockdev-change-medium', device='ide1-cd0', format='qcow2', filename=medium(where, 'kept', 'qcow2'))
        for format_, name in (('qcow2', 'kept.raw'), ('vpc', 'kept'), ('raw', 'nowhere')):
            try:
                q.qmp('blockdev-change-medium', device='ide1-cd0', format=format_,
                      filename=os.path.join(where, name))
            except QtestError:
                seen['refused ' + name] = True
        expect_medium(q, 'kept')



# ---- what a PC has unless it is told otherwise ----

def secondary_master(q, seen):
    """The signature of a packet device (ATA/ATAPI-6, 9.12), or what else is there, and the monitor's name for it."""
    q.outb(0x176, 0xa0)
    seen['signature'] = [q.inb(0x172 + i) for i in range(4)]
    seen['drives'] = sorted(d['device'] for d in q.qmp('query-block') if 'ide' in d['device'])


@test()
def default_cdrom(q, seen):
    secondary_master(q, seen)
    expect(seen['signature'], [1, 1, 0x14, 0xeb], 'signature')
    expect(seen['drives'], ['ide1-cd0'], 'drives')


@test('-drive', 'if=ide,index=2,format=raw,file=DISK')
def default_cdrom_gives_way(q, seen):
    secondary_master(q, seen)
    expect(seen['signature'], [1, 1, 0, 0], 'signature')


@test('-device', 'ide-cd,bus=ide.0,unit=1,id=cd')
def no_default_cdrom_beside_a_device(q, seen):
    secondary_master(q, seen)
    expect(seen['drives'], [], 'drives')


@test('-nodefaults')
def test_fdc_without_drives(q, seen):
    q.outb(DOR, 0x08)
    q.outb(DOR, 0x0c)
    send(q, 0x10)
    expect(receive(q, 1), [0x90], 'VERSION')
    q.outb(0x70, 0x10)
    expect(q.inb(0x71), 0, 'CMOS: no drive')


@test('-device', 'floppy,id=floppy0')
def test_fdc_empty(q, seen):
    q.outb(0x70, 0x10)
    seen['CMOS floppy types'] = q.inb(0x71)
    expect(q.inb(DIR) & 0x80, 0x80, 'DSKCHG of an empty drive')
    send(q, 0x0f, 0, 1)
    seen['SEEK'] = sense(q)
    expect(q.inb(DIR) & 0x80, 0x80, 'DSKCHG of an empty drive after a step')
    q.outb(CCR, 0)
    send(q, 0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff)
    expect(receive(q, 7)[0] & 0xc0, 0x40, 'READ DATA without a disk')


if __name__ == '__main__':
    qtest_pc.main()
