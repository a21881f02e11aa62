"""Training images that show what a development image shows: the same exposure, turned, mirrored or moved."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from training.radiograph.dataset import Pixels, Radiograph

Floats = NDArray[np.float64]
COARSE_PIXELS = 24
FINE_PIXELS = 96
# Pairs less alike than this when coarse are not looked at again
COARSE_ALIKE = 0.85
CANDIDATES = 3
# Correlation without the low frequencies. Among FracAtlas' training and development images the copies
# have 0.96 and more; other images of the same body part 0.87 and less.
COPY_ALIKE = 0.92
# Images of one examination have consecutive numbers
NEIGHBOURS = 2


def usable_for_training(images: list[Radiograph]) -> list[Radiograph]:
    """The training images that are neither near copies nor neighbours of development images.

    The neighbours of a near copy by file number are left out as well: they are likely of the same
    examination.
    """
    train = [image for image in images if image.split == "train"]
    dev = [image for image in images if image.split == "dev"]
    banned = {number(image) for image in dev} | {number(train[at]) for at in near_copies(train, dev)}
    near = {at + away for at in banned for away in range(-NEIGHBOURS, NEIGHBOURS + 1)}
    return [image for image in train if number(image) not in near]


def number(image: Radiograph) -> int:
    """The digits of an image's name."""
    return int("".join(filter(str.isdigit, image.name)) or -1)


def near_copies(train: list[Radiograph], dev: list[Radiograph]) -> list[int]:
    """The indices into `train` of images that are near copies of any in `dev`."""
    if not train or not dev:
        return []
    theirs = np.stack([coarse(image.pixels) for image in train])
    found: set[int] = set()
    for image, turns, mirror in product(dev, range(4), (False, True)):
        pixels = turned(image.pixels, turns, mirror)
        alike = theirs @ coarse(pixels)
        likely = [at for at in np.argsort(-alike)[:CANDIDATES] if alike[at] > COARSE_ALIKE]
        found |= {int(at) for at in likely if correlation(pixels, train[at].pixels) > COPY_ALIKE}
    return sorted(found)


def turned(pixels: Pixels, quarter_turns: int, mirror: bool) -> Pixels:
    """The image after quarter turns and, perhaps, a mirror."""
    image = np.rot90(pixels, quarter_turns)
    return image[:, ::-1] if mirror else image


def coarse(pixels: Pixels) -> Floats:
    """A small version of the image as a vector of mean 0 and length 1."""
    vector = small(pixels, COARSE_PIXELS).ravel()
    vector = vector - vector.mean()
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def correlation(one: Pixels, other: Pixels) -> float:
    """The correlation of two images' fine structure at the shift where they agree best."""
    first, second = fine(one), fine(other)
    size = (2 * FINE_PIXELS, 2 * FINE_PIXELS)
    product_ = np.fft.rfft2(first, size) * np.conj(np.fft.rfft2(second, size))
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.fft.irfft2(product_, size).max() / max(norm, 1e-9))


def fine(pixels: Pixels) -> Floats:
    """A small version of the image without its low frequencies."""
    image = small(pixels, FINE_PIXELS)
    image = image - ndimage.gaussian_filter(image, 4)
    return image - image.mean()


def small(pixels: Pixels, side: int) -> Floats:
    """The image as a square of `side` pixels."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX), np.float64)
