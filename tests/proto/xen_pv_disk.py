#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The PV disk's backend through the whole device model, under the native rig and without Xen.

    tests/proto/xen_pv_disk.py [--dm hvm-dm|qemu|PATH] [--list] [NAME...]

Nodes are those of libxl, states and requests those of public/io/xenbus.h and blkif.h.  The disk is
a file that is the emulated primary master as well, as libxl gives it to a guest.
"""
import os
import subprocess

from harness import DISK_BYTES, Started, base, expect, main, test
from qmp_client import Qmp
from xen_disk import Drive, image, pattern

DEVNUM = 51712
BACKEND = '/local/domain/0/backend/qdisk/1/%d' % DEVNUM
FRONTEND = '/local/domain/1/device/vbd/%d' % DEVNUM
DATA, RING_GFN, DATA_GFN = 0x2100000, 0x2000, 0x2100
READ, WRITE, BARRIER, FLUSH = 0, 1, 2, 3
OKAY, ERROR, EOPNOTSUPP = 0, -1, -2
SECTORS = DISK_BYTES // 512

QEMU_DIFFERS = {
    'counted_without_an_emulated_drive': 'gives such disks no name to find them by',
    'unknown_operation': 'answers an unknown operation as a failed one',
    'read_only': 'fails with "Block node is read-only"',
    'indices_jump': 'goes through all that the index says',
    'indirect_segments': 'takes no indirect segments',
    'barrier': 'has no barriers',
    'cd_changes_its_medium': 'keeps the medium that it started with',
    'alone_serves_without_a_machine': 'takes no indirect segments',
    'image_truncated_while_open': 'reads what is no longer there as zeros',
}


class Attached(Started):
    """A plain guest with a connected PV disk of the image that its IDE disk is."""
    kind, grants = 'disk', 'kept'

    def __init__(self, params='aio:DISK', mode='w', connect=True, kind='disk', grants='kept',
                 **kwargs):
        self.params, self.mode, self.connect = params, mode, connect
        self.kind, self.grants = kind, grants
        super().__init__(base(), **kwargs)

    def make_disk(self):
        with open(self.disk, 'wb') as f:
            f.write(image(SECTORS))

    def __enter__(self):
        self('running')
        self('timeout', 5000)
        self('blk-new', DEVNUM, self.fill(self.params), self.mode, self.kind)
        if self.connect:
            self('blk-connect', DEVNUM, self.grants)
        return self

    def page(self, n=0):
        return bytes.fromhex(self('ram', DATA + n * 4096, 4096))

    def poke(self, data):
        for at in range(0, len(data), 256):
            self('ramw', DATA + at, data[at:at + 256].hex())

    def raw(self, *words):
        answer = self('blk-raw', *words)
        return None if answer == 'none' else int(answer)

    def serves(self):
        expect(self('blk', 'read', 20, 4, 2) == '0', 'ordinary requests fail afterwards')
        expect(self('pci', 8) == 0x70008086, 'the guest is not served')


# As libxl starts it for a PV or PVH guest, and xl devd for any.
ALONE = ['-xen-domid', '1', '-xen-attach', '-name', 'domain-1', '-nographic', '-M', 'xenpv',
         '-monitor', '/dev/null', '-serial', '/dev/null', '-parallel', '/dev/null']


class Alone(Attached):
    """PV devices alone: no ioreq server, no machine."""

    def __init__(self, **kwargs):
        super().__init__(argv=ALONE + ['-qmp', 'unix:DIR/qmp-libxl-1,server=on,wait=off'],
                         **kwargs)

    def serves(self):
        expect(self('blk', 'read', 20, 4, 2) == '0', 'ordinary requests fail afterwards')


@test
def test_features():
    with Attached() as s:
        expect(int(s('xs-read', BACKEND + '/sectors')) == SECTORS, 'sectors')
        expect(s('xs-read', BACKEND + '/sector-size') == '512', 'sector-size')
        expect(s('xs-read', BACKEND + '/feature-flush-cache') == '1', 'feature-flush-cache')
        expect(int(s('xs-read', BACKEND + '/info')) & 4 == 0, 'info says read-only')
        expect(s('xs-read', BACKEND + '/hotplug-status') == 'connected', 'hotplug-status')


@test
def test_reads():
    with Attached() as s:
        for sector in (0, 8, 1000, SECTORS - 8):
            expect(s.raw(READ, 1, sector) == OKAY, 'read at %d fails' % sector)
            expect(s.page() == b''.join(pattern(sector + n) for n in range(8)), 'other data')
        expect(s.raw(READ, 11, 100) == OKAY, 'read of eleven pages fails')
        expect(s.page(10) == b''.join(pattern(180 + n) for n in range(8)), 'other data in the last')
        expect(s.raw(READ, 1, 5, DATA_GFN, 3, 4) == OKAY, 'read of two sectors of a page fails')
        expect(s.page()[3 * 512:5 * 512] == pattern(5) + pattern(6), 'other data in the middle')


@test
def test_writes_reach_the_file():
    with Attached() as s:
        data = b''.join(pattern(n + 500) for n in range(8))
        s.poke(data)
        expect(s.raw(WRITE, 1, 40) == OKAY, 'write fails')
        expect(s.raw(FLUSH, 0, 0) == OKAY, 'flush fails')
        with open(s.disk, 'rb') as f:
            f.seek(40 * 512)
            expect(f.read(4096) == data, 'the file has other data')
        expect(Drive(s).read(40) == pattern(500), 'the emulated disk has other data')


@test
def test_grants_that_are_not_kept():
    with Attached(grants='fresh') as s:
        data = b''.join(pattern(n + 300) for n in range(8))
        s.poke(data)
        expect(s.raw(WRITE, 1, 48) == OKAY and s.raw(FLUSH, 0, 0) == OKAY, 'write fails')
        with open(s.disk, 'rb') as f:
            f.seek(48 * 512)
            expect(f.read(4096) == data, 'the file has other data')
        for sector in (0, 1000, SECTORS - 8):
            expect(s.raw(READ, 1, sector) == OKAY, 'read at %d fails' % sector)
            expect(s.page() == b''.join(pattern(sector + n) for n in range(8)), 'other data')
        expect(s('blk', 'read', 64, 32, 11) == '0', 'many reads fail')
        s.serves()


@test
def test_indirect_segments():
    for grants in ('kept', 'fresh'):
        with Attached(grants=grants) as s:
            expect(s('blk', 'read', 64, 8, 32) == '0', 'reads of 128 KiB fail')
            expect(s('blk', 'write', 64, 8, 32) == '0', 'writes of 128 KiB fail')
            s.serves()


@test
def test_barrier():
    with Attached() as s:
        s.poke(pattern(77) * 8)
        expect(s.raw(BARRIER, 1, 80) == OKAY, 'a write barrier fails')
        expect(s.raw(READ, 1, 80) == OKAY and s.page()[:512] == pattern(77), 'other data')
        expect(s.raw(BARRIER, 0, 0) == OKAY, 'an empty barrier fails')


@test
def test_cd_changes_its_medium():
    with Attached(params='aio:', mode='r', kind='cdrom') as s:
        expect(s('xs-read', BACKEND + '/sectors') == '0', 'an empty drive has sectors')
        expect(s.raw(READ, 1, 0) == ERROR, 'an empty drive reads')
        s('xs-write', BACKEND + '/params', s.disk)
        s('xs-write', BACKEND + '/params', 'aio:' + s.disk)
        s('idle', 0.3)
        expect(int(s('xs-read', BACKEND + '/sectors')) == SECTORS, 'the medium is not announced')
        expect(s.raw(READ, 1, 8) == OKAY and s.page()[:512] == pattern(8), 'other data')
        s('xs-write', BACKEND + '/params', 'aio:')
        s('idle', 0.3)
        expect(s('xs-read', BACKEND + '/sectors') == '0', 'the ejected medium is still there')
        expect(s.raw(READ, 1, 0) == ERROR, 'the ejected medium is still read')


@test
def test_starts_over_without_closing():
    with Attached() as s:
        s('xs-write', FRONTEND + '/state', 1)
        s('idle', 0.2)
        s('blk-connect')
        s.serves()


@test
def test_closed_by_force():
    with Attached() as s:
        s('blk', 'read', 50, 8, 4)
        s('xs-write', BACKEND + '/online', 0)
        s('xs-write', BACKEND + '/state', 6)
        s('idle', 0.2)
        expect(300 not in s('domain')['bound'], 'its channel is still bound')
        expect(s('pci', 8) == 0x70008086, 'the guest is not served')


# PV devices alone

@test
def test_alone_serves_without_a_machine():
    with Alone() as s:
        expect(not s('domain').get('server'), 'there is an ioreq server')
        expect(s.raw(READ, 1, 8) == OKAY and s.page()[:512] == pattern(8), 'other data')
        expect(s('blk', 'write', 64, 32, 11) == '0', 'writes fail')
        expect(s('blk', 'read', 64, 8, 32) == '0', 'reads of 128 KiB fail')
        s.serves()
        expect(s('idle', 0.5)['wakeups'] < 5, 'it does not come to rest')


@test
def test_alone_ends_on_sighup():
    with Alone() as s:
        s('blk', 'read', 100, 32, 4)
        s('kill', 1)
        expect(s.has_ended() == 'exit 0', 'SIGHUP does not end it')


@test
def test_alone_without_a_disk():
    with Alone(connect=False) as s:
        s('xs-rm', BACKEND)
        s('xs-rm', FRONTEND)
        s('idle', 0.2)
        expect(s.has_ended(1) is None, 'it ended')


@test
def test_alone_answers_its_monitor():
    with Alone() as s:
        with Qmp(s.qmp_path) as q:
            expect(q.command('query-status')['status'] == 'running', 'query-status')
            expect(isinstance(q.command('query-chardev'), list), 'query-chardev')
            expect(q.command('query-vnc')['enabled'] is False, 'query-vnc')


@test
def test_emulated_writes_are_seen():
    with Attached() as s:
        expect(Drive(s).write(64, pattern(900)), 'write by the emulated disk fails')
        expect(s.raw(READ, 1, 64) == OKAY and s.page()[:512] == pattern(900), 'other data')


@test
def test_unplug_leaves_the_pv_disk():
    with Attached() as s:
        s('out', 0x10, 2, 1)
        expect(s('in', 0x1f7) in (0, 0xff, 0x7f), 'the emulated disk is still there')
        expect(s.raw(READ, 1, 8) == OKAY and s.page()[:512] == pattern(8), 'the PV disk is gone')


class Formatted(Attached):
    """The same in another image format, one disk for the IDE and the PV side."""

    def __init__(self, form, params):
        self.form = form
        super(Attached, self).__init__(
            base(disks=[{'vdev': 'hda', 'target': 'DISK', 'format': form}]))
        self.params, self.mode, self.connect = params + ':DISK', 'w', True

    def make_disk(self):
        super().make_disk()
        extra = ['-o', 'force_size=on'] if self.form == 'vpc' else []
        subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', self.form, *extra, self.disk,
                        self.disk + '.new'], check=True)
        os.replace(self.disk + '.new', self.disk)

    def __enter__(self):
        self('running')
        self('timeout', 5000)
        self('blk-new', DEVNUM, self.fill(self.params), self.mode)
        self('blk-connect')
        return self


@test
def test_image_formats():
    for form, params in (('qcow2', 'qcow2'), ('vpc', 'vhd')):
        with Formatted(form, params) as s:
            expect(int(s('xs-read', BACKEND + '/sectors')) == SECTORS, 'sectors')
            expect(s.raw(READ, 1, 1000) == OKAY, 'read fails')
            expect(s.page() == b''.join(pattern(1000 + n) for n in range(8)), 'other data')
            s.poke(b''.join(pattern(n + 500) for n in range(8)))
            expect(s.raw(WRITE, 1, 40) == OKAY, 'write fails')
            expect(Drive(s).read(40) == pattern(500), 'the emulated disk has other data')
            expect(s.raw(FLUSH, 0, 0) == OKAY, 'flush fails')
            subprocess.run(['qemu-img', 'convert', '-f', form, '-O', 'raw', s.disk,
                            s.disk + '.raw'], check=True)
            with open(s.disk + '.raw', 'rb') as f:
                f.seek(40 * 512)
                expect(f.read(512) == pattern(500), 'the file has other data')


@test
def test_read_only():
    with Attached(params='aio:DISK-b', mode='r') as s:
        expect(int(s('xs-read', BACKEND + '/info')) & 4 == 4, 'info does not say read-only')
        expect(s.raw(WRITE, 1, 0) != OKAY, 'a read-only disk takes a write')
        s.serves()


@test
def test_reconnects():
    with Attached() as s:
        for _ in range(3):
            s('blk-close')
            s('xs-write', FRONTEND + '/state', 1)
            s('idle', 0.1)
            s('blk-connect')
            s.serves()
        s('blk-close')
        expect(16 + 0 in s('domain')['bound'] and 300 not in s('domain')['bound'], 'channel kept')


@test
def test_removed():
    with Attached() as s:
        s('blk-close')
        s('blk-remove')
        s('idle', 0.3)
        with Qmp(s.qmp_path) as q:
            q.command('query-status')
        expect(s('pci', 8) == 0x70008086, 'the guest is not served')


@test
def test_removed_while_connected():
    with Attached() as s:
        s('blk', 'read', 50, 8, 4)
        s('blk-remove')
        s('idle', 0.3)
        expect(300 not in s('domain')['bound'], 'its channel is still bound')
        expect(s('pci', 8) == 0x70008086, 'the guest is not served')


@test
def test_backend_nodes_vanish():
    with Attached() as s:
        s('xs-rm', BACKEND)
        s('xs-rm', FRONTEND)
        s('idle', 0.3)
        expect(300 not in s('domain')['bound'], 'its channel is still bound')
        expect(s('pci', 8) == 0x70008086, 'the guest is not served')


@test
def test_sighup_with_requests_outstanding():
    with Attached() as s:
        s('blk', 'read', 500, 32, 11)
        s('kill', 1)
        expect(s.has_ended() == 'exit 0', 'SIGHUP does not end it')


def of_file(q, path):
    """query-block's and query-blockstats' entries of a disk, found as libxenstat finds them."""
    block = [e for e in q.command('query-block') if e.get('inserted', {}).get('file') == path]
    if not block:
        return None, None
    name = block[0]['device']
    stats = [e for e in q.command('query-blockstats') if e['device'] == name]
    return block[0], stats[0]['stats']


@test
def test_counted_without_an_emulated_drive():
    with Attached('aio:DISK-d') as s, Qmp(s.qmp_path) as q:
        path = s.disk + '-d'
        before = of_file(q, path)[1]
        expect(s('blk', 'read', 20, 4, 2) == '0', 'reading fails')
        expect(s.raw(FLUSH, 0, 0) == OKAY, 'flush fails')
        block, stats = of_file(q, path)
        expect(stats['rd_operations'] > before['rd_operations'], repr(stats))
        expect(stats['rd_bytes'] > before['rd_bytes'] and stats['flush_operations'] == 1,
               repr(stats))
        limits = dict.fromkeys(('bps', 'bps_rd', 'bps_wr', 'iops_rd', 'iops_wr'), 0)
        q.command('block_set_io_throttle', device=block['device'], iops=1000, **limits)
        expect(of_file(q, path)[0]['inserted']['iops'] == 1000, 'no limit')
        expect(s('blk', 'read', 20, 4, 2) == '0', 'reading fails under a limit')
        q.command('block_set_io_throttle', device=block['device'], iops=2, **limits)
        for _ in range(2):
            s.raw(READ, 1, 0)
        q.command('stop')                       # does not wait for the limit
        q.command('cont')
        q.command('block_set_io_throttle', device=block['device'], iops=0, **limits)
        q.command('block_resize', device=block['device'], size=2 * DISK_BYTES)
        expect(os.path.getsize(path) == 2 * DISK_BYTES, 'it is not larger')
        error = q.reply('block_resize', device=block['device'], size=DISK_BYTES).get('error')
        expect(error and path in error['desc'], 'made smaller')
        expect(of_file(q, s.disk)[0], 'the emulated one is not listed')
        s('blk-close')
        s('blk-remove')
        s('idle', 0.3)
        expect(of_file(q, path) == (None, None), 'it is listed when it is gone')


@test
def test_empty_cdrom_is_no_error():
    with Attached(params='aio:DISK', connect=False) as s:
        for key, value in (('frontend', '/local/domain/1/device/vbd/5632'), ('frontend-id', 1),
                           ('online', 1), ('type', 'qdisk'), ('mode', 'r'),
                           ('device-type', 'cdrom'), ('params', 'aio:'), ('state', 1)):
            s('xs-write', '/local/domain/0/backend/qdisk/1/5632/' + key, value)
        s('idle', 0.2)
        expect(s.has_ended(1) is None, 'it ended')
        s('blk-connect', DEVNUM)
        s.serves()


# a frontend that means harm

@test
def test_bad_requests():
    with Attached() as s:
        for what, words in {
                'twelve segments': (READ, 12, 0), 'no segments': (READ, 0, 0),
                'first behind last': (READ, 1, 0, DATA_GFN, 5, 3),
                'last beyond the page': (READ, 1, 0, DATA_GFN, 0, 8),
                'beyond the end': (READ, 1, SECTORS - 4),
                'far beyond': (READ, 1, '0x7fffffffffffffff'),
                'sector wraps': (READ, 11, '0xfffffffffffffff0'),
                'grant of nothing': (READ, 1, 0, '0x9999'),
                'grant far away': (WRITE, 1, 0, '0xfffffff0'),
        }.items():
            status = s.raw(*words)
            expect(status in (OKAY, ERROR) if what == 'no segments' else status == ERROR,
                   '%s: status %s' % (what, status))
            s.serves()


@test
def test_unknown_operation():
    with Attached() as s:
        for op in (4, 7, 99, 255):
            status = s.raw(op, 1, 0)
            expect(status == EOPNOTSUPP, 'operation %d: status %s' % (op, status))
        s.serves()


@test
def test_indices_jump():
    for req_prod in (33, 5000, 0x80000000, 0xffffffff):
        with Attached() as s:
            s('blk-indices', req_prod, 0)
            expect(s.has_ended(1) is None, 'it ended')
            expect(s('pci', 8) == 0x70008086, 'the guest is not served')
            expect(s('idle', 0.3)['cpu_ms'] < 100, 'it does not come to rest')
            s('kill', 1)
            expect(s.has_ended() == 'exit 0', 'SIGHUP does not end it')


@test
def test_grants_revoked():
    with Attached() as s:
        s('blk', 'read', 64, 32, 11)
        s('balloon', DATA_GFN, 400)
        s('blk', 'read', 64, 32, 11)
        s('blk-close')
        expect(s.has_ended(1) is None, 'it ended')


@test
def test_image_truncated_while_open():
    with Attached() as s:
        os.truncate(s.disk, 4096)
        expect(s.raw(READ, 1, 800) == ERROR, 'what is no longer there can be read')
        expect(s.raw(READ, 1, 0) == OKAY, 'what is left can not be read')
        expect(len([line for line in s.log().splitlines() if s.disk in line]) == 1,
               'the log does not name the image once')
        os.truncate(s.disk, SECTORS * 512)
        s.serves()


@test
def test_ring_revoked():
    with Attached(connect=False) as s:
        s('xs-write', FRONTEND + '/ring-ref', 0x9999)
        s('xs-write', FRONTEND + '/event-channel', 300)
        s('xs-write', FRONTEND + '/protocol', 'x86_64-abi')
        s('xs-write', FRONTEND + '/state', 3)
        s('idle', 0.3)
        expect(s.has_ended(1) is None, 'it ended')
        expect(s('xs-read', BACKEND + '/state') != '4', 'connected to no ring')


@test
def test_rubbish_in_the_frontends_nodes():
    for key, value in (('ring-ref', 'x'), ('ring-ref', '-1'), ('ring-ref', '99999999999999999999'),
                       ('event-channel', ''), ('event-channel', '0'), ('protocol', 'mips'),
                       ('ring-page-order', '31'), ('state', 'banana'), ('state', '99')):
        with Attached(connect=False) as s:
            nodes = {'ring-ref': RING_GFN, 'event-channel': 300, 'protocol': 'x86_64-abi'}
            nodes[key] = value
            for k, v in nodes.items():
                if k != 'state':
                    s('xs-write', FRONTEND + '/' + k, v)
            s('xs-write', FRONTEND + '/state', nodes.get('state', 3))
            s('idle', 0.1)
            expect(s.has_ended(1) is None, 'ended by %s=%s' % (key, value))
            expect(s('pci', 8) == 0x70008086, 'the guest is not served')


if __name__ == '__main__':
    main(__doc__, QEMU_DIFFERS)
