"""Writes the files that the tests of NPY, NPZ and safetensors read, with the
reference implementations: python3 make.py (needs numpy and safetensors).

Every array holds value(i) = (7 i mod 23) - 5 at its i-th element in C order,
unsigned bytes the same modulo 256, booleans whether it is positive."""

import os

import numpy as np
from safetensors.numpy import save_file

here = os.path.dirname(os.path.abspath(__file__))


def array(shape, dtype):
    size = int(np.prod(shape, dtype=np.int64))
    values = np.array([7 * i % 23 - 5 for i in range(size)], np.int64)
    if np.dtype(dtype) == np.bool_:
        values = values > 0
    return values.reshape(shape).astype(dtype)


def npy(name, value, version=None):
    with open(os.path.join(here, name + ".npy"), "wb") as f:
        np.lib.format.write_array(f, value, version=version)


npy("f4", array((2, 3, 5), "<f4"))
npy("f8_scalar", array((), "<f8"))
npy("i8_vector", array((7,), "<i8"))
npy("u1_rank5", array((1, 2, 3, 2, 2), "|u1"))
npy("f4_empty", array((0, 4), "<f4"))
npy("f8_fortran", np.asfortranarray(array((2, 3, 4), "<f8")))
npy("i8_fortran_empty", np.asfortranarray(array((3, 0), "<i8")))
npy("f4_big_endian", array((3, 4), ">f4"))
npy("f8_big_endian_fortran", np.asfortranarray(array((3, 4), ">f8")))
npy("i8_big_endian", array((5,), ">i8"))
npy("i4", array((3, 4), "<i4"))
npy("b1", array((3, 4), "?"))
npy("f4_version2", array((2, 3), "<f4"), version=(2, 0))
npy("f4_version3", array((2, 3), "<f4"), version=(3, 0))
npy("f2", array((2, 2), "<f2"))
npy("c8", array((2, 2), "<c8"))
npy("structured", np.zeros(2, dtype=[("x", "<f4"), ("y", "<i4")]))
with open(os.path.join(here, "object.npy"), "wb") as f:
    np.save(f, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)

arrays = {
    "layer1.0/weight": array((4, 3), "<f4"),
    "Grüße": np.asfortranarray(array((2, 3), "<f8")),
    "count": array((), "<i8"),
    "empty": array((0, 4), "|u1"),
}
np.savez(os.path.join(here, "stored.npz"), **arrays)
np.savez_compressed(os.path.join(here, "deflated.npz"),
                    zeros=np.zeros((20, 1000), "<f4"), **arrays)
np.savez(os.path.join(here, "none.npz"))
np.savez(os.path.join(here, "object.npz"), fine=array((3,), "<f4"),
         bad=np.array([None], dtype=object))

save_file(
    {
        "layer1.0.conv1.weight": array((4, 3, 2, 2), "<f4"),
        "bias": array((3,), "<f4"),
        "count": array((), "<i8"),
        "exact": array((2, 3), "<f8"),
        "bytes": array((5,), "|u1"),
        "empty": array((0, 4), "<f4"),
        'quote " and Grüße\n': array((1,), "<f4"),
    },
    os.path.join(here, "ours.safetensors"),
    metadata={"format": "mjölnir"},
)
save_file({}, os.path.join(here, "empty.safetensors"))
save_file(
    {
        "int": array((2, 3), "<i4"),
        "flag": array((2, 3), "?"),
        "byte": array((3,), "|u1"),
    },
    os.path.join(here, "others.safetensors"),
)
save_file({"half": array((2, 2), "<f2")},
          os.path.join(here, "half.safetensors"))
