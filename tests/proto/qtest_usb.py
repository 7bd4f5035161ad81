#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""USB over the socket engine: the controller's registers and transfers as a driver makes them, compared
with another device model where one is installed; plugging by the monitor.

    tests/proto/qtest_usb.py [--dm PATH] [--oracle PATH] [NAME...]
"""
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import qtest_pc
from qtest_pc import Failure, expect, test
from qtest_client import QtestError

qtest_pc.TESTS.clear()
TABLET = ('-nodefaults', '-usb', '-usbdevice', 'tablet')
DEVFN, BASE = 1 << 3 | 2, 0xc040
CMD, STS, INTR, FRNUM, LIST, SOF, PORT = BASE, BASE + 2, BASE + 4, BASE + 6, BASE + 8, BASE + 12, BASE + 16
FRAMES, QH, TD, DATA = 0x10000, 0x20000, 0x30000, 0x40000
IN, OUT, SETUP = 0x69, 0xe1, 0x2d
ACTIVE, STALLED, MS = 1 << 23, 1 << 22, 1000000

qtest_pc.REASONS = {
    'registers': {
        'status, halted': 'halted is how it is while stopped, not an event that is taken note of',
        'port 1': 'D+ of a full-speed device is high (UHCI 1.1, 2.1.7, bits 5:4)',
        'port 1, change acknowledged': 'D+ as before',
        'port 1, enabled': 'D+ as before',
        'port 1, suspended': 'D+ as before',
        'frame number is written': 'eleven bits (2.1.4)',
        'SOFMOD': 'seven bits (2.1.6)',
        'LEGSUP': 'the PIIX3 has the register; QEMU does not',
        'port 1, in reset': 'a port is disabled while it is reset (2.1.7, bit 9)',
    },
    # the strings themselves are compared
    'descriptors': {
        'report': 'five buttons, where QEMU 7.2 has three',
        'configuration': 'the length of the report descriptor; QEMU 7.2 claims a boot protocol that '
                         'a tablet has none of',
        'string 1': 'other numbers of strings', 'string 2': 'other numbers of strings',
        'string 3': 'other numbers of strings', 'device': 'ours is a device of USB 1.1; other numbers of strings',
    },
}


class Usb:
    """A driver: the queue is one QH that every frame points to."""

    def __init__(self, q):
        self.q = q
        q.config_write(DEVFN, 0x20, BASE)
        q.config_write(DEVFN, 4, 5, 2)
        q.memwrite(FRAMES, struct.pack('<I', QH | 2) * 1024)
        q.memwrite(QH, struct.pack('<II', 1, 1))

    def start(self):
        q = self.q
        q.outl(LIST, FRAMES)
        q.outw(CMD, 0xc1)

    def reset_port(self, n=0):
        q = self.q
        q.outw(PORT + 2 * n, 0x200)
        q.clock_step(50 * MS)
        q.outw(PORT + 2 * n, 0)
        q.clock_step(1 * MS)
        q.outw(PORT + 2 * n, 0x0e)

    def submit(self, *packets, patience=0):
        """Packets of (pid, address, endpoint, length, buffer); returns their statuses in the end. For `patience`
        seconds of real time the frames go on, for a device whose answer comes from an image."""
        q = self.q
        for i, (pid, addr, ep, n, buffer) in enumerate(packets):
            link = TD + 16 * (i + 1) | 4 if i + 1 < len(packets) else 1
            q.memwrite(TD + 16 * i, struct.pack('<IIII', link, ACTIVE | 3 << 27 | 1 << 29,
                                                pid | addr << 8 | ep << 15 | (n - 1 & 0x7ff) << 21, buffer))
        q.writel(QH + 4, TD)
        frames, end = 0, time.monotonic() + patience
        while frames < 300 or time.monotonic() < end:
            frames += 1
            q.clock_step(1 * MS)
            status = [q.readl(TD + 16 * i + 4) for i in range(len(packets))]
            if not status[-1] & ACTIVE or any(s & STALLED for s in status):
                break
            if any(not s & ACTIVE and (s + 1 & 0x7ff) < p[3] for s, p in zip(status, packets)):
                break # short: the queue waits
        q.writel(QH + 4, 1)
        return status

    def control(self, addr, request_type, request, value, index, length, packet=64):
        """The data of an IN request, b'' of one without data, or None after a STALL."""
        q = self.q
        q.memwrite(DATA, struct.pack('<BBHHH', request_type, request, value, index, length))
        packets = [(SETUP, addr, 0, 8, DATA)]
        for at in range(0, length, packet):
            packets.append((IN, addr, 0, min(packet, length - at), DATA + 64 + at))
        if not length:
            packets.append((IN, addr, 0, 0, 0))
        status = self.submit(*packets)
        if any(s & STALLED for s in status):
            return None
        n = sum(s + 1 & 0x7ff for s in status[1:] if not s & ACTIVE)
        if length:
            self.submit((OUT, addr, 0, 0, 0))
        return q.memread(DATA + 64, n) if n else b''

    def configure(self, addr=5):
        expect(self.control(0, 0, 5, addr, 0, 0), b'', 'SET_ADDRESS')
        expect(self.control(addr, 0, 9, 1, 0, 0), b'', 'SET_CONFIGURATION')


@test(*TABLET)
def test_registers(q, seen):
    """UHCI 1.1, 2."""
    u = Usb(q)
    seen['id'] = q.config_read(DEVFN, 0)
    seen['class'] = q.config_read(DEVFN, 8)
    seen['pin'] = q.config_read(DEVFN, 0x3d, 1)
    seen['SBRN'] = q.config_read(DEVFN, 0x60, 1)
    seen['LEGSUP'] = q.config_read(DEVFN, 0xc0, 2)
    seen['subsystem'] = q.config_read(DEVFN, 0x2c)
    seen['command'] = q.inw(CMD)
    seen['status'] = q.inw(STS)
    q.outw(STS, 0x3f)
    seen['status, halted'] = q.inw(STS)
    seen['SOF'] = q.inb(SOF)
    q.outb(SOF, 0xff)
    seen['SOFMOD'] = q.inb(SOF)
    q.outw(FRNUM, 0xffff)
    seen['frame number is written'] = q.inw(FRNUM)
    q.outl(LIST, 0xffffffff)
    expect(q.inl(LIST), 0xfffff000, 'FLBASEADD is aligned')
    q.outw(INTR, 0xffff)
    seen['INTR'] = q.inw(INTR) & 0x0f
    seen['port 1'] = q.inw(PORT)
    seen['port 2'] = q.inw(PORT + 2)
    seen['port 3'] = q.inw(PORT + 4)
    q.outw(PORT, 2)
    seen['port 1, change acknowledged'] = q.inw(PORT)
    q.outw(PORT, 0x200)
    seen['port 1, in reset'] = q.inw(PORT)
    q.outw(PORT, 0)
    q.outw(PORT, 4)
    seen['port 1, enabled'] = q.inw(PORT)
    q.outw(PORT, 0x1004)
    seen['port 1, suspended'] = q.inw(PORT)
    q.outw(PORT, 4)
    q.outw(CMD, 2)
    expect(q.inw(CMD), 0, 'HCRESET ends')
    u.start()
    q.clock_step(10 * MS)
    expect(q.inw(STS) & 0x20, 0, 'it runs')
    seen['command, running'] = q.inw(CMD)
    n = q.inw(FRNUM)
    q.clock_step(100 * MS)
    expect(abs((q.inw(FRNUM) - n) % 2048 - 100) < 3, True, 'a frame is a millisecond')
    q.outw(CMD, 0)
    q.clock_step(2 * MS)
    expect(q.inw(STS) & 0x20, 0x20, 'it has halted')


@test(*TABLET)
def test_descriptors(q, seen):
    """USB 2.0, 9.4 and HID 1.11, 7.1, as far as a tablet goes."""
    u = Usb(q)
    u.start()
    u.reset_port()
    seen['device'] = u.control(0, 0x80, 6, 0x100, 0, 18)
    expect(seen['device'][8:12], bytes.fromhex('27060100'), 'the tablet')
    u.configure()
    head = u.control(5, 0x80, 6, 0x200, 0, 9)
    total = struct.unpack('<H', head[2:4])[0]
    seen['configuration'] = u.control(5, 0x80, 6, 0x200, 0, total)
    seen['endpoint'] = seen['configuration'][-7:]
    seen['attributes'] = head[4:5] + head[7:9]
    seen['report'] = u.control(5, 0x81, 6, 0x2200, 0, 255)
    seen['language'] = u.control(5, 0x80, 6, 0x300, 0, 255)
    texts = seen['device'][14:17]
    for what, n in zip(('maker', 'product', 'serial'), texts):
        seen[what] = u.control(5, 0x80, 6, 0x300 | n, 0x409, 255)[2:].decode('utf-16-le')
    seen['status'] = u.control(5, 0x80, 0, 0, 0, 2)
    expect(u.control(5, 0x80, 8, 0, 0, 1)[0], head[5], 'GET_CONFIGURATION')
    seen['no such descriptor'] = u.control(5, 0x80, 6, 0x900, 0, 8)
    seen['idle'] = u.control(5, 0xa1, 2, 0, 0, 1)


def move(q, x, y):
    q.qmp('input-send-event', events=[{'type': 'abs', 'data': {'axis': 'x', 'value': x}},
                                      {'type': 'abs', 'data': {'axis': 'y', 'value': y}}])


@test(*TABLET)
def test_tablet(q, seen):
    """What people do arrives as HID reports, and the interrupt with it."""
    u = Usb(q)
    u.start()
    u.reset_port()
    u.configure()
    u.control(5, 0x21, 0x0a, 0, 0, 0)
    seen['nothing'] = u.submit((IN, 5, 1, 8, DATA))[0] & ACTIVE
    move(q, 0x1234, 0x5678)
    status = u.submit((IN, 5, 1, 8, DATA))[0]
    n = status + 1 & 0x7ff
    expect(n, 6, 'length of the report')
    seen['motion'] = q.memread(DATA, n)
    expect(seen['motion'], bytes.fromhex('003412785600'), 'the report')
    q.qmp('input-send-event', events=[{'type': 'btn', 'data': {'button': 'left', 'down': True}}])
    u.submit((IN, 5, 1, 8, DATA))
    seen['click'] = q.memread(DATA, n)
    q.qmp('input-send-event', events=[{'type': 'btn', 'data': {'button': 'left', 'down': False}}])
    u.submit((IN, 5, 1, 8, DATA))
    seen['release'] = q.memread(DATA, n)
    for button in ('wheel-up', 'wheel-down'):
        for down in (True, False):
            q.qmp('input-send-event', events=[{'type': 'btn', 'data': {'button': button, 'down': down}}])
        u.submit((IN, 5, 1, 8, DATA))
        seen[button] = q.memread(DATA, n)


@test('-nodefaults', '-usb', '-usbdevice', 'tablet', '-usbdevice', 'keyboard')
def test_two_devices(q, seen):
    """The second of two devices is behind a hub on port 2, and works there: USB 2.0, 11.24."""
    u = Usb(q)
    u.start()
    u.reset_port(1)
    device = u.control(0, 0x80, 6, 0x100, 0, 18)
    expect(device[4], 9, 'a hub')
    u.configure(6)
    hub = u.control(6, 0xa0, 6, 0x2900, 0, 64)
    expect(hub[2], 8, 'its ports')
    u.control(6, 0x23, 3, 8, 1, 0) # power
    status = u.control(6, 0xa3, 0, 0, 1, 4)
    expect(status[0] & 3, 1, 'port 1 is connected, not enabled')
    expect(status[2] & 1, 1, 'and has changed')
    n = u.submit((IN, 6, 1, 2, DATA))
    seen['changes'] = (n[0] & ACTIVE, q.memread(DATA, 2))
    u.control(6, 0x23, 1, 16, 1, 0)
    u.control(6, 0x23, 3, 4, 1, 0) # reset
    q.clock_step(50 * MS)
    status = u.control(6, 0xa3, 0, 0, 1, 4)
    expect(status[0] & 3, 3, 'enabled')
    expect(status[2] & 0x11, 0x10, 'C_PORT_RESET')
    u.control(6, 0x23, 1, 20, 1, 0)
    seen['product'] = u.control(0, 0x80, 6, 0x100, 0, 18)[8:12]
    u.configure(7)
    u.control(7, 0x21, 0x0a, 0, 0, 0)
    u.submit((IN, 7, 1, 8, DATA)) # ours takes keys only once it has been asked for them
    q.qmp('send-key', keys=[{'type': 'qcode', 'data': 'shift'}, {'type': 'qcode', 'data': 'a'}])
    reports = []
    for _ in range(4):
        u.submit((IN, 7, 1, 8, DATA))
        reports.append(q.memread(DATA, 8).hex())
        q.clock_step(200 * MS)
    seen['reports'] = reports
    expect(reports[1], '0200040000000000', 'Shift and A')


@test('-nodefaults', '-device', 'piix3-usb-uhci,id=usb', '-device', 'usb-hub,id=h,bus=usb.0,port=2',
      '-device', 'usb-mouse,bus=usb.0,port=2.3', '-device', 'usb-kbd,id=k,port=1')
def test_placed(q, seen):
    """usbversion=1 gives the controller a slot of its own; devices go where they are told to."""
    devices = {d['slot']: d for d in q.qmp('query-pci')[0]['devices'] if d['function'] == 0}
    usb = [d for d in devices.values() if d['id']['device'] == 0x7020]
    expect(len(usb), 1, 'controllers')
    expect(usb[0]['qdev_id'], 'usb', 'its id')
    expect((usb[0]['class_info']['class'], usb[0]['irq_pin']), (0x0c03, 4), 'class and pin')
    global DEVFN
    before, DEVFN = DEVFN, usb[0]['slot'] << 3
    try:
        u = Usb(q)
        u.start()
        u.reset_port(0)
        seen['port 1'] = u.control(0, 0x80, 6, 0x100, 0, 18)[8:12]
        u.control(0, 0, 5, 9, 0, 0)
        u.reset_port(1)
        seen['port 2'] = u.control(0, 0x80, 6, 0x100, 0, 18)[8:12]
    finally:
        DEVFN = before


class Disk:
    """A driver of mass storage at address 5, its bulk endpoints 1 in and 2 out."""

    def __init__(self, usb):
        self.usb, self.q = usb, usb.q

    def submit(self, packet):
        return self.usb.submit(packet, patience=20)

    def command(self, cdb, n=0, out=None):
        """The data of an IN command; residue and status."""
        q, length, data = self.q, len(out) if out else n, 0x51000
        cbw = struct.pack('<4sIIBBB16s', b'USBC', 0x1234, length, 0 if out else 0x80, 0, len(cdb), bytes(cdb))
        q.memwrite(0x50000, cbw)
        expect(self.submit((OUT, 5, 2, 31, 0x50000))[0] & (ACTIVE | STALLED), 0, 'CBW')
        if out:
            q.memwrite(data, out)
        for at in range(0, length, 64):
            pid, ep = (OUT, 2) if out else (IN, 1)
            status = self.submit((pid, 5, ep, min(64, length - at), data + at))[0]
            if status & STALLED:
                expect(self.usb.control(5, 2, 1, 0, 0x81, 0), b'', 'the halt is cleared')
                break
        self.submit((IN, 5, 1, 13, 0x50100))
        signature, tag, residue, status = struct.unpack('<4sIIB', q.memread(0x50100, 13))
        expect((signature, tag), (b'USBS', 0x1234), 'CSW')
        return (b'' if out or not n else q.memread(data, n)), residue, status

    def ready(self):
        for _ in range(3): # power on, reset
            if self.command([0] * 6)[2] == 0:
                return
            self.command([3, 0, 0, 0, 18, 0], 18)
        raise Failure('never ready')


def find_disk(q):
    u = Usb(q)
    u.start()
    u.reset_port()
    u.configure()
    return Disk(u)


@test('-nodefaults', '-usb', '-drive', 'if=none,id=stick,format=raw,file=DISK',
      '-device', 'usb-storage,id=s,drive=stick,serial=ABC')
def test_storage(q, seen):
    """Bulk-Only Transport 1.0; SBC-2."""
    disk = find_disk(q)
    disk.ready()
    data, residue, status = disk.command([0x12, 0, 0, 0, 36, 0], 36)
    seen['INQUIRY, type and length'] = (data[0], data[4], residue, status)
    capacity = disk.command([0x25] + [0] * 9, 8)
    seen['READ CAPACITY'] = capacity
    seen['page 80'] = disk.command([0x12, 1, 0x80, 0, 7, 0], 7)
    pattern = bytes(range(256)) * 4
    seen['WRITE(10)'] = disk.command([0x2a, 0, 0, 0, 0, 5, 0, 0, 2, 0], out=pattern)
    seen['SYNCHRONIZE CACHE'] = disk.command([0x35] + [0] * 9)
    data, residue, status = disk.command([0x28, 0, 0, 0, 0, 5, 0, 0, 2, 0], 1024)
    expect((data == pattern, residue, status), (True, 0, 0), 'READ(10)')
    sectors = struct.unpack('>I', capacity[0][:4])[0] + 1
    seen['past the end'] = disk.command([0x28] + list(struct.pack('>BIBHB', 0, sectors, 0, 1, 0)), 512)[2]
    sense = disk.command([3, 0, 0, 0, 18, 0], 18)[0]
    seen['its sense'] = (sense[2], sense[12], sense[13])


@test('-nodefaults')
def test_hot_plug(q, seen):
    """device_add and device_del as libxl says them (usbctrl=, usbdev=)."""
    def pci():
        return {d['qdev_id'] for d in q.qmp('query-pci')[0]['devices'] if d['qdev_id']}

    def refused(command, **arguments):
        try:
            q.qmp(command, **arguments)
        except QtestError:
            return
        raise Failure('%s %r was not refused' % (command, arguments))
    expect(pci(), set(), 'before')
    refused('device_add', driver='usb-tablet', id='t')
    q.qmp('device_add', driver='piix3-usb-uhci', id='xenusb-0')
    expect(pci(), {'xenusb-0'}, 'after the controller came')
    refused('device_add', driver='piix3-usb-uhci', id='xenusb-0')
    slot = [d['slot'] for d in q.qmp('query-pci')[0]['devices'] if d['qdev_id'] == 'xenusb-0'][0]
    expect(q.inl(0xae00), 1 << slot, 'the guest is told')
    global DEVFN
    before, DEVFN = DEVFN, slot << 3
    try:
        u = Usb(q)
        expect(q.inw(PORT) & 3, 0, 'nothing is plugged in')
        q.qmp('device_add', driver='usb-tablet', id='xenusb-1-2', bus='xenusb-0.0', port='1')
        expect(q.inw(PORT) & 3, 3, 'something is')
        refused('device_add', driver='usb-kbd', id='k', bus='xenusb-0.0', port='1')
        refused('device_add', driver='usb-kbd', id='k', bus='xenusb-0.0', port='3')
        refused('device_add', driver='usb-kbd', id='k', bus='xenusb-7.0', port='1')
        refused('device_add', driver='usb-kbd', id='k', nonsense='1')
        refused('device_add', driver='usb-kbd', id='k', hostbus=1, hostaddr=2)
        for which in ({'hostbus': 999, 'hostaddr': 127}, {'hostbus': 1}, {'vendorid': 1}, {}, {'hostbus': 'x'},
                      {'hostbus': 1, 'hostaddr': 128}, {'hostbus': 1, 'hostport': '1-4'},
                      {'vendorid': 0xfffe, 'productid': 0xfffd}):
            refused('device_add', driver='usb-host', id='xenusb-9-9', bus='xenusb-0.0', port='1', **which)
        u.start()
        u.reset_port()
        u.configure()
        u.submit((IN, 5, 1, 8, DATA))
        move(q, 5, 6)
        u.submit((IN, 5, 1, 8, DATA))
        expect(q.memread(DATA, 6).hex(), '000500060000', 'the new tablet works')
        q.qmp('device_del', id='xenusb-1-2')
        expect(q.inw(PORT) & 0x0f, 0x0a, 'gone: connect and enable have changed')
        expect(q.events.count('DEVICE_DELETED'), 1, 'the monitor is told')
        refused('device_del', id='xenusb-1-2')
        move(q, 5, 7)
        for i in range(20):
            q.qmp('device_add', driver='usb-hub', id='h', bus='xenusb-0.0', port='2')
            for port in range(1, 9):
                q.qmp('device_add', driver='usb-kbd', id='k%d' % port, bus='xenusb-0.0', port='2.%d' % port)
            q.qmp('device_del', id='k%d' % (i % 8 + 1))
            q.qmp('device_del', id='h') # and all behind it
            refused('device_del', id='k2' if i % 8 != 1 else 'k3')
        expect(q.events.count('DEVICE_DELETED'), 1 + 20 * 9, 'of each')
        q.qmp('device_add', driver='usb-mouse', id='m', bus='xenusb-0.0')
        q.qmp('device_del', id='xenusb-0')
        expect(q.inl(0xae04), 1 << slot, 'the guest is asked to let go')
        expect(pci(), {'xenusb-0'}, 'until then it is there')
        q.outl(0xae08, 1 << slot) # _EJ0
        expect(pci(), set(), 'ejected')
        expect(q.events.count('DEVICE_DELETED'), 1 + 20 * 9 + 2, 'of the mouse and of the controller, now')
        refused('device_del', id='m')
        q.qmp('device_add', driver='piix3-usb-uhci', id='xenusb-0')
        q.qmp('system_reset')
        expect(pci(), {'xenusb-0'}, 'it stays through a reset')
    finally:
        DEVFN = before


@test('-nodefaults', '-S')
def test_plug_before_start(q, seen):
    """libxl plugs usbctrl= and usbdev= in while the guest has not run yet: nothing is left to tell it."""
    def pci():
        return {d['qdev_id'] for d in q.qmp('query-pci')[0]['devices'] if d['qdev_id']}
    q.qmp('device_add', driver='piix3-usb-uhci', id='xenusb-0')
    q.qmp('device_add', driver='usb-tablet', id='xenusb-1-2', bus='xenusb-0.0', port='2')
    q.qmp('device_add', driver='piix3-usb-uhci', id='xenusb-1')
    q.qmp('device_del', id='xenusb-1')
    expect(pci(), {'xenusb-0'}, 'at once')
    expect(q.inl(0xae00) | q.inl(0xae04), 0, 'events')
    q.qmp('cont')
    q.qmp('device_del', id='xenusb-0')
    expect(q.inl(0xae04) != 0, True, 'the guest is asked')


# What the other one has no ports for: Xen's hot-plug registers.
qtest_pc.REASONS['hot_plug'] = qtest_pc.REASONS['plug_before_start'] = {'failure': 'QEMU has Xen\'s hot-plug ports only under Xen'}


@test('-nodefaults', '-usb', '-drive', 'if=none,id=stick,format=raw,file=DISK')
def test_storage_hot_plug(q, seen):
    """A disk that comes and goes; its drive is the monitor's while it is there."""
    def drives():
        return [(d['device'], d.get('qdev')) for d in q.qmp('query-block') if d['device'] == 'stick' and d.get('qdev')]
    for _ in range(3):
        expect(drives(), [], 'before')
        q.qmp('device_add', driver='usb-storage', id='s', drive='stick', removable=True)
        expect(drives(), [('stick', 's')], 'the drive is listed')
        for drive, name in (('stick', 't'), ('nothing', 't'), (None, 't')):
            try:
                q.qmp('device_add', driver='usb-storage', id=name, **({'drive': drive} if drive else {}))
            except QtestError:
                continue
            raise Failure('drive %s was plugged in' % drive)
        disk = find_disk(q)
        disk.ready()
        expect(disk.command([0x12, 0, 0, 0, 36, 0], 36)[0][1], 0x80, 'removable')
        q.qmp('device_del', id='s')
        expect(q.inw(PORT) & 1, 0, 'gone')


