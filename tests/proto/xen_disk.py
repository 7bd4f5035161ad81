#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks through the whole device model, under the native rig: data, bad PRD tables, failing images.

    tests/proto/xen_disk.py [--dm hvm-dm|qemu|PATH] [--list] [NAME...]

The commands and registers are ATA-2's (X3T9.2/948D) and those of the Programming Interface for Bus
Master IDE Controller, rev. 1.0.
"""
import functools
import os
import socket
import subprocess
import tempfile
import time

from harness import DISK_BYTES, TESTS, Started, base, expect, main, test
from qmp_client import Qmp

READ_SECTORS, WRITE_SECTORS, READ_DMA, WRITE_DMA, FLUSH_CACHE = 0x20, 0x30, 0xc8, 0xca, 0xe7
BSY, DF, DRQ, ERR = 0x80, 0x20, 0x08, 0x01
BUFFER, PRD, BMIDE = 0x100000, 0x8000, 0xc000

IGNORES_EOF = 'reads zeros past the end of a file that shrank'
QEMU_DIFFERS = {
    'nbd_server_restarts': 'has no reconnect-delay in the old syntax: the read fails',
    'image_shrinks': IGNORES_EOF,
    'dma_into_ballooned_pages': 'asserts in ide_cancel_dma_sync, the transfer having never ended',
    'image_on_a_full_file_system': 'stops the guest until there is room (werror=enospc)',
}


def pattern(sector):
    return bytes((sector * 7 + i * 3 + (i >> 8)) & 0xff for i in range(512))


@functools.cache
def image(sectors):
    return b''.join(pattern(n) for n in range(sectors))


class Drive:
    """The primary master, as a driver sees it."""

    def __init__(self, s):
        self.s = s
        for offset, value in ((0x20, BMIDE | 1), (0x04, 5)):
            s('pciw', 9, offset, 4, value)

    def task(self, code, lba=0, count=1):
        for port, value in ((0x1f6, 0xe0 | lba >> 24), (0x1f2, count & 0xff), (0x1f3, lba & 0xff),
                            (0x1f4, lba >> 8 & 0xff), (0x1f5, lba >> 16 & 0xff), (0x1f7, code)):
            self.s('out', port, 1, value)

    def settle(self, seconds=5):
        """The status once BSY is clear."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            status = self.s('in', 0x3f6)
            if not status & BSY:
                return self.s('in', 0x1f7)
            self.s('idle', 0.001)
        expect(False, 'BSY stays set')

    def read(self, lba, count=1):
        """Bytes, or None if the drive reports an error."""
        self.task(READ_SECTORS, lba, count)
        data = b''
        for _ in range(count):
            if self.settle() & (ERR | DF):
                return None
            self.s('ins', 0x1f0, 2, 256)
            data += bytes.fromhex(self.s('ram', BUFFER, 512))
        return data

    def write(self, lba, data):
        """Whether the drive took it."""
        self.task(WRITE_SECTORS, lba, len(data) // 512)
        for at in range(0, len(data), 512):
            status = self.settle()
            if status & (ERR | DF) or not status & DRQ:
                return False
            self.poke(BUFFER, data[at:at + 512])
            self.s('outs', 0x1f0, 2, 256)
        return not self.settle() & (ERR | DF)

    def flush(self):
        self.task(FLUSH_CACHE)
        return not self.settle() & (ERR | DF)

    def poke(self, address, data):
        for at in range(0, len(data), 256):
            self.s('ramw', address + at, data[at:at + 256].hex())

    def dma(self, code, lba, count, table, prd=PRD, wait=1.0):
        """Runs a transfer over a table of (address, bytes, last); returns (BMISX, status)."""
        for i, (address, length, last) in enumerate(table):
            entry = address.to_bytes(4, 'little') + (length & 0xffff).to_bytes(2, 'little')
            self.poke(prd + 8 * i, entry + (b'\x00\x80' if last else b'\x00\x00'))
        direction = 8 if code == READ_DMA else 0
        self.s('out', BMIDE + 4, 4, prd)
        self.s('out', BMIDE, 1, direction)
        self.s('out', BMIDE + 2, 1, 6)
        self.task(code, lba, count)
        self.s('out', BMIDE, 1, direction | 1)
        for _ in range(int(wait * 200)):
            bmisx = self.s('in', BMIDE + 2)
            if bmisx & 6:
                break
            self.s('idle', 0.005)
        status = self.s('in', 0x3f6)
        self.s('out', BMIDE, 1, 0)
        return bmisx, status

    def reset(self):
        self.s('out', 0x3f6, 1, 4)
        self.s('idle', 0.01)
        self.s('out', 0x3f6, 1, 0)
        status = self.settle()
        expect(not status & (BSY | DRQ | ERR), 'status 0x%02x after a soft reset' % status)


class Machine(Started):
    """A plain guest whose disk holds the pattern."""

    def __init__(self, sectors=DISK_BYTES // 512, content=None, **kwargs):
        self.content = image(sectors) if content is None else content
        super().__init__(base(), **kwargs)

    def make_disk(self):
        with open(self.disk, 'wb') as f:
            f.write(self.content)

    def __enter__(self):
        self('running')
        return self

    def expect_reads(self, drive, lba=3):
        expect(drive.read(lba) == pattern(lba), 'an ordinary read fails afterwards')


@test
def test_pio_reads():
    with Machine() as s:
        drive = Drive(s)
        expect(drive.read(0, 4) == image(4), 'the first sectors differ')
        expect(drive.read(2047) == pattern(2047), 'the last sector differs')
        expect(drive.read(2048) is None, 'the sector after the last can be read')
        s.expect_reads(drive)


@test
def test_pio_writes():
    with Machine() as s:
        drive = Drive(s)
        expect(drive.write(9, pattern(100) + pattern(101)), 'write refused')
        expect(drive.flush(), 'flush refused')
        with open(s.disk, 'rb') as f:
            want = bytearray(image(2048))
            want[9 * 512:11 * 512] = pattern(100) + pattern(101)
            expect(f.read() == want, 'the image does not hold what was written and flushed')
        expect(drive.read(9) == pattern(100), 'read after write differs')


@test
def test_flushed_data_survive_sigkill():
    with Machine() as s:
        drive = Drive(s)
        for lba in range(20):
            expect(drive.write(lba, pattern(lba + 50)), 'write refused')
        drive.flush()
        s('kill', 9)
        with open(s.disk, 'rb') as f:
            expect(f.read(20 * 512) == image(70)[50 * 512:], 'flushed data are lost')


@test
def test_dma_reads_and_writes():
    with Machine() as s:
        drive = Drive(s)
        table = [(BUFFER, 512, False), (BUFFER + 0x2000, 1024, False), (BUFFER + 0x1000, 512, True)]
        bmisx, status = drive.dma(READ_DMA, 5, 4, table)
        expect(bmisx & 7 == 4 and not status & (BSY | DRQ | ERR), 'BMISX 0x%x, status 0x%x'
               % (bmisx, status))
        got = [bytes.fromhex(s('ram', address, length)) for address, length, _ in table]
        expect(b''.join(got) == image(9)[5 * 512:], 'DMA read other data')
        drive.poke(BUFFER, pattern(77) + pattern(78))
        bmisx, status = drive.dma(WRITE_DMA, 30, 2, [(BUFFER, 1024, True)])
        expect(bmisx & 7 == 4 and not status & ERR, 'BMISX 0x%x, status 0x%x' % (bmisx, status))
        drive.flush()
        with open(s.disk, 'rb') as f:
            f.seek(30 * 512)
            expect(f.read(1024) == pattern(77) + pattern(78), 'DMA wrote other data')


# PRD tables that no driver makes: the transfer may fail, the device model may not
BAD_TABLES = {
    'too short': (16, [(BUFFER, 512, True)]),
    'too long': (1, [(BUFFER, 65536, False), (BUFFER, 65536, True)]),
    'without an end': (16, [(BUFFER, 512, False)] * 512),
    'of odd addresses': (1, [(BUFFER + 1, 511, True)]),
    'of odd lengths': (1, [(BUFFER, 3, False), (BUFFER + 16, 509, True)]),
    'across 64 K': (2, [(BUFFER + 0xfe00, 1024, True)]),
    'around 4 G': (128, [(0xfffffe00, 0, True)]),
    'dma into no RAM': (2, [(0xa0000, 512, False), (0xc0000000, 512, True)]),
    'dma into itself': (1, [(PRD, 512, True)]),
    'of a zero length': (128, [(BUFFER, 0, True)]),
}


def run_table(name):
    count, table = BAD_TABLES[name]
    with Machine() as s:
        drive = Drive(s)
        for code in (READ_DMA, WRITE_DMA):
            drive.dma(code, 40, count, table, wait=0.3)
            expect(s.has_ended(1) is None, 'it ended')
            drive.reset()
        s.expect_reads(drive)
        expect(s('idle', 0.2)['cpu_ms'] < 50, 'it does not come to rest')


for bad_table in BAD_TABLES:
    TESTS.append(('prd ' + bad_table, lambda bad_table=bad_table: run_table(bad_table)))


@test
def test_prd_table_nowhere():
    with Machine() as s:
        drive = Drive(s)
        for address in (0xa0000, 0xc0000000, 0xfffffffc, 0x3fffffc):
            s('out', BMIDE + 4, 4, address)
            s('out', BMIDE, 1, 8)
            drive.task(READ_DMA, 1, 8)
            s('out', BMIDE, 1, 9)
            s('idle', 0.05)
            s('out', BMIDE, 1, 0)
            expect(s.has_ended(1) is None, 'it ended')
            drive.reset()
        s.expect_reads(drive)


@test
def test_dma_into_ballooned_pages():
    with Machine() as s:
        drive = Drive(s)
        s('balloon', BUFFER >> 12, 1)
        s('invalidate')
        drive.dma(READ_DMA, 0, 16, [(BUFFER - 4096, 4096, False), (BUFFER, 4096, True)], wait=0.3)
        expect(s.has_ended(1) is None, 'it ended')


@test
def test_started_without_a_command():
    with Machine() as s:
        drive = Drive(s)
        s('out', BMIDE + 4, 4, PRD)
        s('out', BMIDE, 1, 9)
        s('idle', 0.05)
        drive.task(READ_SECTORS, 0, 1)
        s('out', BMIDE, 1, 0)
        drive.reset()
        s.expect_reads(drive)


# images that are not what they should be

def starts_or_refuses(content, reads=None):
    machine = Machine(content=content)
    try:
        good, _ = machine.guest.try_('running', 10)
        if not good:
            how = machine.has_ended()
            expect(how not in (None, 'exit 0') and machine.disk in machine.log(),
                   'ended by %s, and the log does not name the image' % how)
            return
        drive = Drive(machine)
        drive.read(0)
        expect(machine.has_ended(1) is None, 'it ended')
        if reads is not None:
            expect(drive.read(reads) == pattern(reads), 'sector %d differs' % reads)
    finally:
        machine.__exit__(None, None, None)


@test
def test_image_empty():
    starts_or_refuses(b'')


@test
def test_image_of_one_byte():
    starts_or_refuses(b'x')


@test
def test_image_of_odd_size():
    starts_or_refuses(image(100) + b'x' * 100, reads=99)


@test
def test_image_shrinks():
    with Machine() as s:
        drive = Drive(s)
        s.expect_reads(drive)
        os.truncate(s.disk, 512 * 8)
        expect(drive.read(1000) is None, 'a sector that is no longer there can be read')
        expect(s.disk in s.log(), 'the log does not name the image')
        s.expect_reads(drive)


@test
def test_image_on_a_full_file_system():
    with tempfile.TemporaryDirectory(prefix='hvm-dm-full.') as where:
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', where],
                          stderr=subprocess.DEVNULL).returncode:
            print('      (no mount here, full disk not tried)')
            return
        try:
            path = os.path.join(where, 'image')
            with open(path, 'wb') as f:
                f.truncate(1 << 20)
            with Started(base(disks=[{'vdev': 'hda', 'target': path}])) as s:
                s('running')
                drive = Drive(s)
                expect(drive.write(0, pattern(0)), 'the first write is refused')
                refused = any(not drive.write(lba, pattern(lba)) for lba in range(8, 2000, 8))
                expect(refused or not drive.flush(), 'writes to a full file system succeed')
                expect(s.has_ended(1) is None, 'it ended')
                expect(path in s.log(), 'the log does not name the image')
                expect(drive.read(0) == pattern(0), 'what was written is lost')
        finally:
            subprocess.run(['umount', where])


# disks on a server

class Server:
    """nbdkit on a Unix socket that it inherits, so that nobody waits for it to be ready."""

    def __init__(self, where, image_):
        self.path = os.path.join(where, 'nbd.sock')
        self.image = image_
        self.url = 'nbd+unix:///?socket=' + self.path
        self.process = None

    def __enter__(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(8)
            self.process = subprocess.Popen(
                ['sh', '-c', 'exec 3<&%d; LISTEN_PID=$$ LISTEN_FDS=1 exec nbdkit -f file "$0"' %
                 listener.fileno(), self.image], pass_fds=(listener.fileno(),),
                stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def served(test_body):
    """Runs it with a guest whose first disk is on a server and whose second is a file."""
    with tempfile.TemporaryDirectory(prefix='hvm-dm-nbd.') as where:
        path = os.path.join(where, 'image')
        with open(path, 'wb') as f:
            f.write(image(2048))
        with Server(where, path) as server:
            disks = [{'vdev': 'hda', 'target': server.url}, {'vdev': 'hdb', 'target': 'DISK-b'}]
            with Started(base(disks=disks)) as s:
                s('running')
                test_body(s, Drive(s), server)


@test
def test_nbd_disk():
    def body(s, drive, server):
        expect(drive.read(100, 2) == pattern(100) + pattern(101), 'other data')
        expect(drive.write(7, b'new'.ljust(512)) and drive.flush(), 'can\'t be written')
        with open(server.image, 'rb') as f:
            f.seek(7 * 512)
            expect(f.read(3) == b'new', 'it is not on the server')
    served(body)


@test
def test_nbd_server_restarts():
    def body(s, drive, server):
        expect(drive.write(7, b'old'.ljust(512)) and drive.flush(), 'can\'t be written')
        server.__exit__()
        drive.task(READ_SECTORS, 7)             # waits for the server
        s('idle', 0.05)
        expect(s('in', 0x3f6) & BSY, 'it does not wait')
        server.__enter__()
        expect(not drive.settle() & (ERR | DF), 'the waiting read fails')
        s('ins', 0x1f0, 2, 256)
        expect(s('ram', BUFFER, 3) == b'old'.hex(), 'other data')
        expect(drive.flush(), 'a flush fails with nothing lost')
    served(body)


@test
def test_nbd_server_is_gone():
    def body(s, drive, server):
        server.__exit__()
        drive.task(READ_SECTORS, 7)
        s('idle', 0.05)
        with Qmp(s.qmp_path) as q:              # everything else goes on
            expect(q.command('query-status')['status'] == 'running', 'not running')
        expect('the server is gone' in s.log(), 'no word of it')
        s('kill', 1)
        how = s.has_ended(3000)
        expect(how == 'exit 0', 'with a server that is gone SIGHUP led to %s' % how)
        server.__enter__()
    if Started.dm.endswith('hvm-dm'):
        served(body)


# accesses of every size everywhere

@test
def test_sweep_ports():
    with Machine() as s:
        s('timeout', 5000)
        s('sweep', 0, 0xffff)
        s('sweep', 0, 0xffff, 12345)
        expect(s.has_ended(1) is None, 'it ended')


@test
def test_sweep_configuration():
    with Machine() as s:
        s('timeout', 5000)
        for devfn in (0x00, 0x08, 0x09, 0x0b, 0x10, 0x18):
            s('sweep-pci', devfn)
            s('sweep-pci', devfn, 999 + devfn)
        s('sweep', 0, 0xffff, 4711)
        expect(s.has_ended(1) is None, 'it ended')


@test
def test_sweep_video_memory():
    with Machine() as s:
        s('timeout', 5000)
        s('sweep-memory', 0xa0000, 0xa0fff, 77)
        s('sweep-memory', 0xbf000, 0xbffff, 78)
        expect(s.has_ended(1) is None, 'it ended')


if __name__ == '__main__':
    main(__doc__, QEMU_DIFFERS)
