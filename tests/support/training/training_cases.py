"""A body of boxes on disk, and the smallest recipe and package that networks can be trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from training.loop.runs import TrainingRun
from training.recipe import Recipe, read_recipe

ROOT = Path(__file__).parents[3]
NAMES = {1: "sacrum", 2: "hip_left", 3: "hip_right", 4: "femur_left", 5: "femur_right", 6: "vertebrae_L5"}

RECIPE = """
held_out = ["009"]

[[licences]]
under = "007"
source = "ours"
licence = "Apache-2.0"

[validation]
patches = 2
every = 2
patience = 2
fall = 0.5
real = [{ folder = "007", bones = { SA = "sacrum" } }]

[classes]
sacrum = ["sacrum"]
hip_left = ["hip_left"]
hip_right = ["hip_right"]
femur_left = ["femur_left"]
femur_right = ["femur_right"]
vertebra = ["vertebrae_*"]

[[label_maps]]
path = "boxes.nii.gz"
names = "names.json"

[[bone_sets]]
folder = "007"
bones = { SA = "sacrum" }

[[negatives]]
absent = ["sacrum", "hip*"]
paths = ["neck.nii.gz"]

[phantoms]
count = 0
share = 0.0
scanned = 0

[fracture_bones]
patterns = ["hip_*"]

[networks.coarse]
kind = "anatomy"
spacing_mm = 4.0
patch = [16, 16, 16]
window_hu = [-200.0, 1300.0]
architecture = "subpixel_unet"
filters = [4, 4, 8]
steps = 6
learning_rate = 3e-3
negatives = 0.3

[networks.fracture]
kind = "fracture"
spacing_mm = 1.2
patch = [16, 16, 16]
window_hu = [-200.0, 1300.0]
architecture = "subpixel_unet"
filters = [4, 4, 8]
class_weights = [0.3, 0.6, 2.0]
steps = 6
learning_rate = 3e-3
fractured_bones = 0.3
scored = ["contact"]

[networks.fracture.gpu]
patch = [32, 32, 32]
filters = [4, 8, 16]
batch = 2
"""


PACKAGE = """
name = "box"
version = "1"
title = "box"
algorithm_name = "Osteon box"

[accepts]
modalities = ["CT"]
sop_class_uids = ["1.2.840.10008.5.1.4.1.1.2"]
body_parts = []
minimum_slices = 10
minimum_extent_mm = 40.0
maximum_slice_spacing_mm = 6.0
maximum_pixel_spacing_mm = 3.0

[networks.coarse]
architecture = "subpixel_unet"
arguments = { dimensions = 3, outputs = 7, filters = [4, 4, 8] }
weights = "coarse.safetensors"
sha256 = ""
spacing_mm = [4.0, 4.0, 4.0]
patch = [16, 16, 16]
window_hu = [-200.0, 1300.0]
classes = ["background", "sacrum", "hip_left", "hip_right", "femur_left", "femur_right", "vertebra"]

[networks.fine]
architecture = "subpixel_unet"
arguments = { dimensions = 3, outputs = 2, filters = [4, 4, 8] }
weights = "fine.safetensors"
sha256 = ""
spacing_mm = [1.5, 1.5, 1.5]
patch = [16, 16, 16]
window_hu = [-200.0, 1300.0]
classes = ["background", "sacrum"]

# Shared with other packages.
[networks.fracture]
architecture = "subpixel_unet"
arguments = { dimensions = 3, outputs = 3, filters = [4, 4, 8] }
weights = "../fracture/fracture.safetensors"
sha256 = ""
spacing_mm = [1.2, 1.2, 1.2]
patch = [16, 16, 16]
window_hu = [-200.0, 1300.0]
classes = ["background", "interior", "contact"]

[fragments]
strategy = "watershed_and_merge"
minimum_mm3 = 200.0
seed_probability = 0.5
fracture_logit = [-4.0, 10.0, 0.0, 0.0]

[[labels]]
name = "sacrum"
meaning = "Sacrum"
first_value = 1
last_value = 10
category = { value = "91723000", scheme = "SCT", meaning = "Anatomical Structure" }
type = { value = "54735007", scheme = "SCT", meaning = "Sacrum" }
rgb = [212, 188, 102]
coarse_class = "sacrum"
fine_class = "sacrum"
minimum_ml = 5.0
"""


def write_data(folder: Path) -> Path:
    """Writes the label map, bone set and negative that RECIPE names."""
    (folder / "007").mkdir(parents=True)
    boxes = np.zeros((40, 30, 30), np.uint8)
    for value in NAMES:
        at = 6 * (value - 1) + 2
        boxes[at : at + 4, 4:26, 2:28] = value
    save(folder / "boxes.nii.gz", boxes, 3.0)
    (folder / "names.json").write_text(json.dumps(NAMES), encoding="utf-8")
    bone = np.zeros((30, 30, 30), np.uint8)
    bone[4:15, 4:26, 4:26], bone[15:26, 4:26, 4:26] = 1, 2
    save(folder / "007" / "007_SA_mask.nii.gz", bone, 1.0)
    save(folder / "007" / "007_SA.nii.gz", np.where(bone > 0, 800, 0).astype(np.int16), 1.0)
    save(folder / "neck.nii.gz", np.where(boxes > 3, 600, 30).astype(np.int16), 3.0)
    return folder


def save(path: Path, array: np.ndarray, spacing_mm: float) -> None:
    """Writes a NIfTI file in RAS."""
    nibabel.save(nibabel.Nifti1Image(array, np.diag([spacing_mm] * 3 + [1.0])), path)


def write_models(folder: Path) -> Path:
    """Writes a models folder with one package whose networks are RECIPE's."""
    package = folder / "box"
    package.mkdir(parents=True)
    (package / "package.toml").write_text(PACKAGE, encoding="utf-8")
    (package / "training.toml").write_text(RECIPE, encoding="utf-8")
    return folder


def recipe(folder: Path) -> Recipe:
    """Returns RECIPE as values."""
    path = folder / "training.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return read_recipe(path)


def tiny_run(folder: Path, network: str = "coarse", **options: Any) -> TrainingRun:
    """Returns a training in this process; writes its data on first use."""
    data = folder / "data"
    if not data.exists():
        write_data(data)
    made = recipe(folder)
    begun: dict[str, Any] = {"workers": 0, "began": "2026-01-02T03:04:05+00:00", "software": "1.0", **options}
    return TrainingRun(made, made.networks[network], data, folder / "runs", **begun)
