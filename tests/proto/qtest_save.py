#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine is saved and another process goes on with it, over the socket engine: what libxl asks for by
xen-save-devices-state and -incoming. No other device model reads the same file, so there is none beside.

    tests/proto/qtest_save.py --dm build/hvm-dm [NAME...]
"""
import os
import random
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import suite  # noqa: E402
from qtest_client import Qtest, QtestError  # noqa: E402
from suite import expect, test  # noqa: E402

AHCI = ['-device', 'ahci,id=ahci0', '-drive', 'file=DIR/c.img,if=none,id=hdc,format=raw',
        '-device', 'ide-hd,bus=ahci0.0,unit=0,drive=hdc']
FULL = ['-m', '64', '-vga', 'cirrus', '-serial', 'null', '-usb', '-device', 'usb-tablet', '-device', 'usb-hub',
        '-device', 'nec-usb-xhci,id=x', '-device', 'usb-kbd,bus=x.0', '-device', 'usb-mouse,bus=x.0',
        '-drive', 'file=DIR/u.img,if=none,id=stick,format=raw', '-device', 'usb-storage,bus=x.0,drive=stick',
        '-drive', 'file=DIR/a.img,if=ide,index=0,media=disk,format=raw',
        '-drive', 'file=DIR/b.img,if=ide,index=2,media=cdrom,format=raw,readonly=on', *AHCI, '-fda', 'DIR/f.img',
        '-netdev', 'stream,id=n0,server=on,addr.type=unix,addr.path=DIR/net', '-device', 'e1000,netdev=n0,id=nic0',
        '-device', 'rtl8139,id=nic1', '-device', 'virtio-net-pci,id=nic2']
# Ports that end the guest's run, or that belong to no chip.
LEFT_ALONE = {0x64, 0x92, 0xb2, 0xb3, 0xcf8, 0xcf9, 0xcfa, 0xcfb, 0xcfc, 0xcfd, 0xcfe, 0xcff}


def args_in(d, args):
    return [a.replace('DIR', d) for a in args]


def start(d, args, saved=None, machine='pc'):
    """`saved` is the path of a saved machine, or an argument of -incoming."""
    args = args_in(d, ['-nodefaults', *args])
    if saved is None or saved.startswith('fd:'):
        return Qtest(suite.dm, args + (['-incoming', saved] if saved else []), machine)
    fd = os.open(saved, os.O_RDONLY)
    try:
        return Qtest(suite.dm, args + ['-incoming', 'fd:%d' % fd], machine, (fd,))
    finally:
        os.close(fd)


def save(q, path):
    q.qmp('stop')
    q.qmp('xen-save-devices-state', filename=path, live=False)
    with open(path, 'rb') as f:
        return f.read()


def refused(d, args, saved, what):
    """The program ends by itself, with one line that says why."""
    try:
        start(d, args, saved).close()
    except QtestError as e:
        text = str(e)
        expect('it ended with 1' in text, True, 'the end: ' + text)
        expect(text.count('error: '), 1, 'sentences: ' + text)
        if what not in text:
            raise AssertionError('%r is not in %r' % (what, text)) from None
        return
    raise AssertionError('a saved machine that should be refused was taken: ' + what)


def stir(q, seed):
    """Everything is somewhere else than at the start."""
    rng = random.Random(seed)
    slots = [d['slot'] for d in q.qmp('query-pci')[0]['devices'] if d['slot'] > 1]
    for i, slot in enumerate(slots):
        for bar in range(6):
            q.config_write(slot << 3, 0x10 + 4 * bar, 0xffffffff)
            size = q.config_read(slot << 3, 0x10 + 4 * bar)
            io = 0xc000 + i * 0x400 + bar * 0x40
            q.config_write(slot << 3, 0x10 + 4 * bar, io if size & 1 else 0xe0000000 + i * 0x4000000 + bar * 0x10000)
        q.config_write(slot << 3, 4, 7, 2)
    ports = [p for base, n in ((0x00, 16), (0x60, 5), (0x70, 4), (0x80, 16), (0x170, 8), (0x1f0, 8), (0x376, 1),
                               (0x3b0, 48), (0x3f0, 16), (0xae00, 24), (0xc000, len(slots) * 0x400))
             for p in range(base, base + n) if p not in LEFT_ALONE]
    for _ in range(1500):
        port = rng.choice(ports)
        if rng.random() < .7:
            q.outb(port, rng.randrange(256))
        else:
            q.inb(port)
        if rng.random() < .02:
            q.clock_step(rng.randrange(2000000))
    for _ in range(400):
        q.writel(0xe0000000 + rng.randrange(len(slots)) * 0x4000000 + rng.randrange(4) * 0x10000 + rng.randrange(0, 0x800, 4),
                 rng.randrange(1 << 32))
    q.qmp('send-key', keys=[{'type': 'qcode', 'data': 'a'}])


@test
def test_again_the_same(d):
    """Saved, loaded, saved: the same bytes, whatever the guest did before."""
    for seed in range(4):
        with start(d, FULL) as q:
            stir(q, seed)
            first = save(q, d + '/one')
        with start(d, FULL, d + '/one') as q:
            expect(q.qmp('query-status')['status'], 'running', 'after the load')
            expect(save(q, d + '/two') == first, True, 'seed %d: saved again' % seed)


@test
def test_goes_on(d):
    """In the middle of a sector that is read by PIO, of a font, a baud rate, a CMOS address."""
    with open(d + '/a.img', 'r+b') as f:
        f.write(bytes(range(256)) * 2)
    with start(d, FULL) as q:
        for port, val in ((0x1f6, 0xe0), (0x1f2, 1), (0x1f3, 0), (0x1f4, 0), (0x1f5, 0), (0x1f7, 0x20)):
            q.outb(port, val)
        q.until('DRQ', lambda: q.inb(0x1f7) & 0x88 == 0x08)
        expect([q.inw(0x1f0) for _ in range(100)], [0x0100 + 0x202 * (i % 128) for i in range(100)], 'the first half')
        for port, val in ((0x3fb, 0x83), (0x3f8, 0x0c), (0x3f9, 0x00), (0x3fb, 0x03), (0x3ff, 0x5a)):
            q.outb(port, val)
        q.outb(0x3c8, 7)
        q.outb(0x3c9, 11)
        save(q, d + '/one')
    with start(d, FULL, d + '/one') as q:
        expect([q.inw(0x1f0) for _ in range(156)], [0x0100 + 0x202 * (i % 128) for i in range(100, 256)], 'the rest')
        expect(q.inb(0x1f7), 0x50, 'the status afterwards')
        q.outb(0x3fb, 0x83)
        expect((q.inb(0x3f8), q.inb(0x3f9), q.inb(0x3ff)), (0x0c, 0, 0x5a), 'the UART')
        q.outb(0x3c9, 12)
        q.outb(0x3c9, 13)
        q.outb(0x3c7, 7)
        expect([q.inb(0x3c9) for _ in range(3)], [11, 12, 13], 'the palette')


@test
def test_goes_on_here(d):
    """After a save, as after one that failed further up."""
    with start(d, FULL) as q:
        q.outb(0x3ff, 0x77)
        save(q, d + '/one')
        expect(q.qmp('query-status')['status'], 'paused', 'after the save')
        q.qmp('cont')
        expect(q.inb(0x3ff), 0x77, 'the scratch register')
        for bad in (d + '/no/such/folder', '/dev/fdset/7', '/dev/full'):
            try:
                q.qmp('xen-save-devices-state', filename=bad, live=True)
            except QtestError as e:
                expect(bad in str(e), True, str(e))
            else:
                raise AssertionError('%s was written' % bad)
        q.qmp('cont')
        expect(q.qmp('query-status')['status'], 'running', 'after all that')


@test
def test_load_by_command(d):
    with start(d, FULL) as q:
        stir(q, 7)
        saved = save(q, d + '/one')
        q.qmp('cont')
        try:
            q.qmp('xen-load-devices-state', filename=d + '/one')
        except QtestError as e:
            expect('running' in str(e), True, str(e))
        else:
            raise AssertionError('a running machine was loaded into')
        stir(q, 8)
        q.qmp('stop')
        q.qmp('xen-load-devices-state', filename=d + '/one')
        expect(save(q, d + '/two') == saved, True, 'loaded into the same')


@test
def test_damaged(d):
    with start(d, FULL) as q:
        stir(q, 3)
        saved = save(q, d + '/one')
    rng = random.Random(5)
    bad = d + '/bad'
    for cut in [0, 1, 11, len(saved) - 1] + [rng.randrange(len(saved)) for _ in range(12)]:
        with open(bad, 'wb') as f:
            f.write(saved[:cut])
        refused(d, FULL, bad, 'record of state')
    for _ in range(12):
        at = rng.randrange(len(saved))
        with open(bad, 'wb') as f:
            f.write(saved[:at] + bytes([saved[at] ^ 1 << rng.randrange(8)]) + saved[at + 1:])
        refused(d, FULL, bad, 'record of state')
    with open(bad, 'wb') as f:
        f.write(saved + b'and more')
    refused(d, FULL, bad, '8 bytes more')
    length = struct.unpack_from('<I', saved, 4)[0]
    with open(bad, 'wb') as f:
        f.write(saved[length:])
    refused(d, FULL, bad, 'machine')
    with open(bad, 'wb') as f:
        f.truncate(100 << 20)
    refused(d, FULL, bad, 'more than')
    with open(bad, 'wb') as f:
        f.write(b'QEVM\0\0\0\3')
    refused(d, FULL, bad, 'under QEMU')
    refused(d, FULL, 'fd:-1', 'could not open')
    refused(d, FULL, 'fd:997', 'Bad file descriptor')
    refused(d, FULL, d, 'Is a directory')


@test
def test_another_machine(d):
    """A card in another's place is refused, one that came or went is not: the toolstack plugs in some later."""
    one = ['-device', 'e1000,id=nic0,addr=5', '-device', 'nec-usb-xhci,id=x,addr=6']
    with start(d, one) as q:
        q.config_write(6 << 3, 0x10, 0xe4000000)
        q.config_write(6 << 3, 4, 6, 2)
        register = 0xe4000000 + (q.readl(0xe4000000) & 0xff) + 0x38 # CONFIG: so many slots
        q.writel(register, 17)
        save(q, d + '/one')
    refused(d, ['-device', 'rtl8139,id=nic0,addr=5'], d + '/one', '10ec:8139')
    with start(d, one[:2] + ['-device', 'rtl8139,id=nic1,addr=7'], d + '/one') as q:
        expect('nic1" is not in the saved machine' in q.log(), True, q.log())
        expect('had xhci "x"' in q.log(), True, q.log())
        q.qmp('device_add', driver='nec-usb-xhci', id='x', addr='6')
        expect(q.readl(register), 17, 'CONFIG of the one that came later')
        expect(q.inl(0xae00), 0, 'slots that the guest is told of') # it knows that one