qtest_pc.REASONS['storage_hot_plug'] = {'failure': 'QEMU names the path of the device'}

class Xhci:
    """A driver of xHCI (1.1, 4.2): rings of 256 TRBs that it never fills, one interrupter, slots as they come."""
    BAR, DCBAA, COMMANDS, EVENTS, ERST, INPUT, CONTEXTS = 0xfe000000, 0x1000, 0x2000, 0x3000, 0x5000, 0x6000, 0x8000
    RINGS, DATA = 0x100000, 0x200000

    def __init__(self, q, devfn):
        self.q, self.commands, self.events, self.positions = q, 0, 0, {}
        q.config_write(devfn, 0x10, self.BAR)
        q.config_write(devfn, 0x14, 0)
        q.config_write(devfn, 4, 6, 2)
        self.write(0x40, 2)
        q.memwrite(self.DCBAA, b''.join(struct.pack('<Q', self.CONTEXTS + 0x1000 * n if n else 0) for n in range(65)))
        q.memwrite(self.COMMANDS, bytes(4096))
        q.memwrite(self.EVENTS, bytes(4096))
        q.memwrite(self.ERST, struct.pack('<QII', self.EVENTS, 256, 0))
        for reg, val in ((0x78, 64), (0x70, self.DCBAA), (0x74, 0), (0x58, self.COMMANDS | 1), (0x5c, 0), (0x1028, 1),
                         (0x1038, self.EVENTS), (0x103c, 0), (0x1030, self.ERST), (0x1034, 0), (0x1020, 2), (0x40, 5)):
            self.write(reg, val)

    def read(self, reg):
        return self.q.readl(self.BAR + reg)

    def write(self, reg, val):
        self.q.writel(self.BAR + reg, val)

    def port(self, n):
        return self.read(0x430 + 16 * n)

    def event(self):
        """(type, code, parameter, length, slot, endpoint), or None."""
        param, status, control = struct.unpack('<QII', self.q.memread(self.EVENTS + 16 * self.events, 16))
        if not control & 1:
            return None
        self.events += 1
        self.write(0x1038, self.EVENTS + 16 * self.events | 8)
        return control >> 10 & 63, status >> 24, param, status & 0xffffff, control >> 24, control >> 16 & 31

    def wait(self, *types):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            event = self.event()
            if event and event[0] in types:
                return event
            if not event:
                self.q.clock_step(MS)
        raise Failure('no event of type %r' % (types,))

    def command(self, kind, param=0, control=0):
        self.q.memwrite(self.COMMANDS + 16 * self.commands, struct.pack('<QII', param, 0, kind << 10 | control | 1))
        self.commands += 1
        self.write(0x2000, 0)
        return self.wait(33, 48)

    def ring(self, slot, ep):
        return self.RINGS + 0x1000 * (4 * slot + ep % 4)

    def queue(self, slot, ep, param, status, control):
        n = self.positions.get((slot, ep), 0)
        at = self.ring(slot, ep) + 16 * n
        self.q.memwrite(at + 16, bytes(16))
        self.q.memwrite(at, struct.pack('<QII', param, status, control | 1))
        self.positions[slot, ep] = n + 1
        return at

    def context(self, slot, index):
        return struct.unpack('<8I', self.q.memread(self.CONTEXTS + 0x1000 * slot + 32 * index, 32))

    def endpoint(self, slot, ep, kind, packet):
        self.positions[slot, ep] = 0
        self.q.memwrite(self.ring(slot, ep), bytes(16))
        return struct.pack('<IIQIIII', 3 << 16, packet << 16 | kind << 3 | 6, self.ring(slot, ep) | 1, 8, 0, 0, 0)

    def address(self, slot, port, route=0, bsr=False):
        self.q.memwrite(self.INPUT, struct.pack('<8I', 0, 3, 0, 0, 0, 0, 0, 0) +
                        struct.pack('<8I', 1 << 27 | route, port << 16, 0, 0, 0, 0, 0, 0) + self.endpoint(slot, 1, 4, 64))
        return self.command(11, self.INPUT, slot << 24 | (0x200 if bsr else 0))[1]

    def configure(self, slot, *eps):
        flags = 1 | sum(1 << ep for ep, _, _ in eps)
        slot_context = list(self.context(slot, 0))
        slot_context[0] = slot_context[0] & 0x7ffffff | max(ep for ep, _, _ in eps) << 27
        self.q.memwrite(self.INPUT, struct.pack('<8I', 0, flags, 0, 0, 0, 0, 0, 0) + struct.pack('<8I', *slot_context))
        for ep, kind, packet in eps:
            self.q.memwrite(self.INPUT + 32 * (ep + 1), self.endpoint(slot, ep, kind, packet))
        return self.command(12, self.INPUT, slot << 24)[1]

    def enable(self, port):
        """Resets the port, enables a slot and addresses the device; the slot."""
        self.write(0x430 + 16 * port, 0x210)
        self.q.clock_step(50 * MS)
        self.write(0x430 + 16 * port, 0x200200)
        slot = self.command(9)[4]
        expect(self.address(slot, port), 1, 'Address Device')
        return slot

    def transfer(self, slot, ep, param, length, control=0x24):
        """One TD, and its event."""
        self.queue(slot, ep, param, length, 1 << 10 | control)
        self.write(0x2000 + 4 * slot, ep)
        return self.wait(32)

    def control(self, slot, request_type, request, value, index, length):
        """The data of an IN request, b'' of one without data, or the code of what went wrong."""
        setup = struct.unpack('<Q', struct.pack('<BBHHH', request_type, request, value, index, length))[0]
        kind = 0 if not length else 3 if request_type & 0x80 else 2
        self.queue(slot, 1, setup, 8, 2 << 10 | 0x40 | kind << 16)
        if length:
            self.queue(slot, 1, self.DATA, length, 3 << 10 | 4 | (1 << 16 if kind == 3 else 0))
        end = self.queue(slot, 1, 0, 0, 4 << 10 | 0x20 | (0 if kind == 3 else 1 << 16))
        self.write(0x2000 + 4 * slot, 1)
        got = length
        while True:
            _, code, at, rest, _, _ = self.wait(32)
            if code == 13 and at != end:
                got = length - rest
            elif code != 1:
                return code
            elif at == end:
                return self.q.memread(self.DATA, got) if kind == 3 and got else b''


