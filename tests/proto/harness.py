# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of a device model under the native rig: how one is started, run and reported.

A program imports this, registers functions with @test and ends with main().
"""
import argparse
import os
import shutil
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'bench'))
import rig
import libxl_argv
from qmp_client import QmpError

TESTS = []
DISK_BYTES = 1 << 20


BASE = {'vnc': None, 'vga': 'stdvga', 'boot': 'cd', 'disks': [{'vdev': 'hda', 'target': 'DISK'}]}


def base(**more):
    """The plain guest, but for what is said."""
    return dict(BASE, **more)


class Failure(Exception):
    pass


def expect(truth, what):
    if not truth:
        raise Failure(what)


def test(function):
    TESTS.append((function.__name__.removeprefix('test_'), function))
    return function


class Started:
    """A device model started from a configuration, in a directory of its own."""
    dm = None

    def __init__(self, config, **kwargs):
        self.directory = tempfile.mkdtemp(prefix='hvm-dm-start.')
        self.disk = os.path.join(self.directory, 'disk.img')
        for suffix in ('', '-b', '-c', '-d'):
            with open(self.disk + suffix, 'wb') as f:
                f.truncate(DISK_BYTES)
        self.make_disk()
        self.config = {k: self.fill(v) for k, v in config.items()}
        argv = kwargs.pop('argv', None)
        self.argv = self.fill(argv) if argv else libxl_argv.argv(self.config, self.directory)
        self.qmp_path = os.path.join(self.directory, 'qmp-libxl-1')
        self.stat_path = os.path.join(self.directory, 'qmp-libxenstat-1')
        sockets = [] if 'qmp_fd' in self.config or 'argv' in kwargs else [self.qmp_path]
        self.guest = rig.Guest([Started.dm] + self.argv, self.directory,
                               vcpus=config.get('maxvcpus', config.get('vcpus', 1)),
                               video=kwargs.pop('video', max(16, config.get('videoram', 16))),
                               sockets=sockets + [self.stat_path], **kwargs)

    def make_disk(self):
        """Puts on self.disk what a suite wants there, before the device model opens it."""

    def fill(self, value):
        """DIR, DISK, DISK-b to DISK-d in configured strings become this run's."""
        if isinstance(value, str):
            return value.replace('DISK', self.disk).replace('DIR', self.directory)
        if isinstance(value, list):
            return [self.fill(v) for v in value]
        if isinstance(value, dict):
            return {k: self.fill(v) for k, v in value.items()}
        return value

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback_):
        if error is not None and self.last_words():
            error.args = ('%s; its log: %s' % (error, self.last_words()),)
        self.guest.end()
        log = self.log()
        shutil.rmtree(self.directory, ignore_errors=True)
        if 'Sanitizer' in log or 'runtime error:' in log:
            raise Failure('a sanitizer speaks: ' + log[-4000:])

    def __call__(self, *words):
        return self.guest(*words)

    def log(self):
        return self.guest.log()

    def last_words(self):
        return self.log().strip()[-300:]

    def has_ended(self, ms=2000):
        good, how = self.guest.try_('wait', ms)
        return how if good else None


def run(name, function, differs):
    try:
        function()
        outcome = None
    except (Failure, rig.RigError, QmpError, OSError) as e:
        outcome = str(e) or repr(e)
    except Exception:
        outcome = traceback.format_exc()
    if outcome is None:
        print('ok    %s' % name, flush=True)
    elif name in differs:
        print('known %s: %s [%s]' % (name, differs[name], outcome.split('\n')[0][:120]), flush=True)
    else:
        print('FAIL  %s: %s' % (name, outcome), flush=True)
    return outcome is None or name in differs


def main(doc, qemu_differs, missing={}):
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--dm', default='hvm-dm')
    p.add_argument('--list', action='store_true')
    p.add_argument('names', nargs='*')
    a = p.parse_args()
    own = [t for t in TESTS if t[1].__module__ == '__main__']   # not those of an imported suite
    chosen = [t for t in own if not a.names or any(n in t[0] for n in a.names)]
    if a.list:
        print('\n'.join(name for name, _ in chosen))
        return
    Started.dm = {'qemu': rig.QEMU, 'hvm-dm': rig.hvm_dm()}.get(a.dm, a.dm)
    if not os.path.exists(Started.dm):
        sys.exit('no device model at %s' % Started.dm)
    differs = qemu_differs if Started.dm == rig.QEMU else missing
    failed = [name for name, function in chosen if not run(name, function, differs)]
    print('%d tests, %d failed' % (len(chosen), len(failed)))
    sys.exit(1 if failed else 0)