@test
def test_unplugged(d):
    """What the guest's PV drivers have unplugged stays away: disk, card and its cable."""
    args = ['-drive', 'file=DIR/a.img,if=ide,index=0,media=disk,format=raw', '-netdev', 'stream,id=n0,server=on,addr.type=unix,addr.path=DIR/net',
            '-device', 'e1000,netdev=n0,id=nic0']

    def there(q):
        return (q.inb(0x1f7), sum(x['id'] == {'vendor': 0x8086, 'device': 0x100e, 'subsystem-vendor': 0x1af4,
                                              'subsystem': 0x1100} for x in q.qmp('query-pci')[0]['devices']))

    with start(d, args, machine='xenfv') as q:
        expect(there(q), (0x50, 1), 'before')
        q.outw(0x10, 3)
        expect(there(q), (0, 0), 'unplugged')
        saved = save(q, d + '/one')
    with start(d, args, d + '/one', machine='xenfv') as q:
        expect(there(q), (0, 0), 'after the load')
        info = q.qmp('human-monitor-command', **{'command-line': 'info network'})
        expect(('unplugged' in info, 'link up' in info, 'open' in info), (True, True, True), 'info network')
        q.qmp('cont') # the toolstack has put the tap into its bridge
        info = q.qmp('human-monitor-command', **{'command-line': 'info network'})
        expect('closed' in info, True, 'info network: ' + info)
        expect(save(q, d + '/two') == saved, True, 'saved again')