XHCI = ('-nodefaults', '-device', 'nec-usb-xhci,id=usb,addr=5', '-device', 'usb-tablet,bus=usb.0,port=1',
        '-drive', 'if=none,id=stick,format=raw,file=DISK', '-device', 'usb-storage,bus=usb.0,port=2,drive=stick,serial=ABC')
XHCI_DEVFN = 5 << 3
FULL_SPEED = 'ours is a full-speed device, QEMU\'s a high-speed one'
EMPTY = 'nothing has changed at a port that is empty'
qtest_pc.REASONS['xhci_registers'] = {
    'BAR 0': 'ours has an address of 32 bits',
    'HCSPARAMS2': 'event rings of ours have up to eight segments',
    'port 5': FULL_SPEED, 'PORTSC 5*': FULL_SPEED, 'port 1': EMPTY, 'port 3': EMPTY, 'port 4': EMPTY, 'port 6': EMPTY,
    'port 7': EMPTY, 'port 8': EMPTY,
    'running': 'of the command ring\'s registers nothing can be read but that it runs (5.4.5)',
}
qtest_pc.REASONS['xhci_commands'] = {
    'Configure Endpoint, not addressed': '4.6.6: Context State Error',
    'Stop Endpoint': '4.6.9: Context State Error, when it has stopped already',
    'aborted': '4.6.1.1: where the ring stopped',
}
qtest_pc.REASONS['xhci_tablet'] = {'device': FULL_SPEED + '; other numbers of strings'}


