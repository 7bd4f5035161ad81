# SPDX-License-Identifier: GPL-2.0-or-later
"""PPM (binary, 8 bits a colour) to PNG: screendumps come in what every device model can write."""

import re
import struct
import zlib

from .common import Trouble


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def read_ppm(path):
    """Returns (width, height, RGB bytes)."""
    data = path.read_bytes()
    head = re.match(rb"P6\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)\s+255\s", data)
    if not head:
        raise Trouble(f"{path}: not a binary PPM with 255 levels")
    width, height = int(head.group(1)), int(head.group(2))
    pixels = data[head.end():]
    if len(pixels) != width * height * 3:
        raise Trouble(f"{path}: {len(pixels)} bytes of pixels, not {width}x{height}x3")
    return width, height, pixels


def png_from_ppm(path):
    """Writes NAME.png beside NAME.ppm and returns its path."""
    width, height, pixels = read_ppm(path)
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = path.with_suffix(".png")
    png.write_bytes(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header)
                    + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b""))
    return png
