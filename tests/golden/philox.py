"""Writes tests/golden/philox.json: the numbers of mjolnir::Generator, from the
paper's definition of Philox4x32-10 (Salmon et al., "Parallel random numbers:
as easy as 1, 2, 3", SC11, section 3.3) and its words' layout in core/random.h.
Run: python3 tests/golden/philox.py
"""
import json
import math
import os

MASK = 0xFFFFFFFF


def philox4x32(counter, key):
    x, k = list(counter), list(key)
    for round in range(10):
        if round > 0:  # the key schedule: a Weyl sequence
            k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(b >> 32) ^ x[1] ^ k[0], b & MASK,
             (a >> 32) ^ x[3] ^ k[1], a & MASK]
    return x


# Known answers of Random123 (kat_vectors).
assert philox4x32([0] * 4, [0] * 2) == [
    0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox4x32([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
                  [0xA4093822, 0x299F31D0]) == [
    0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def halves(word):
    return [word & MASK, word >> 32]


def words(seed, stream, counter=0):
    """64-bit words; the counter's 128 bits are (stream, counter)."""
    while True:
        y = philox4x32(halves(counter) + halves(stream), halves(seed))
        yield y[0] | y[1] << 32
        yield y[2] | y[3] << 32
        counter = (counter + 1) % 2**64


def uniforms(source):
    for word in source:
        yield (word >> 11) / 2**53


def below(source, bound):
    """Of the 2^64 words those are left out that would make a result likelier:
    the lowest 2^64 mod bound."""
    while True:
        word = next(source)
        if word >= 2**64 % bound:
            return word % bound


def permutation(source, n):
    """Fisher and Yates, from the last place to the second."""
    order = list(range(n))
    for last in range(n - 1, 0, -1):
        other = below(source, last + 1)
        order[last], order[other] = order[other], order[last]
    return order


def normals(source):
    u = uniforms(source)
    while True:
        radius = math.sqrt(-2 * math.log(1 - next(u)))
        angle = 2 * math.pi * next(u)
        yield radius * math.cos(angle)
        yield radius * math.sin(angle)


def first(source, n=1000):
    return [next(source) for _ in range(n)]


bounds = [2, 3, 6, 10, 1000, 2**32 + 1, 2**63 + 1]
source = words(5, 9)
golden = {
    "raw": first(words(42, 0)),
    # across a carry into the counter's upper half, with large words elsewhere
    "carry": first(words(2**64 - 3, 2**63 + 7, 2**32 - 4), 16),
    "uniform": first(uniforms(words(7, 3))),
    "bounds": bounds,
    "below": [below(source, bounds[i % len(bounds)]) for i in range(1000)],
    "permutation": permutation(words(11, 0), 1000),
    "normal": first(normals(words(13, 1))),
}
path = os.path.join(os.path.dirname(__file__), "philox.json")
with open(path, "w") as f:
    json.dump(golden, f, separators=(",", ":"))
    f.write("\n")
