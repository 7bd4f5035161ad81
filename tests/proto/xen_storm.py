#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest, its ioreq pages and a monitor client gone mad, against the whole device model.

    tests/proto/xen_storm.py [--dm hvm-dm|PATH] [--seconds N] [--seed N]

Each seed is one device model that has to answer everything in time and to end properly on SIGHUP; a
build with sanitizers makes it worth more.  The same seed gives the same storm, but for the disks'
timing.
"""
import argparse
import random
import socket
import sys
import time

from harness import BASE, Failure, Started, base
import rig
from qmp_client import Qmp, QmpError
from xen_start import place_pm, write_kernel

ACTIONS_A_SEED = 60
BMIDE, PRD = 0xc001, 0x8000

MACHINES = [
    base(),
    base(vga='cirrus', vcpus=2, serial=['null', 'pty'], vendor_device='xenserver'),
    base(disks=BASE['disks'] + [{'vdev': 'hdb', 'target': 'DISK-b'},
                                {'vdev': 'hdc', 'cdrom': True, 'target': 'DISK-c'},
                                {'vdev': 'hdd', 'cdrom': True}],
         vnc={'listen': 'unix:DIR/vnc', 'unused': False}, xen_platform_pci=False,
         kernel='DIR/kernel', ramdisk='DIR/ramdisk', cmdline='a'),
]
# IDE bus master, the display's and the platform device's BARs: (devfn, offset, size, value)
PLACES = [(0x09, 0x20, 4, BMIDE), (0x09, 4, 2, 7), (0x18, 0x10, 4, 0xf0000000),
          (0x18, 0x14, 4, 0xf2000000), (0x18, 4, 2, 7), (0x10, 0x10, 4, 0xc101),
          (0x10, 0x14, 4, 0xf3000000), (0x10, 4, 2, 7)]
PORTS = [0, 0x60, 0x70, 0xc0, 0x170, 0x1f0, 0x2f8, 0x3b0, 0x3c0, 0x3f0, 0xcf8, 0xae00, 0xafe0,
         0xb000, 0xc000, 0xc100, 0x510, 0x1ce]
MEMORY = [0xa0000, 0xb8000, 0xaff00, 0xf2000400, 0xf2000000, 0xf3000000, 0xf0000000]
STRING_PLACES = [0x1f0, 0x170, 0x3c9, 0xa0000, 0xb8000, 0x3f8, 0x511, 0xc000, 0x3c5]
RAM = [0x1000, 0x100000, 0x9ffff, 0xa0000, 0x3ffffff, 0xfffffffff000]
TASK_FILE = [0x1f1, 0x1f2, 0x1f3, 0x1f6, 0x3f6, 0x171, 0x172, 0x176, 0x376]


def seed_of(r):
    return r.randrange(1, 1 << 30)


def sweep(r):
    first = r.choice(PORTS)
    return 'sweep', first, first + r.randrange(64), seed_of(r)


def sweep_memory(r):
    first = r.choice(MEMORY)
    return 'sweep-memory', first, first + r.randrange(200), seed_of(r)


def string(r):
    return ('raw', r.randrange(2), r.randrange(2), r.choice(STRING_PLACES), r.choice([1, 2, 4]),
            r.choice(RAM), 1, r.choice([1, 7, 256, 2048, 4096]), r.randrange(2))


def table(r):
    return 'ramw', PRD, bytes(r.randrange(256) for _ in range(64)).hex()


# what can happen next, as functions from a random source to a command of the guest
ACTIONS = [
    lambda r: ('noise', 200, seed_of(r)), sweep, sweep_memory, string, table,
    lambda r: ('sweep-pci', r.choice([0, 8, 9, 11, 0x10, 0x18, 0x20]), seed_of(r)),
    lambda r: ('buffered', r.choice([0xa0000, 0xb8000]), r.randrange(600)),
    lambda r: ('out', r.choice([0x1f7, 0x177]), 1, r.randrange(256)),
    lambda r: ('out', r.choice(TASK_FILE), 1, r.randrange(256)),
    lambda r: ('out', (BMIDE & ~1) + 8 * r.randrange(2), 1, r.choice([1, 9])),
    lambda r: ('outs', r.choice([0x1f0, 0x170]), 2, r.choice([6, 256])),
    lambda r: ('ring', r.randrange(1 << 32), r.randrange(1 << 32)),
    lambda r: ('balloon', r.choice([0x100, 0, 8, 9, 0x3000]), r.randrange(4)),
    lambda r: ('invalidate',),
    lambda r: ('spurious', r.choice([0, 128]), 20),
    lambda r: ('lost', 5),
]
# a PV disk's frontend, where there is one
PV_ACTIONS = [
    lambda r: ('blk-raw', r.choice([0, 0, 1, 2, 3, 5, 6, 99]), r.randrange(14), r.randrange(3000),
               r.choice([0x2100, 0x2000, 0x9999, 8]), r.randrange(9), r.randrange(10)),
    lambda r: ('blk-indices', r.choice([r.randrange(64), r.randrange(1 << 32)]), r.randrange(64),
               r.randrange(64)),
    lambda r: ('xs-write', '/local/domain/1/device/vbd/51712/state', r.randrange(9)),
    lambda r: ('xs-rm', r.choice(['/local/domain/1/device/vbd/51712/ring-ref',
                                  '/local/domain/0/backend/qdisk/1/51712'])),
]
MONITOR = ['system_reset', 'stop', 'query-pci', 'query-block', 'cont', 'system_powerdown']


def talk(s, r):
    with Qmp(s.qmp_path) as q:
        q.reply(r.choice(MONITOR))
        if not r.randrange(3):
            q.reply('screendump', filename=s.directory + '/screen')
        if not r.randrange(4):
            q.reply('eject', id='ide-5632')
        q.command('cont')


def view(s, r):
    """A viewer that speaks RFB 3.8 (RFC 6143) for a while, and then anything."""
    s('dirty', r.choice(['none', 'all', 'nodata']))
    with socket.socket(socket.AF_UNIX) as c:
        c.settimeout(2)
        c.connect(s.directory + '/vnc')
        c.recv(12)
        messages = [b'RFB 003.008\n', b'\x01', b'\x01', b'\x02\0\0\x01\0\0\0\0',
                    b'\x03\0\0\0\0\0\xff\xff\xff\xff', b'\x05\x01\0\x10\0\x10',
                    b'\x04\x01\0\0\0\0\0\x61', b'\x06\0\0\0\0\0\0\x03abc']
        for message in messages[:r.randrange(len(messages) + 1)]:
            c.sendall(message)
            s('idle', 0.01)
        c.sendall(bytes(r.randrange(256) for _ in range(r.randrange(300))))
        s('idle', r.choice([0.01, 0.1]))


def storm(seed):
    """One device model through ACTIONS_A_SEED random actions; what was done last, if it failed."""
    r, done = random.Random(seed), []
    try:
        with Started(r.choice(MACHINES)) as s:
            write_kernel(s.directory)
            s('running', 20)
            s('timeout', 5000)
            place_pm(s)
            for words in PLACES:
                s('pciw', *words)
            actions = ACTIONS
            if r.randrange(2):
                actions = ACTIONS + PV_ACTIONS
                s('blk-new', 51712, 'aio:' + s.disk)
                s('blk-connect')
                s('blk', 'read', 50, 32, 11)
            for _ in range(ACTIONS_A_SEED):
                if not r.randrange(len(ACTIONS) + 1):
                    done.append(('a client',))
                    if s.config.get('vnc') and r.randrange(2):
                        view(s, r)
                    else:
                        talk(s, r)
                    continue
                words = r.choice(actions)(r)
                done.append(words)
                good, answer = s.guest.try_(*words)
                if not good and not answer.endswith(('no RAM there', 'ENOENT')):
                    raise Failure(answer)
                if words[0] == 'ring':
                    s('ring', 0, 0)
            s('kill', 1)
            how = s.has_ended(10000)
            if how != 'exit 0':
                raise Failure('ended by %s' % how)
    except (Failure, rig.RigError, QmpError, OSError) as e:
        return '%s\n  after %s' % (e, '; '.join(' '.join(map(str, d)) for d in done[-4:]))
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dm', default='hvm-dm')
    p.add_argument('--seconds', type=float, default=10)
    p.add_argument('--seed', type=int, default=None, help='only this one')
    a = p.parse_args()
    Started.dm = {'qemu': rig.QEMU, 'hvm-dm': rig.hvm_dm()}.get(a.dm, a.dm)
    until, seed, failed = time.monotonic() + a.seconds, a.seed or int(time.time()), 0
    first = seed
    while True:
        error = storm(seed)
        if error:
            failed += 1
            print('FAIL  seed %d: %s' % (seed, error), flush=True)
        seed += 1
        if a.seed or time.monotonic() > until:
            break
    print('%d storms from seed %d, %d failed' % (seed - first, first, failed))
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
