"""Normalises intensities for networks: the table in which package.toml's `scheme` is looked up.

All schemes except "window" are nnU-Net v2's (preprocessing/normalization), with its order of operations and
its precision, so that the same image gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.packages.packages import NetworkSpec

# Single or double precision; the output has that of the input
Array = NDArray[Any]
Mask = NDArray[np.bool_] | None
EPSILON = 1e-8
# Schemes that depend on nothing but the voxel's own value
POINTWISE = ("window", "ct", "none")


def normalise(image: Array, spec: NetworkSpec, mask: Mask = None) -> Array:
    """Normalises `image` (...), which may be overwritten, by `spec`; `mask` marks where it is not empty."""
    return SCHEMES[spec.normalisation.scheme](image, spec, mask)


def window(image: Array, spec: NetworkSpec, _: Mask) -> Array:
    """Clips to the window and maps it to 0..1."""
    low, high = spec.window_hu
    scaled: Array = np.subtract(image, np.float32(low), dtype=np.float32)
    scaled /= np.float32(high - low)
    return np.clip(scaled, 0, 1, out=scaled)


def ct(image: Array, spec: NetworkSpec, _: Mask) -> Array:
    """Clips to the window, subtracts the mean of the training's foreground, and divides by its deviation."""
    np.clip(image, *spec.window_hu, out=image)
    image -= spec.normalisation.mean
    image /= max(spec.normalisation.std, EPSILON)
    return image


def z_score(image: Array, spec: NetworkSpec, mask: Mask) -> Array:
    """Subtracts the image's own mean and divides by its deviation, over the whole image or the mask."""
    if spec.normalisation.masked and mask is not None:
        inside = image[mask]
        image[mask] = (inside - inside.mean()) / max(inside.std(), EPSILON)
        return image
    mean, std = image.mean(), image.std()
    image -= mean
    image /= max(std, EPSILON)
    return image


def rescale_to_01(image: Array, _: NetworkSpec, __: Mask) -> Array:
    """Maps the range from the least to the greatest value to 0..1."""
    image -= image.min()
    image /= np.clip(image.max(), EPSILON, None)
    return image


def unchanged(image: Array, _: NetworkSpec, __: Mask) -> Array:
    """Returns the image unchanged."""
    return image


SCHEMES: dict[str, Callable[[Array, NetworkSpec, Mask], Array]] = {
    "window": window,
    "ct": ct,
    "z_score": z_score,
    "rescale_to_01": rescale_to_01,
    "none": unchanged,
}