@test(*XHCI)
def test_xhci_registers(q, seen):
    """5.2 to 5.5, before and after a driver has begun."""
    for reg in (0, 4, 8, 0x2c, 0x3c, 0x60, 0x70, 0x90, 0x94, 0x98):
        seen['config %02x' % reg] = q.config_read(XHCI_DEVFN, reg)
    q.config_write(XHCI_DEVFN, 0x10, 0xffffffff)
    seen['BAR 0'] = q.config_read(XHCI_DEVFN, 0x10)
    q.config_write(XHCI_DEVFN, 0x10, Xhci.BAR)
    q.config_write(XHCI_DEVFN, 4, 6, 2)
    names = {0: 'CAPLENGTH', 4: 'HCSPARAMS1', 8: 'HCSPARAMS2', 0x0c: 'HCSPARAMS3', 0x10: 'HCCPARAMS', 0x14: 'DBOFF',
             0x18: 'RTSOFF'}
    for reg in range(0, 0x80, 4):
        seen[names.get(reg, 'register %02x' % reg)] = q.readl(Xhci.BAR + reg)
    for n in range(1, 9):
        seen['port %d' % n] = q.readl(Xhci.BAR + 0x430 + 16 * n)
    x = Xhci(q, XHCI_DEVFN)
    seen['running'] = [x.read(reg) for reg in (0x40, 0x58, 0x5c, 0x70, 0x74, 0x78)]
    x.write(0x430 + 16 * 5, 0x20200)
    seen['PORTSC 5, change acknowledged'] = x.port(5)
    x.write(0x430 + 16 * 5, 0x210)
    seen['PORTSC 5, reset'] = x.port(5)
    x.write(0x430 + 16 * 5, 0x210200 | 3 << 5)
    seen['PORTSC 5, in U3'] = x.port(5)
    x.write(0x430 + 16 * 5, 0x10200)
    seen['PORTSC 5, resumed'] = x.port(5)
    n = x.read(0x1000)
    q.clock_step(100 * MS)
    expect(x.read(0x1000) - n & 0x3fff, 800, 'microframes of 125 us')
    x.write(0x40, 0)
    expect(x.read(0x44) & 1, 1, 'it has halted')


