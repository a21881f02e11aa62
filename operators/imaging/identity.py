"""Which bone a voxel belongs to: the fine network outlines, the coarse one saw the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.packages import ModelPackage
from operators.imaging.resampling import interpolate_scalar
from operators.imaging.volume import Grid

Array = NDArray[np.float32]

# A coarse voxel holds parts of several bones at joints: its say is blurred over its neighbours
BLUR_VOXELS = 1.0
# What the coarse network gave least can still be right, where the fine one is sure
LEAST_PRIOR = 0.03
# Bone is believed in full where the coarse network gave bone at least this much
BELIEVED = 0.1


def identified(outlines: Array, fine: Grid, where: Array, coarse: Grid, package: ModelPackage) -> Array:
    """Class probabilities of the fine network (classes, I, J, K), mended by those of the coarse one.

    How much is bone, the fine network says; which bone, both do, as independent witnesses (their
    product). Patches of the fine network are too small to tell some bones apart by themselves.
    `outlines` is overwritten with the result, since it is the greatest array of a run.
    """
    bone = 1 - outlines[0]
    seen, total = np.zeros_like(bone), np.zeros_like(bone)
    shares = outlines[1:]
    for share, name in zip(shares, package.fine.classes[1:], strict=True):
        given = prior(name, where, coarse, fine, package)
        seen += given
        given += LEAST_PRIOR
        share *= given
        total += share
    bone *= np.clip(seen / BELIEVED, 0, 1)
    shares *= bone / np.maximum(total, 1e-12)
    np.subtract(1, shares.sum(axis=0), out=outlines[0])
    return outlines


def prior(fine_class: str, where: Array, coarse: Grid, fine: Grid, package: ModelPackage) -> Array:
    """What the coarse network gave to a class of the fine one, on the fine grid."""
    names = {label.coarse_class for label in package.labels if label.fine_class == fine_class} | {fine_class}
    channels = [n for n, name in enumerate(package.coarse.classes) if name in names]
    given = ndimage.gaussian_filter(where[channels].sum(axis=0), BLUR_VOXELS)
    return interpolate_scalar(given.astype(np.float32), coarse, fine, 0.0)
