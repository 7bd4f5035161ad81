#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The monitors of a running device model, as libxl, xentop and people use and misuse them.

    tests/proto/xen_qmp.py [--dm hvm-dm|qemu|PATH] [--list] [NAME...]

Under the native rig, without Xen.  What is expected is what libxl 4.17 to master parses.
"""
import json
import os
import socket
import time

from harness import BASE, Started, base, expect, main, test
from qmp_client import Qmp

CD = base(vcpus=2, disks=BASE['disks'] + [{'vdev': 'hdc', 'cdrom': True, 'target': 'DISK-c'}])

QEMU_DIFFERS = {
    'slashes_and_unicode_escaped': 'does not say which file it could not write',
    'a_client_that_does_not_read': 'its answers may reach the next client',
    'power_commands': 'tells Xen of a reset only when the guest next makes a request',
}


class Monitored(Started):
    def __enter__(self):
        self('running')
        return self

    def serves(self):
        """Both monitors still greet and answer."""
        for path in (self.qmp_path, self.stat_path):
            with Qmp(path) as q:
                expect(q.command('query-status')['status'] == 'running', 'not running')


def connect(path, timeout=5):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout)
    until = time.monotonic() + timeout
    while True:
        try:
            s.connect(path)
            return s
        except BlockingIOError:                 # the backlog is full
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def receive(s, silence=0.5):
    """Everything until nothing comes for a while, or the end."""
    data = b''
    s.settimeout(silence)
    try:
        while True:
            more = s.recv(65536)
            if not more:
                return data
            data += more
    except socket.timeout:
        return data


@test
def test_greeting():
    with Monitored(CD) as s, connect(s.qmp_path) as c:
        text = receive(c)
        expect(text.endswith(b'\r\n') and text.count(b'\r\n') == 1, 'greeting %r' % text)
        version = json.loads(text)['QMP']['version']['qemu']
        expect((version['major'], version['minor']) >= (2, 11), 'libxl takes %r for old' % version)


@test
def test_commands_before_capabilities():
    with Monitored(CD) as s, Qmp(s.qmp_path, greet=False) as q:
        q.message()
        reply = q.reply('query-status')
        expect(reply.get('error', {}).get('class') == 'CommandNotFound', repr(reply))
        q.command('qmp_capabilities')
        q.command('query-status')


@test
def test_unknown_command():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        error = q.reply('no-such-command')['error']
        expect(error['class'] == 'CommandNotFound' and isinstance(error['desc'], str), repr(error))


@test
def test_what_libxl_sends():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        for command in ('query-status', 'query-chardev', 'query-vnc', 'cont', 'stop', 'cont',
                        'query-version', 'query-cpus-fast', 'query-pci',
                        'query-command-line-options', 'query-block', 'query-blockstats',
                        'query-commands'):
            q.command(command)
        cpus = [c['cpu-index'] for c in q.command('query-cpus-fast')]
        expect(sorted(cpus) == [0, 1], 'cpu-index %r' % cpus)
        for bus in q.command('query-pci'):
            for d in bus['devices']:
                expect(isinstance(d['qdev_id'], str), 'a device without qdev_id')
                expect(all(isinstance(d[k], int) for k in ('bus', 'slot', 'function')), repr(d))
        q.command('xen-set-global-dirty-log', enable=True)
        q.command('xen-set-global-dirty-log', enable=False)
        answer = q.reply('human-monitor-command', **{'command-line': 'info status'})
        expect(isinstance(answer.get('return'), str) or 'error' in answer, repr(answer))
        error = q.reply('device_add', driver='xen-pci-passthrough', id='pci-pt-00_03.0',
                        hostaddr='0000:ff:1f.7')
        expect('error' in error, 'passed through a device that is not there')


@test
def test_slashes_and_unicode_escaped():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        q.send(b'{"execute":"query-\\u0073tatus","id":2020}\r\n')
        expect('return' in q.answer(2020), 'an escaped letter was not understood')
        q.send(b'{"id":2021,"arguments":{"filename":"\\/nowhere\\/at\\/all","live":true},'
               b'"execute":"xen-save-devices-state"}\r\n')
        error = q.answer(2021)['error']
        expect(error['class'] == 'GenericError' and '/nowhere/at/all' in error['desc'], repr(error))


@test
def test_cd_change():
    with Monitored(CD) as s:
        for _ in range(3):
            with Qmp(s.qmp_path) as q, open(s.disk + '-d', 'rb') as f:
                q.command('query-version')
                q.command('eject', id='ide-5632')
                answer = q.command('add-fd', fds=[f.fileno()], opaque='raw:' + s.disk + '-d')
                q.command('blockdev-change-medium', id='ide-5632', format='raw',
                          filename='/dev/fdset/%d' % answer['fdset-id'])
        with Qmp(s.qmp_path) as q:
            q.command('eject', id='ide-5632')
            q.command('eject', id='ide-5632')
            expect('error' in q.reply('eject', id='ide-9999'), 'ejected from no drive')


@test
def test_descriptors_do_not_pile_up():
    with Monitored(CD) as s:
        where = '/proc/%d/fd' % int(s('pid'))
        for n in range(12):
            with Qmp(s.qmp_path) as q, open(s.disk, 'rb') as f:
                q.command('add-fd', fds=[f.fileno()] * 3)
            if n == 1:
                before = len(os.listdir(where))
        time.sleep(0.1)
        after = len(os.listdir(where))
        expect(after <= before, '%d descriptors became %d' % (before, after))


@test
def test_xentop():
    """libxenstat: no id, no newline, and each answer must be one document within 10 ms."""
    with Monitored(CD) as s, connect(s.stat_path) as c:
        answers = []
        receive(c, 0.3)
        for command in (b'{ "execute": "qmp_capabilities" }', b'{ "execute": "query-blockstats" }',
                        b'{ "execute": "query-block" }'):
            c.sendall(command)
            c.settimeout(2)
            answer = c.recv(65536) + receive(c, 0.01)
            answers.append(json.loads(answer)['return'])
        for entry in answers[1]:
            for key in ('rd_bytes', 'wr_bytes', 'rd_operations', 'wr_operations'):
                expect(isinstance(entry['stats'][key], int), repr(entry))
        files = {entry['device']: entry['inserted']['file'] for entry in answers[2]}
        expect(s.disk in files.values(), 'query-block: %r' % files)


@test
def test_one_after_another():
    with Monitored(CD) as s:
        for _ in range(50):
            s.serves()


@test
def test_a_second_client_waits():
    with Monitored(CD) as s, Qmp(s.qmp_path) as first:
        with connect(s.qmp_path) as second:
            first.command('query-status')
            first.socket.close()
            expect(b'QMP' in receive(second), 'not greeted when the first went')


RUBBISH = [b'\0', b'}', b']', b'"', b'nonsense\r\n', b'{"execute":}\r\n', b'{]\r\n',
           b'\xff\xfe\r\n', b'{"execute":"query-status"', b'[' * 5000, b'{"a":' * 5000 + b'\r\n',
           b'[1,2]\r\n', b'5\r\n', b'{"execute":5}\r\n', b'{"execute":"stop","arguments":[]}\r\n',
           b'{"execute":"eject","arguments":{"id":{}}}\r\n', b'{"execute":"\\ud800"}\r\n']


@test
def test_rubbish():
    with Monitored(CD) as s:
        for rubbish in RUBBISH:
            for greeted in (False, True):
                with connect(s.qmp_path) as c:
                    receive(c, 0.02)
                    if greeted:
                        c.sendall(b'{"execute":"qmp_capabilities"}\r\n')
                    try:
                        c.sendall(rubbish)
                    except OSError:
                        pass
                    receive(c, 0.02)
            expect(s.has_ended(1) is None, 'ended by %r' % rubbish[:40])
            s.serves()


@test
def test_huge_line():
    with Monitored(CD) as s:
        for filling in (b'x' * (8 << 20), b'{"execute":"' + b'x' * (8 << 20)):
            with connect(s.qmp_path) as c:
                try:
                    c.sendall(filling)
                    receive(c, 0.05)
                except OSError:
                    pass
            s.serves()
        expect(s('memory')['anon'] < 64 << 10, 'it keeps what it was sent')


@test
def test_disconnect_at_every_byte():
    text = b'{"execute":"qmp_capabilities"}\r\n{"execute":"query-chardev","id":7}\r\n'
    with Monitored(CD) as s:
        for n in range(len(text) + 1):
            with connect(s.qmp_path) as c:
                c.sendall(text[:n])
        s.serves()


@test
def test_a_client_that_does_not_read():
    with Monitored(CD) as s:
        with connect(s.qmp_path) as c:
            c.sendall(b'{"execute":"qmp_capabilities"}\r\n')
            c.setblocking(False)
            try:
                for _ in range(20000):
                    c.sendall(b'{"execute":"query-commands","id":1}\r\n')
            except OSError:
                pass
            expect(s('in', 0x1f7) != 0xff, 'the guest waits for a monitor client')
        s.serves()


@test
def test_byte_by_byte():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        for byte in b'{"execute":"query-status","id":99}\r\n':
            q.send(bytes([byte]))
            time.sleep(0.001)
        q.answer(99)


@test
def test_many_in_one():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        q.send(b''.join(b'{"execute":"query-status","id":%d}\r\n' % n for n in range(100)))
        for n in range(100):
            q.answer(n)


@test
def test_stop_and_cont():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        for _ in range(5):
            q.command('stop')
            expect(q.command('query-status')['status'] == 'paused', 'not paused')
            q.command('cont')
            expect(q.command('query-status')['status'] == 'running', 'not running')
        expect(s('in', 0x1f7) != 0xff, 'it does not serve the guest')


@test
def test_power_commands():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        q.command('system_powerdown')
        q.command('send-key', keys=[{'type': 'qcode', 'data': 'ret'}])
        unknown = q.reply('send-key', keys=[{'type': 'qcode', 'data': 'no such key'}])
        expect('error' in unknown, 'took a key that there is not')
        expect('error' in q.reply('system_wakeup'), 'woke what was not asleep')
        q.command('system_reset')
        s('idle', 0.1)
        expect(s('domain')['shutdown'] == 1, 'system_reset: reason %d' % s('domain')['shutdown'])
        expect(s.has_ended(1) is None, 'it ended')


@test
def test_screendump():
    with Monitored(CD) as s, Qmp(s.qmp_path) as q:
        path = os.path.join(s.directory, 'screen')
        q.command('screendump', filename=path)
        with open(path, 'rb') as f:
            head = f.read(8)
        expect(head.startswith(b'P6') or head == b'\x89PNG\r\n\x1a\n', 'no picture: %r' % head)
        expect('error' in q.reply('screendump', filename='/nowhere/at/all'), 'wrote to nowhere')


@test
def test_disks_are_not_plugged():
    """Neither IDE nor AHCI takes disks at run time; the guest's own stay."""
    for hdtype in ('ide', 'ahci'):
        with Monitored(base(hdtype=hdtype)) as s, Qmp(s.qmp_path) as q:
            before = q.command('query-block')
            for driver, bus in (('ide-hd', 'ahci0.2'), ('ide-cd', 'ahci0.3'), ('ide-hd', 'ide.0')):
                error = q.reply('device_add', driver=driver, bus=bus, id='new')['error']
                expect(error['class'] == 'GenericError', repr(error))
                expect('plug' in error['desc'] or 'not found' in error['desc'], repr(error))
            expect('error' in q.reply('device_del', id='new'), 'removed what was never there')
            expect(q.command('query-block') == before, 'the disks are others now')


@test
def test_quit():
    with Monitored(CD) as s:
        with Qmp(s.qmp_path) as q:
            expect(q.command('quit') == {}, 'quit does not answer {}')
        how = s.has_ended()
        expect(how == 'exit 0', 'quit led to %s' % how)


if __name__ == '__main__':
    main(__doc__, QEMU_DIFFERS)
