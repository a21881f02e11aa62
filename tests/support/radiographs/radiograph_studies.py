"""Radiograph studies for tests of the node, and a package that outlines a fracture in one of two views."""

from __future__ import annotations

from pathlib import Path

from operators.package_files.package_reader import read_package
from operators.packages.packages import ModelPackage
from tests.support.radiographs.projection_files import UID_ROOT, picture, radiograph, save
from tests.support.radiographs.radiograph_package import write_radiograph_package

# The one finding fills the image: it has enough pixels in the first view, too few in the second
FEWEST_PIXELS = 20000
VIEWS = {"PA": (160, 160), "LL": (96, 96)}
PROBABILITY, INTACT = 0.87, 0.04


def write_views_package(models: Path, *, probability: float = PROBABILITY) -> ModelPackage:
    """Writes a package that gives every image `probability` and outlines a fracture in large ones."""
    write_radiograph_package(models, probability=probability, finding=0.8 if probability > 0.5 else None)
    path = models / "radiograph" / "package.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("least_pixels = 4", f"least_pixels = {FEWEST_PIXELS}"), encoding="utf-8")
    return read_package(path)


def write_views(folder: Path, study: int = 1, first_series: int = 1) -> list[Path]:
    """Writes a series with one image for each view; returns their paths."""
    return [
        save(
            radiograph(picture(shape=shape), series=number, study=study, ViewPosition=view),
            folder / f"view-{number}.dcm",
        )
        for number, (view, shape) in enumerate(VIEWS.items(), first_series)
    ]


def study_uid(study: int) -> str:
    """Returns the UID of a study of `write_views`."""
    return f"{UID_ROOT}.{study}"
