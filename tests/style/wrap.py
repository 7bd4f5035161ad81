#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Wraps comment lines that are too long, with what follows them in the same paragraph.

tests/style/wrap.py FILE...
"""
import re
import sys

COLUMNS = 100


def paragraph(lines, at, prefix):
    """The words from line `at` on, whether the comment ends with them, and the line after them."""
    words, end = [], False
    follows = re.compile('^' + re.escape(prefix.rstrip()) + r' (?! )(\S.*)$')
    text = re.sub(r'^\s*(/\*|\*) ', '', lines[at])
    while True:
        at += 1
        end = text.rstrip().endswith('*/')
        words += (text.rstrip()[:-2] if end else text).split()
        m = None if end or at == len(lines) else follows.match(lines[at])
        if not m or m.group(1).startswith('/'):
            return words, end, at
        text = m.group(1)


def fill(words, first, rest):
    out, line, prefix = [], '', first
    for word in words:
        if line and len(prefix) + len(line) + 1 + len(word) > COLUMNS:
            out.append(prefix + line)
            line, prefix = '', rest
        line += (' ' if line else '') + word
    return out + [prefix + line]


def wrap(lines):
    out, at = [], 0
    while at < len(lines):
        m = re.match(r'^(\s*)(/\*|\*) (?! )\S', lines[at])
        if len(lines[at]) <= COLUMNS or not m:
            out.append(lines[at])
            at += 1
            continue
        first = m.group(1) + m.group(2) + ' '
        rest = m.group(1) + (' * ' if m.group(2) == '/*' else '* ')
        words, end, at = paragraph(lines, at, rest)
        if end:
            words[-1] += ' */'
        out += fill(words, first, rest)
    return out


for path in sys.argv[1:]:
    with open(path, encoding='utf-8') as f:
        before = f.read()
    after = '\n'.join(wrap(before.split('\n')))
    if after != before:
        with open(path, 'w', encoding='utf-8') as f:
            f.write(after)
        print(path)
