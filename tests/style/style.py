#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader would otherwise have to check: licences, lengths, who includes whom.

tests/style/style.py [--no-compile]   from anywhere in the tree; prints what is wrong and where.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINE, FILE, FUNCTION = 100, 1000, 60
C = ('.c', '.h')
TEXT = C + ('.py', '.sh', '.txt', '.md', '.cmake', '.S', '.asm')
NO_LICENCE = ('LICENSE', '.gitignore')
NO_LICENCE_IN = ('tests/fuzz/corpus/', 'tests/golden/')

FREESTANDING = {'stdarg.h', 'stdbool.h', 'stddef.h', 'stdint.h', 'string.h', 'limits.h', 'errno.h',
                'inttypes.h', 'stdio.h', 'stdlib.h', 'sys/uio.h'}
# Folder, longest first: which system headers (a set, or a pattern of those it may not have), and
# which of our folders it may include. A folder may always include itself.
RULES = [
    ('dm/core', FREESTANDING, set()),
    ('dm/host', re.compile(r'^xen|^event'), {'dm/core'}),
    ('devices/pv', FREESTANDING | {'xen/io/'}, {'dm/core'}),
    ('devices', FREESTANDING | {'linux/input-event-codes.h'}, {'dm/core'}),
    ('bios', FREESTANDING, {'dm/core'}),
    ('ioreq', re.compile(r'^event|pthread'), {'dm/core'}),
]
OURS = ('dm/core', 'dm/host', 'dm/qmp', 'devices', 'bios', 'ioreq', 'dm')
ROOTS = ('', 'dm', 'devices', 'ioreq', 'dm/host', 'dm/qmp', 'bios')
FORBIDDEN = [
    (re.compile(r'/work/'), 'a path of somebody\'s machine'),
    (re.compile(r'\bissue[ -]?#?\d'), 'a number that readers can\'t look up'),
    (re.compile(r'\b(pypi|npmjs|crates)\.(org|io|com)\b'), 'a package registry'),
    (re.compile(r'\b(TODO|FIXME|XXX)\b'), 'an unfinished thought'),
]

wrong = []


def complain(path, line, what):
    wrong.append('%s:%d: %s' % (path, line, what))


def tracked():
    try:
        out = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others',
                              '--exclude-standard'], cwd=TOP, capture_output=True, check=True)
        names = out.stdout.decode().split('\0')
    except (OSError, subprocess.CalledProcessError):
        names = [os.path.relpath(os.path.join(d, f), TOP) for d, dirs, files in os.walk(TOP)
                 for f in files if not os.path.relpath(d, TOP).startswith(('build', '.git', 'out'))]
    return sorted(n for n in names if n and os.path.isfile(os.path.join(TOP, n)))


def is_text(path, data):
    return path.endswith(TEXT) or data.startswith(b'#!')


def check_licence(path, lines):
    if path in NO_LICENCE or path.startswith(NO_LICENCE_IN) or path.endswith('.md'):
        return
    want = 'SPDX-License-Identifier: GPL-2.0-or-later'
    head = lines[1:2] if lines[:1] and lines[0].startswith('#!') else lines[:1]
    if path.endswith(C) and head != ['/* %s */' % want]:
        complain(path, 1, 'must begin with the SPDX line')
    elif not head or want not in head[0]:
        complain(path, 1, 'must begin with the SPDX line')


def check_lines(path, lines):
    for n, line in enumerate(lines, 1):
        text = path.startswith('tests/') and '"' in line
        if len(line) > LINE and path.endswith(C) and not text:
            complain(path, n, '%d columns, %d are allowed' % (len(line), LINE))
        if line != line.rstrip() or '\t' in line and path.endswith(C):
            complain(path, n, 'blanks at the end, or a tab')
        for pattern, what in FORBIDDEN:
            if pattern.search(line) and not path.startswith('tests/style/'):
                complain(path, n, '%s: %s' % (pattern.search(line).group(), what))
    if path.endswith(C) and len(lines) > FILE:
        complain(path, 1, '%d lines, %d are allowed' % (len(lines), FILE))


def check_functions(path, lines):
    start = None
    for n, line in enumerate(lines, 1):
        if line.endswith('{') and line[:1] not in (' ', '#', '}', '/') and '=' not in line:
            start = n
        elif line == '{' or (line.endswith(') {') and line.startswith(' ') and start is None):
            start = n
        elif line[:1] == '}' and start:
            if line == '}' and n - start + 1 > FUNCTION:
                complain(path, start, 'a function of %d lines, %d are allowed' %
                         (n - start + 1, FUNCTION))
            start = None


def folder_of(path):
    return next((f for f in OURS if path.startswith(f + '/')), os.path.dirname(path))


def resolve(path, name):
    here = os.path.join(os.path.dirname(path), name)
    for candidate in [here] + [os.path.join(r, name) for r in ROOTS]:
        if os.path.isfile(os.path.join(TOP, candidate)):
            return os.path.normpath(candidate)
    return None


def check_includes(path, lines):
    rule = next((r for r in RULES if path.startswith(r[0] + '/')), None)
    if not rule:
        return
    _, system, may = rule
    own = folder_of(path)
    for n, line in enumerate(lines, 1):
        m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not m:
            continue
        kind, name = m.groups()
        if kind == '<':
            bad = (system.search(name) if hasattr(system, 'search') else
                   not any(name == s or s.endswith('/') and name.startswith(s) for s in system))
            if bad:
                complain(path, n, '%s may not include <%s>' % (rule[0], name))
            continue
        target = resolve(path, name)
        if target is None:
            complain(path, n, '"%s" is in no folder' % name)
        elif folder_of(target) != own and folder_of(target) not in may:
            complain(path, n, '%s may not include %s' % (own, target))
        elif own == 'devices' and os.path.dirname(target) != os.path.dirname(path) and \
                folder_of(target) == own:
            complain(path, n, 'a chip may not include another folder\'s %s' % target)


def check_headers(paths):
    """Every header says all that it needs."""
    try:
        flags = subprocess.run(['pkg-config', '--cflags', 'xendevicemodel', 'json-c', 'liburing'],
                               capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        flags = []
    include = [f for r in ROOTS + ('tests',) for f in ('-I', os.path.join(TOP, r))]
    for path in paths:
        run = subprocess.run(['cc', '-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Werror',
                              '-fsyntax-only', '-x', 'c'] + include + flags + ['-'],
                             input='#include "%s"\n#include "%s"\n' % (path, path),
                             cwd=TOP, capture_output=True, text=True)
        if run.returncode:
            complain(path, 1, 'does not compile alone: ' + run.stderr.strip().split('\n')[0])


def main():
    files = tracked()
    for path in files:
        with open(os.path.join(TOP, path), 'rb') as f:
            data = f.read()
        if not is_text(path, data) or path.startswith(NO_LICENCE_IN):
            continue
        lines = data.decode('utf-8', 'replace').split('\n')
        if lines[-1]:
            complain(path, len(lines), 'no newline at the end')
        lines = lines[:-1]
        check_licence(path, lines)
        check_lines(path, lines)
        if path.endswith(C):
            check_functions(path, lines)
            check_includes(path, lines)
    if '--no-compile' not in sys.argv:
        check_headers([p for p in files if p.endswith('.h') and
                       p.startswith(('dm/', 'devices/', 'ioreq/', 'bios/', 'tests/fixture'))])
    print('\n'.join(wrong + ['%d files, %d wrong' % (len(files), len(wrong))]))
    sys.exit(1 if wrong else 0)


main()