@test(*XHCI)
def test_xhci_commands(q, seen):
    """4.6, with what NEC added."""
    x = Xhci(q, XHCI_DEVFN)
    seen['no-op'] = x.command(23)[1]
    seen['reserved'] = x.command(24)[1]
    seen['NEC firmware'] = x.command(49)
    for i, (high, low) in enumerate(((0, 0), (0x12345678, 0x9abcdef0), (0xffffffff, 1), (0x1f1f, 0x1f0000))):
        event = x.command(50, high << 32 | low)
        seen['NEC challenge %d' % i] = (event[0], event[3], event[4], event[5])
    seen['Enable Slot'] = [x.command(9)[4] for _ in range(3)]
    seen['Disable Slot'] = [x.command(10, 0, n << 24)[1] for n in (2, 2, 0, 65)]
    seen['Stop Endpoint, not enabled'] = x.command(15, 0, 1 << 24 | 3 << 16)[1]
    seen['Configure Endpoint, not addressed'] = x.command(12, Xhci.INPUT, 1 << 24)[1]
    seen['Address Device, no port'] = x.address(1, 9)
    x.write(0x430 + 16 * 5, 0x210)
    seen['Address Device'] = x.address(1, 5)
    context = x.context(1, 0)
    seen['slot context'] = context[0] >> 27, context[1], context[3]
    seen['endpoint context'] = x.context(1, 1)[0] & 7
    seen['another slot'] = x.address(3, 5)
    seen['Configure Endpoint'] = x.configure(1, (3, 7, 8))
    context = x.context(1, 0)
    seen['slot context, configured'] = context[0] >> 27, context[1], context[3]
    seen['Set TR Dequeue, running'] = x.command(16, x.ring(1, 3) | 1, 1 << 24 | 3 << 16)[1]
    seen['Reset Endpoint, running'] = x.command(14, 0, 1 << 24 | 3 << 16)[1]
    seen['Stop Endpoint'] = [x.command(15, 0, 1 << 24 | 3 << 16)[1] for _ in range(2)], x.context(1, 3)[0] & 7
    seen['Set TR Dequeue'] = x.command(16, x.ring(1, 3) + 32 | 1, 1 << 24 | 3 << 16)[1], x.context(1, 3)[2:4]
    seen['deconfigured'] = x.command(12, 0, 1 << 24 | 0x200)[1], x.context(1, 3)[0] & 7, x.context(1, 0)[3]
    seen['Reset Device'] = x.command(17, 0, 1 << 24)[1], x.context(1, 0)[3] >> 27
    seen['Get Port Bandwidth'] = x.command(21, Xhci.DATA)[1], q.memread(Xhci.DATA, 9)
    x.write(0x58, 4)
    x.write(0x5c, 0)
    seen['aborted'] = x.event(), x.read(0x58)


