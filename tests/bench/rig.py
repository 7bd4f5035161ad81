# SPDX-License-Identifier: GPL-2.0-or-later
"""A device model under the native rig, driven from Python: see guest/guest.c for the commands."""
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
QEMU = '/usr/libexec/xen-qemu-system-i386'


class RigError(Exception):
    pass


def build_dir():
    """Where guest and fakexen.so were built: HVMDM_BUILD, ROOT/build, or any ROOT/build*."""
    candidates = [os.environ.get('HVMDM_BUILD', ''), os.path.join(ROOT, 'build')]
    for top in candidates + sorted(glob.glob(os.path.join(ROOT, 'build*'))):
        for sub in ('tests/bench', ''):
            path = os.path.join(top, sub)
            if top and os.path.exists(os.path.join(path, 'guest')):
                return os.path.abspath(path)
    raise RigError('no guest program under %s/build; build first, or set HVMDM_BUILD' % ROOT)


def hvm_dm():
    built = os.path.join(os.path.dirname(os.path.dirname(build_dir())), 'hvm-dm')
    return os.environ.get('HVM_DM', built)


class Guest:
    """One device model and the guest around it.  Answers come as JSON values or strings."""

    def __init__(self, argv, directory=None, prefix=(), vcpus=1, memory=56, video=16, domid=1,
                 pass_fds=(), env=None, sockets=(), firmware='seabios'):
        self.own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix='hvm-dm-rig.')
        self.log_path = os.path.join(self.directory, 'dm.log')
        command = [os.path.join(build_dir(), 'guest'), '--dir', self.directory,
                   '--log', self.log_path, '--vcpus', str(vcpus), '--memory', str(memory),
                   '--video', str(video), '--domid', str(domid), '--firmware', firmware]
        for path in sockets:                # that must take connections when "running" is written
            command += ['--socket', path]
        command += ['--'] + list(prefix) + list(argv)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, pass_fds=pass_fds,
                                        env=dict(os.environ, **(env or {})))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.end()

    def log(self):
        try:
            with open(self.log_path, errors='replace') as f:
                return f.read()
        except OSError:
            return ''

    def try_(self, *words):
        """(True, answer) or (False, error)."""
        try:
            self.process.stdin.write(' '.join(str(w) for w in words) + '\n')
            self.process.stdin.flush()
            line = self.process.stdout.readline().rstrip('\n')
        except BrokenPipeError:
            line = ''
        if not line.startswith('ok'):
            return False, line or 'the guest program ended'
        text = line[3:]
        if text[:1] in '{[':
            return True, json.loads(text) if text else None
        return True, int(text, 16) if re.fullmatch('0x[0-9a-f]+', text) else text

    def __call__(self, *words):
        good, answer = self.try_(*words)
        if not good:
            raise RigError('%s: %s\n%s' % (' '.join(str(w) for w in words), answer, self.log()))
        return answer

    def end(self):
        """Ends the device model if it still runs; how it ended, e.g. "exit 0"."""
        how = None
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
            rest = self.process.stdout.read().split('\n')
            self.process.wait(30)
            how = [line[6:] for line in rest if line.startswith('ended ')]
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)
        return how[0] if how else None


class Viewer:
    """rfb/rfbview: a viewer that does what it is told."""

    def __init__(self, place, encodings=None, options=()):
        self.process = subprocess.Popen(
            [os.path.join(build_dir(), 'rfbview'), *options,
             *(['--encodings', encodings + ',copyrect'] if encodings else []), place],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.answer()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.stdin.close()
        self.process.wait(10)

    def say(self, *words):
        self.process.stdin.write(' '.join(str(w) for w in words) + '\n')

    def answer(self):
        line = self.process.stdout.readline().rstrip('\n')
        if not line.startswith('ok'):
            raise RigError('viewer: ' + (line or 'it ended'))
        return json.loads(line[3:]) if line[3:4] == '{' else line[3:]

    def __call__(self, *words):
        self.say(*words)
        return self.answer()


def self_costs(path):
    """{(object, function): [cost of each event]} of a callgrind file, without what callees cost."""
    names, costs, here, skip, events = {}, {}, {}, False, 0

    def name(kind, text):
        m = re.match(r'\((\d+)\)(?: (.*))?$', text)
        if not m:
            return text
        kind = {'cfn': 'fn', 'cob': 'ob', 'cfi': 'fl', 'cfl': 'fl', 'fi': 'fl',
                'fe': 'fl'}.get(kind, kind)
        if m.group(2):
            names[kind, m.group(1)] = m.group(2)
        return names.get((kind, m.group(1)), '?')

    with open(path) as f:
        for line in f:
            m = re.match(r'(ob|fn|fl|fi|fe|cob|cfn|cfi|cfl)=(.*)', line)
            if line.startswith('events:'):
                events = len(line.split()) - 1
            elif m:
                here[m.group(1)] = name(m.group(1), m.group(2))
            elif line.startswith('calls='):
                skip = True
            elif re.match(r'[0-9+*-]', line):
                if not skip:
                    at = costs.setdefault((here.get('ob', '?'), here.get('fn', '?')), [0] * events)
                    for i, n in enumerate(line.split()[1:]):
                        at[i] += int(n)
                skip = False
    return costs


# What a real kernel answers in the vdso, which valgrind hides from the program.
VDSO = ('clock_gettime', 'gettimeofday', 'time@', 'getcpu')

# What stands where the kernel would be is not counted as instructions of the device model.
KERNEL = '/fakexen.so'


class Callgrind:
    """Instructions and system calls between marks, from one run under callgrind."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix='hvm-dm-callgrind.')
        self.out = os.path.join(self.directory, 'cg')
        self.prefix = ['valgrind', '--tool=callgrind', '--collect-systime=yes',
                       '--callgrind-out-file=' + self.out]

    def marks(self):
        """{mark name: (instructions, system calls) since the mark before}"""
        found = {}
        for path in glob.glob(self.out + '.*'):
            with open(path) as f:
                name = re.search(r'^desc: Trigger: Client Request: (\S+)', f.read(65536), re.M)
            if name:
                costs = self_costs(path)
                found[name.group(1)] = (sum(c[0] for (ob, _), c in costs.items()
                                            if not ob.endswith(KERNEL)),
                                        sum(c[1] for (_, fn), c in costs.items()
                                            if not fn.lstrip('_').startswith(VDSO)))
        return found

    def file_of(self, mark):
        pattern = r'^desc: Trigger: Client Request: %s$' % re.escape(mark)
        for path in glob.glob(self.out + '.*'):
            with open(path) as f:
                if re.search(pattern, f.read(), re.M):
                    return path
        return None

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


sys.path.insert(0, os.path.join(os.path.dirname(HERE), 'proto'))
