# SPDX-License-Identifier: GPL-2.0-or-later
"""PPM (binary, 8 bits a colour) to PNG: screendumps arrive in the format that every device model can write."""

import struct
import zlib

from .common import Trouble


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_ppm(path):
    """Returns (width, height, RGB bytes)."""
    fields, data = [], path.read_bytes()
    rest = data
    while len(fields) < 4 and rest:
        word, _, rest = rest.partition(b"\n" if rest.startswith(b"#") else b" " if len(fields) == 1 else b"\n")
        if not word.startswith(b"#"):
            fields += word.split()
    if len(fields) != 4 or fields[0] != b"P6" or fields[3] != b"255":
        raise Trouble(f"{path}: not a binary PPM with 255 levels")
    width, height = int(fields[1]), int(fields[2])
    if len(rest) != width * height * 3:
        raise Trouble(f"{path}: {len(rest)} bytes of pixels, {width}x{height} need {width * height * 3}")
    return width, height, rest


def png_from_ppm(path):
    """Writes NAME.png beside NAME.ppm and returns its path."""
    width, height, pixels = read_ppm(path)
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = path.with_suffix(".png")
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b""))
    return png