@test
def test_asleep(d):
    """A guest in S3 (ACPI 1.0, 4.7.3.2) is in S3 afterwards, and wakes up."""
    with start(d, []) as q:
        q.config_write(0x0b, 0x40, 0xb001)
        q.config_write(0x0b, 0x80, 1, 1)
        q.outw(0xb004, 0x2401)
        expect(q.qmp('query-status')['status'], 'suspended', 'asleep')
        save(q, d + '/one')
        q.qmp('cont')
        expect(q.qmp('query-status')['status'], 'suspended', 'asleep after the save')
    with start(d, [], d + '/one') as q:
        expect(q.qmp('query-status')['status'], 'suspended', 'asleep after the load')
        q.qmp('system_wakeup')
        expect(q.qmp('query-status')['status'], 'running', 'awake')


@test
def test_disk_that_cannot_be_flushed(d):
    """What the guest was promised to have on its disk has to be there: the save fails, and the machine can go on."""
    server = d + '/server'
    with open(server, 'w', encoding='utf-8') as f:
        f.write('case $1 in\n'
                'get_size) echo 1048576 ;;\n'
                'pread) head -c $3 /dev/zero ;;\n'
                'can_write|can_flush) ;;\n'
                'pwrite) cat >/dev/null ;;\n'
                'flush) echo EIO this disk is broken >&2; exit 1 ;;\n'
                '*) exit 2 ;;\n'
                'esac\n')
    os.chmod(server, 0o700)
    with subprocess.Popen(['nbdkit', '-f', '-P', d + '/pid', '-U', d + '/nbd', 'sh', server],
                          stderr=subprocess.DEVNULL) as nbd:
        try:
            end = time.monotonic() + 20
            while not os.path.exists(d + '/pid') and time.monotonic() < end: # written once it listens
                time.sleep(0.02)
            with start(d, ['-drive', 'file=nbd+unix:///?socket=DIR/nbd,if=ide,index=0,media=disk,format=raw']) as q:
                q.qmp('stop')
                try:
                    q.qmp('xen-save-devices-state', filename=d + '/one')
                except QtestError as e:
                    expect('flushed' in str(e) and 'nbd' in str(e), True, str(e))
                else:
                    raise AssertionError('saved')
                q.qmp('cont')
                expect(q.qmp('query-status')['status'], 'running', 'after it')
        finally:
            nbd.terminate()


@test
def test_paused(d):
    """Under -S, as with dm_restrict, the toolstack finds it paused."""
    with start(d, FULL) as q:
        save(q, d + '/one')
    with start(d, FULL + ['-S'], d + '/one') as q:
        expect(q.qmp('query-status')['status'], 'paused', 'after the load')
        q.qmp('cont')
        expect(q.qmp('query-status')['status'], 'running', 'after cont')


def images(directory):
    for image, size in (('a', 1 << 20), ('b', 1 << 20), ('c', 1 << 20), ('u', 1 << 20), ('f', 1474560)):
        with open('%s/%s.img' % (directory, image), 'wb') as f:
            f.truncate(size)


if __name__ == '__main__':
    suite.main(__doc__, images)
