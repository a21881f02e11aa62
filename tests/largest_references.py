"""Post-processing of synthetic labels by both versions of nnU-Net; needs nnunetv2, and version 1 on the path.

    PYTHONPATH=V1 python tests/largest_references.py OUT.npz

Imports nothing of Osteon. The tests of `largest_component` say what each case of CASES
is in Osteon's words.
"""

import os
import sys
import tempfile
from unittest.mock import MagicMock

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, tempfile.gettempdir())

# For figures only, which are not needed here
sys.modules["medpy"] = MagicMock()

import numpy as np
from nnunet.postprocessing.connected_components import remove_all_but_the_largest_connected_component
from nnunetv2.postprocessing.remove_connected_components import (
    apply_postprocessing,
    remove_all_but_largest_component_from_segmentation,
)

# (z, y, x)
SPACING_MM = (2.0, 1.1, 1.0)
V1 = {
    "one": ([1], None),
    "each": ([1, 2, 3], None),
    "every": (None, None),
    "joined_then_each": ([(1, 2), 3, 1], None),
    "large_ones_stay": ([1, (2, 3)], {1: 40.0, (2, 3): 100.0}),
}
V2 = {
    "one": [1],
    "joined": [[1, 2, 3]],
    "joined_then_each": [[1, 2, 3], 1, 2],
    "regions": [[(1, 2), 3], (2, 3)],
}


def made_labels() -> np.ndarray:
    """Pieces of three labels (z, y, x), many of them, two of one size."""
    rng = np.random.default_rng(8)
    coarse = rng.choice(4, (7, 8, 10), p=(0.55, 0.2, 0.15, 0.1))
    labels = np.kron(coarse, np.ones((2, 3, 2))).astype(np.uint8)
    noise = rng.random(labels.shape) < 0.05
    labels[noise] = rng.integers(0, 4, int(noise.sum()))
    return labels


def main() -> None:
    """Every case."""
    labels, voxel_mm3 = made_labels(), float(np.prod(SPACING_MM, dtype=np.float64))
    found = {"labels": labels}
    for name, (classes, sizes) in V1.items():
        kept = remove_all_but_the_largest_connected_component(labels.copy(), classes, voxel_mm3, sizes)
        found[f"v1.{name}"] = kept[0]
    step = remove_all_but_largest_component_from_segmentation
    for name, steps in V2.items():
        assert isinstance(steps, (list, tuple))
        given = [{"labels_or_regions": each} for each in steps]
        found[f"v2.{name}"] = apply_postprocessing(labels.copy(), [step] * len(steps), given)
    np.savez_compressed(sys.argv[1], allow_pickle=False, **found)


if __name__ == "__main__":
    main()
