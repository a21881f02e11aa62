"""The training.toml of a package for radiographs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, field_validator

from operators.packages.toml_files import validated
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.recipe import read_recipe_as
from training.recipe_file import LicenceTable
from training.row_tables import Range, Table

RecipeName = Literal[
    "outlines",
    "outlines_without_pretext",
    "outlines_without_augmentation",
    "outlines_with_strong_augmentation",
    "resnet18",
]


class ProjectionTable(Table):
    """[[projections]]: CTs of intact bones, images of which are trained on beside the radiographs."""

    paths: tuple[str, ...]
    """NIfTI files and folders of DICOM below the folder that `--ct` names."""
    shows: tuple[str, ...] = ()
    """The attributes of the images, such as body parts; none if they show another one."""
    heights: Range = (0.0, 1.0)
    """The part of the height that the images show, as shares from the lowest slice."""
    views: int = Field(default=30, ge=1)
    """Images of each CT, in random directions."""

    @field_validator("shows")
    @classmethod
    def known(cls, shows: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the attributes. Raises ValueError for one that images do not have."""
        if unknown := set(shows) - set(ATTRIBUTES):
            raise ValueError(f"expected some of {', '.join(ATTRIBUTES)}, got {min(unknown)}")
        return shows


class RadiographRecipeFile(Table):
    """training.toml of a package for radiographs."""

    subjects: Literal["radiograph"]
    recipe: RecipeName = "outlines"
    """A row of the table of recipes: network, phases, learning rates."""
    steps: int = Field(ge=1)
    """Steps of a training, unless `--steps` or `--minutes` is given."""
    begin: float = Field(default=0.2, ge=0, le=1)
    """Share of a training after which all phases but the last have ended at the latest."""
    fall: float = Field(default=0.4, gt=0, le=1)
    """Share of a training at its end over which the learning rate decays to 0."""
    projections: tuple[ProjectionTable, ...] = ()
    """CTs that show what other body parts look like, of which no radiographs are at hand."""
    licences: tuple[LicenceTable, ...] = ()
    """Sources and licences of the data."""


def read_radiograph_recipe(path: Path) -> RadiographRecipeFile:
    """Reads a training.toml of a package for radiographs. Raises ModelError where it is not one."""
    return read_recipe_as(partial(validated, TypeAdapter(RadiographRecipeFile)), path)