@test(*XHCI)
def test_xhci_tablet(q, seen):
    """Control and interrupt transfers, a stall and what ends it."""
    x = Xhci(q, XHCI_DEVFN)
    slot = x.enable(5)
    seen['device'] = x.control(slot, 0x80, 6, 0x100, 0, 18)
    seen['short'] = len(x.control(slot, 0x80, 6, 0x100, 0, 64))
    seen['stall'] = x.control(slot, 0x80, 6, 0x900, 0, 8), x.context(slot, 1)[0] & 7
    expect(x.command(14, 0, slot << 24 | 1 << 16)[1], 1, 'Reset Endpoint')
    x.positions[slot, 1] = 0
    q.memwrite(x.ring(slot, 1), bytes(16))
    expect(x.command(16, x.ring(slot, 1) | 1, slot << 24 | 1 << 16)[1], 1, 'Set TR Dequeue')
    expect(x.control(slot, 0, 9, 1, 0, 0), b'', 'SET_CONFIGURATION')
    expect(x.configure(slot, (3, 7, 8)), 1, 'Configure Endpoint')
    x.control(slot, 0x21, 0x0a, 0, 0, 0)
    x.queue(slot, 3, Xhci.DATA, 8, 1 << 10 | 0x24)
    x.write(0x2000 + 4 * slot, 3)
    move(q, 1, 2) # ours takes positions only once it has been asked for them
    x.wait(32)
    move(q, 0x1234, 0x5678)
    seen['report'] = x.transfer(slot, 3, Xhci.DATA, 8)[:2], q.memread(Xhci.DATA, 6)
    at = x.queue(slot, 3, Xhci.DATA, 8, 1 << 10 | 0x24)
    x.write(0x2000 + 4 * slot, 3)
    q.clock_step(100 * MS)
    expect(x.event(), None, 'nothing new')
    move(q, 7, 8)
    event = x.wait(32)
    seen['the next'] = event[1], event[3], event[2] == at, q.memread(Xhci.DATA, 6)


