"""Writes what Pillow makes of the picture of the test, as NPY files:
python3 make_picture.py (needs numpy and pillow).

Its pixel at row y, column x, channel c is (13 y + 29 x + 53 c + x y) mod 256."""

import os

import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
y, x, c = np.mgrid[0:17, 0:26, 0:3]
picture = ((13 * y + 29 * x + 53 * c + x * y) % 256).astype(np.uint8)
image = Image.fromarray(picture)


def save(name, image, height, width):
    zoom = min(image.height / height, image.width / width)
    h, w = zoom * height, zoom * width
    left, top = (image.width - w) / 2, (image.height - h) / 2
    small = image.resize((width, height), Image.BILINEAR,
                         box=(left, top, left + w, top + h))
    array = np.asarray(small)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    np.save(os.path.join(here, name + ".npy"), np.ascontiguousarray(array))


save("picture_smaller", image, 7, 5)
save("picture_larger", image, 40, 31)
save("picture_flat", image, 4, 20)
save("picture_grey", image.convert("L"), 8, 8)
