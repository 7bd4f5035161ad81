# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of the socket engine with one network card, and the other end of its cable: a Unix socket of ours."""
import os
import socket
import struct
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from qtest_client import Qtest  # noqa: E402

ORACLE = '/usr/libexec/xen-qemu-system-i386'
MAC = bytes.fromhex('00163e0a0b0c')
SLOT = 4


class NetCard:
    """bars: what the base address registers are set to, in their order."""

    def __init__(self, dm, model, bars, extra=()):
        self.directory = tempfile.mkdtemp(prefix='hvm-dm-net.')
        path = os.path.join(self.directory, 'net')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(10)
        self.q = Qtest(dm, ['-nodefaults', '-device',
                            '%s,id=nic0,netdev=net0,mac=%s,romfile=,addr=%x' % (model, MAC.hex(':'), SLOT),
                            '-netdev', 'stream,id=net0,server=off,addr.type=unix,addr.path=' + path, *extra])
        self.cable, _ = listener.accept()
        self.cable.settimeout(5)
        self.arriving = self.cable.makefile('rb')
        listener.close()
        os.unlink(path)
        for n, bar in enumerate(bars):
            self.q.config_write(SLOT << 3, 0x10 + 4 * n, bar)
        self.q.config_write(SLOT << 3, 0x04, 7, 2)

    def close(self):
        self.arriving.close()
        self.cable.close()
        self.q.close()
        os.rmdir(self.directory)

    def send(self, frame):
        self.cable.sendall(struct.pack('>I', len(frame)) + frame)

    def receive(self):
        def exactly(n):
            got = self.arriving.read(n)
            if len(got) < n:
                raise AssertionError('the cable is closed')
            return got
        return exactly(struct.unpack('>I', exactly(4))[0])


def of_oracle(ask):
    """Its socket is set up in the background: what it sends before is lost, on a busy machine often."""
    end = time.monotonic() + 120
    while True:
        try:
            return ask()
        except TimeoutError:
            if time.monotonic() > end:
                raise


def frame(length, seed=1, to=MAC):
    return to + bytes((i * 7 + seed) & 255 for i in range(length - 6))


def tcp(payload):
    ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 40 + len(payload), 1, 0, 64, 6, 0, bytes([10, 0, 0, 1]),
                     bytes([10, 0, 0, 2]))
    header = struct.pack('>HHIIBBHHH', 1234, 80, 1000, 2000, 0x50, 0x18, 8192, 0, 0)
    return MAC + bytes(6) + b'\x08\x00' + ip + header + payload


def fold(data):
    total = sum(struct.unpack('>%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total
