#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns a script of tests/regress into an input of fuzz_chip, so that the fuzzer starts from a card at work.

    tests/fuzz/seed.py SCRIPT >INPUT

Ports and memory are those that `bars` gives; MEM says which claimed memory range is where (the fuzzer's
input names a range by its number). What an input can't say (wide data, odd places) is left out.
"""
import pathlib
import re
import struct
import sys

# the kinds of fixture_play.h, in its order
KINDS = ('in out ins outs read write reads writes cfgread cfgwrite ram sleep io fail poke reset reload damage '
         'bars').split()
SIZES = {8: 0, 16: 1, 32: 2, 64: 3}
# of each specimen: its memory BARs as they are claimed, (base, size)
MEMORY = {'e1000': [(0xe0000000, 0x20000)], 'rtl8139': [(0xe0000000, 0x100)],
          'virtio_net': [(0xe0000000, 0x1000), (0xe0004000, 0x4000)]}
PORTS = {'i8042': [0x60, 0x64]}  # those that the specimen names, in order; else
BARS = range(0xc000, 0xc100)
RAM_DATA = 32


def access(kind, bits, rest, ports, memory):
    size = SIZES[bits]
    head = bytes([KINDS.index(kind) | size << 5])
    addr = int(rest[0], 0)
    if kind in ('in', 'out'):
        where = bytes([ports.index(addr)]) if addr in ports else None
    else:
        where = next((bytes([i]) + struct.pack('<I', addr - base)[:3]
                      for i, (base, length) in enumerate(memory) if base <= addr < base + length), None)
    if where is None:
        return b''
    value = struct.pack('<Q', int(rest[1], 0))[:bits // 8] if kind in ('out', 'write') else b''
    return head + where + value


def ram(addr, data):
    out = b''
    while data and addr % 16 == 0:
        piece = data[:RAM_DATA]
        out += bytes([KINDS.index('ram')]) + struct.pack('<H', addr >> 4) + bytes([len(piece) - 1]) + piece
        addr, data = addr + RAM_DATA, data[RAM_DATA:]
    return out


def line(text, ports, memory):
    word, *rest = text.split()
    found = re.fullmatch(r'(in|out|read|write)(8|16|32|64)', word)
    if found:
        return access(found.group(1), int(found.group(2)), rest, ports, memory)
    if word == 'ram':
        return ram(int(rest[0], 0), bytes.fromhex(rest[1]))
    if word == 'sleep':
        return bytes([KINDS.index('sleep'), min(33, max(0, int(rest[0], 0).bit_length() - 1))])
    if word == 'poke':
        return bytes([KINDS.index('poke'), int(rest[0], 0)])
    return bytes([KINDS.index(word)]) if word in ('io', 'reset', 'reload') else b''


def main():
    lines = [text.split('#')[0].split(' = ')[0].strip()
             for text in pathlib.Path(sys.argv[1]).read_text().splitlines()]
    specimen = next(text.split()[1] for text in lines if text.startswith('specimen '))
    out = b''.join(line(text, PORTS.get(specimen, BARS), MEMORY.get(specimen, [])) for text in lines
                   if text and not text.startswith('specimen ') and text != 'bars')
    sys.stdout.buffer.write(out)


main()