class XhciDisk:
    """Mass storage at a slot, its bulk endpoints 3 (in) and 4 (out), as Disk asks for it."""

    def __init__(self, x, slot):
        self.q, self.x, self.slot = x.q, x, slot

    def submit(self, packet, patience=0):
        pid, _, ep, length, at = packet
        _, code, _, _, _, _ = self.x.transfer(self.slot, 2 * ep + (pid == IN), at, length)
        return (STALLED if code == 6 else 0),

    def control(self, *_):
        raise Failure('a stall')


@test(*XHCI)
def test_xhci_storage(q, seen):
    """Bulk transfers at SuperSpeed: many TRBs in a TD."""
    x = Xhci(q, XHCI_DEVFN)
    seen['port'] = x.port(2)
    slot = x.enable(2)
    seen['BOS'] = x.control(slot, 0x80, 6, 0xf00, 0, 5)[:2]
    expect(x.control(slot, 0, 9, 1, 0, 0), b'', 'SET_CONFIGURATION')
    expect(x.configure(slot, (3, 6, 1024), (4, 2, 1024)), 1, 'Configure Endpoint')
    disk = Disk(XhciDisk(x, slot))
    disk.ready()
    seen['READ CAPACITY'] = disk.command([0x25] + [0] * 9, 8)
    pattern = os.urandom(32768)
    q.memwrite(0x300000, pattern)
    for op, pid, at in ((0x2a, OUT, 0x300000), (0x28, IN, 0x320000)):
        cbw = struct.pack('<4sIIBBB16s', b'USBC', 9, 32768, 0 if pid == OUT else 0x80, 0, 10,
                          bytes([op, 0, 0, 0, 0, 3, 0, 0, 64, 0]))
        q.memwrite(0x50000, cbw)
        expect(x.transfer(slot, 4, 0x50000, 31)[1], 1, 'CBW')
        ep = 4 if pid == OUT else 3
        for i in range(32): # pieces of odd lengths
            start, end = 1000 * i, 1000 * (i + 1) if i < 31 else 32768
            x.queue(slot, ep, at + start, end - start, 1 << 10 | (0x10 if i < 31 else 0x20))
        x.write(0x2000 + 4 * slot, ep)
        event = x.wait(32)
        expect((event[1], event[3], event[5]), (1, 0, ep), 'the data')
        expect(x.transfer(slot, 3, 0x50100, 13)[1], 1, 'CSW')
        expect(q.memread(0x50108, 5), bytes(5), 'residue and status')
    expect(q.memread(0x320000, 32768) == pattern, True, 'what was written is read')


