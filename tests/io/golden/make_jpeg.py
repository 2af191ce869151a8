"""Writes the images that the tests of JPEG read: python3 make_jpeg.py (needs
numpy and pillow).

The pixel at row y, column x of an image is smooth, so that JPEG keeps it
within a few levels: red 40 + 5 y, green 200 - 4 x, blue 90 + 2 x + y, and grey
30 + 3 x + 4 y."""

import os

import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
y, x = np.mgrid[0:23, 0:37]
rgb = np.stack([40 + 5 * y, 200 - 4 * x, 90 + 2 * x + y], -1).astype(np.uint8)
grey = (30 + 3 * x + 4 * y).astype(np.uint8)


def save(name, image, **options):
    image.save(os.path.join(here, name + ".jpg"), quality=95, subsampling=0,
               **options)


save("rgb", Image.fromarray(rgb))
save("progressive", Image.fromarray(rgb), progressive=True)
save("grey", Image.fromarray(grey))
save("cmyk", Image.fromarray(rgb).convert("CMYK"))
