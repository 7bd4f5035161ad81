#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""vhd_child.py PARENT CHILD: an empty differencing VHD, which no tool of Debian's makes. The parent
is named by a W2ru locator, relative to the child."""
import os
import struct
import sys


def summed(data, at):
    data[at:at + 4] = bytes(4)
    struct.pack_into('>I', data, at, ~sum(data) & 0xffffffff)
    return bytes(data)


parent, child = sys.argv[1:]
with open(parent, 'rb') as f:
    f.seek(-512, 2)
    footer = bytearray(f.read(512))
size, = struct.unpack_from('>Q', footer, 48)
block = 1 << 20
entries = (size + block - 1) // block
table = 512 + 1024
locator = (table + entries * 4 + 511) & ~511
name = ('.\\' + os.path.relpath(parent, os.path.dirname(child) or '.')).encode('utf-16-le')

header = bytearray(1024)
struct.pack_into('>8sQQIII', header, 0, b'cxsparse', (1 << 64) - 1, table, 0x10000, entries, block)
header[40:56] = footer[68:84]
struct.pack_into('>4sIIIQ', header, 576, b'W2ru', 512, len(name), 0, locator)
struct.pack_into('>Q', footer, 16, 512)
struct.pack_into('>I', footer, 60, 4)
footer[68:84] = bytes(reversed(footer[68:84]))
footer = summed(footer, 64)
with open(child, 'wb') as f:
    f.write(footer + summed(header, 36) + b'\xff' * (entries * 4))
    f.seek(locator)
    f.write(name.ljust(512, b'\0') + footer)
