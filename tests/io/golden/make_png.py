"""Writes the images that the tests of PNG read, from the specification
(https://www.w3.org/TR/png-3/) with zlib alone: python3 make_png.py.

Sample i of an image, counted through rows, columns and channels, is
(37 i + 11) mod 2^depth; row y is stored with filter y mod 5."""

import os
import struct
import zlib

here = os.path.dirname(os.path.abspath(__file__))
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
         (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # x, y, dx, dy


def chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(
        ">I", zlib.crc32(body))


def packed(samples, depth):
    """Samples of a row as bytes, the first in the highest bits."""
    if depth == 16:
        return b"".join(struct.pack(">H", s) for s in samples)
    bits = "".join(format(s, "0%db" % depth) for s in samples)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(rows, step):
    out = b""
    above = None
    for y, row in enumerate(rows):
        above = above or bytes(len(row))
        kind = y % 5
        line = bytearray([kind])
        for x, value in enumerate(row):
            a = row[x - step] if x >= step else 0
            b = above[x]
            c = above[x - step] if x >= step else 0
            guess = (0, a, b, (a + b) // 2, paeth(a, b, c))[kind]
            line.append((value - guess) % 256)
        out += bytes(line)
        above = row
    return out


def write(name, width, height, colour, depth, extra=b"", interlaced=False):
    channels = CHANNELS[colour]

    def pixel(x, y):
        first = (y * width + x) * channels
        return [(37 * i + 11) % 2**depth
                for i in range(first, first + channels)]

    step = max(1, channels * depth // 8)
    data = b""
    for x0, y0, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        rows = [packed([s for x in range(x0, width, dx) for s in pixel(x, y)],
                       depth) for y in range(y0, height, dy)]
        if rows and rows[0]:
            data += filtered(rows, step)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0,
                         int(interlaced))
    with open(os.path.join(here, name + ".png"), "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra +
                chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


PALETTE = chunk(b"PLTE", bytes(
    v for i in range(16) for v in (16 * i, 255 - i, i)))

write("grey", 5, 7, 0, 8)
write("grey1", 11, 3, 0, 1)
write("grey16", 5, 6, 0, 16)
write("grey_alpha", 4, 6, 4, 8)
write("rgb", 5, 7, 2, 8)
write("rgb_interlaced", 9, 7, 2, 8, interlaced=True)
write("rgba", 3, 6, 6, 8)
write("palette", 7, 5, 3, 4, extra=PALETTE)
# Entry 3 of the palette is half transparent.
write("palette_alpha", 7, 5, 3, 4,
      extra=PALETTE + chunk(b"tRNS", bytes([255, 255, 255, 128])))
# 10 MB of zeros that declare themselves, in 10 kB.
with open(os.path.join(here, "bomb.png"), "wb") as f:
    f.write(b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", 3200, 3200, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(bytes(3201 * 3200), 9)) +
            chunk(b"IEND", b""))