@test('-nodefaults')
def test_xhci_hot_plug(q, seen):
    """xl usbctrl-attach with version=3 and ports=N, and what it is asked for later."""
    q.qmp('device_add', driver='nec-usb-xhci', id='xenusb-0', p2=6, p3=6)
    q.qmp('device_add', driver='qemu-xhci', id='other')
    ids = {d['qdev_id']: d for d in q.qmp('query-pci')[0]['devices'] if d['qdev_id']}
    seen['ids'] = sorted((d['id']['vendor'], d['id']['device']) for d in ids.values())
    for bad in ({'p2': 16}, {'p2': 0, 'p3': 0}, {'intrs': 'no'}):
        try:
            q.qmp('device_add', driver='nec-usb-xhci', id='bad', **bad)
        except QtestError:
            continue
        raise Failure('%r was taken' % bad)
    q.qmp('device_add', driver='usb-kbd', id='k', bus='xenusb-0.0', port='6')
    x = Xhci(q, ids['xenusb-0']['slot'] << 3)
    expect(x.read(4) >> 24, 12, 'ports')
    expect(x.port(12) & 1, 1, 'the keyboard')
    x.write(0x430 + 16 * 12, 0x20200)
    slot = x.enable(12)
    expect(x.control(slot, 0x80, 6, 0x100, 0, 18)[8:10], b'\x27\x06', 'it answers')
    q.qmp('device_del', id='k')
    expect(x.port(12) & 0x20001, 0x20000, 'it is gone')
    q.qmp('device_del', id='xenusb-0')
    q.outl(0xae08, 1 << ids['xenusb-0']['slot']) # _EJ0
    expect({d['qdev_id'] for d in q.qmp('query-pci')[0]['devices'] if d['qdev_id']}, {'other'}, 'ejected')


qtest_pc.REASONS['xhci_hot_plug'] = {'failure': 'QEMU clamps numbers, and has Xen\'s hot-plug ports only under Xen'}

if __name__ == '__main__':
    qtest_pc.main()
