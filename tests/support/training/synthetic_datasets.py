"""Small labelled CTs as sites keep them: a body with two bones, with masks or surfaces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
import trimesh
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.image_files.label_files import RAS_TO_LPS, write_nifti

SPACING_MM = (1.0, 1.25, 2.0)
SHAPE = (72, 56, 36)
ORIGIN_MM = (-50.0, 12.0, 330.0)
CENTRES_MM = ((-30.0, 45.0, 365.0), (-1.0, 48.0, 360.0))
RADII_MM = (11.0, 9.0)
AIR_HU, FAT_HU, TISSUE_HU, BONE_HU = -1000, -100, 50, 600
# Of bones that a run is to find: what is as uniform as contrast medium is left out of a result
MIDDLE_HU, RIM_HU = 250, 805
# The colour of each bone's surface
RED, YELLOW = (220, 20, 20), (230, 220, 30)


def made_grid() -> Grid:
    """The grid of every image here, with axes along LPS."""
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = ORIGIN_MM
    return Grid(SHAPE, affine)


def made_case(
    seed: int = 0, radii_mm: tuple[float, float] = RADII_MM, hollow: bool = False
) -> tuple[CtVolume, LabelMap]:
    """A body in air with two round bones, placed anew for each seed, and their labels 1 and 2."""
    rng, grid = np.random.default_rng(seed), made_grid()
    points = np.moveaxis(np.indices(SHAPE), 0, -1) * SPACING_MM + ORIGIN_MM
    middle = points[SHAPE[0] // 2, SHAPE[1] // 2, 0]
    radius = np.linalg.norm((points - middle)[..., :2] / (1.1, 0.95), axis=-1)
    hu = np.select([radius < 22, radius < 29], [TISSUE_HU, FAT_HU], AIR_HU).astype(float)
    labels = np.zeros(SHAPE, np.uint8)
    for value, centre in enumerate(centres(seed), start=1):
        depth = np.linalg.norm(points - centre, axis=-1) / radii_mm[value - 1]
        inside = depth <= 1
        labels[inside] = value
        hu[inside] = np.interp(depth[inside] ** 2, (0, 1), (MIDDLE_HU, RIM_HU)) if hollow else BONE_HU
    hu += rng.normal(0, 8, SHAPE)
    return CtVolume(np.clip(np.rint(hu), -1024, 3000).astype(np.int16), grid), LabelMap(labels, grid)


def centres(seed: int) -> NDArray[np.float64]:
    """The middle of each bone, LPS in mm."""
    shift = np.random.default_rng((seed, 7)).uniform(-3, 3, (2, 3)) if seed else np.zeros((2, 3))
    return np.array(CENTRES_MM) + shift


def write_image(image: CtVolume, path: Path) -> Path:
    """Writes a CT as NIfTI, or in a format of ITK."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.hu), RAS_TO_LPS @ image.grid.ijk_to_lps), path)
    else:
        SimpleITK.WriteImage(itk(np.asarray(image.hu), image.grid), str(path))
    return path


def write_mask(labels: LabelMap, path: Path) -> Path:
    """Writes labels as NIfTI, or in a format of ITK."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        write_nifti(labels, path)
    else:
        SimpleITK.WriteImage(itk(np.asarray(labels.labels), labels.grid), str(path))
    return path


def itk(values: NDArray[np.generic], grid: Grid) -> SimpleITK.Image:
    """An array (I, J, K) as an ITK image."""
    image = SimpleITK.GetImageFromArray(values.transpose())
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.ijk_to_lps[:3, 3].tolist())
    image.SetDirection((grid.ijk_to_lps[:3, :3] / np.array(grid.spacing_mm)).ravel().tolist())
    return image


def ball(seed: int, bone: int) -> trimesh.Trimesh:
    """The closed surface of a bone, LPS in mm."""
    mesh = trimesh.creation.icosphere(subdivisions=3, radius=RADII_MM[bone])
    return mesh.apply_translation(centres(seed)[bone])


def write_stl(mesh: trimesh.Trimesh, path: Path, colour: tuple[int, int, int] | None = None) -> Path:
    """Writes a binary STL; a colour is stored for each triangle as VisCAM does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = bytearray(mesh.export(file_type="stl"))
    if colour is not None:
        red, green, blue = (part * 31 // 255 for part in colour)
        stored = (1 << 15 | red << 10 | green << 5 | blue).to_bytes(2, "little")
        for at in range(84 + 48, len(content), 50):
            content[at : at + 2] = stored
    path.write_bytes(content)
    return path


def write_raw(
    folder: Path,
    cases: Mapping[str, int],
    labels: Mapping[str, object] | None = None,
    radii_mm: tuple[float, float] = RADII_MM,
    hollow: bool = False,
) -> Path:
    """Writes a raw folder of nnU-Net with the cases of these seeds."""
    for name, seed in cases.items():
        image, mask = made_case(seed, radii_mm, hollow)
        write_image(image, folder / "imagesTr" / f"{name}_0000.nii.gz")
        write_mask(mask, folder / "labelsTr" / f"{name}.nii.gz")
    content = {
        "channel_names": {"0": "CT"},
        "labels": labels or {"background": 0, "femur_left": 1, "thing": 2},
        "numTraining": len(cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def moved(labels: LabelMap, shift_mm: tuple[float, float, float]) -> LabelMap:
    """Labels on a grid elsewhere."""
    affine = labels.grid.ijk_to_lps.copy()
    affine[:3, 3] += shift_mm
    return LabelMap(labels.labels, replace(labels.grid, ijk_to_lps=affine))
