"""The schema of training.toml for a training on radiographs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, TypeAdapter

from training.recipe_file import LicenceTable, Table


class RadiographRecipeFile(Table):
    """training.toml of a package for radiographs."""

    subjects: Literal["radiograph"]
    recipe: Literal["outlines", "resnet18"] = "outlines"
    """A row of the table of recipes: network, phases, learning rates."""
    steps: int = Field(ge=1)
    """Steps of a training, unless `--steps` or `--minutes` is given."""
    begin: float = Field(default=0.2, ge=0, le=1)
    """Share of a training after which all phases but the last have ended at the latest."""
    fall: float = Field(default=0.4, gt=0, le=1)
    """Share of a training at its end over which the learning rate decays to 0."""
    licences: tuple[LicenceTable, ...] = ()
    """Sources and licences of the data."""


RADIOGRAPH_RECIPE_MODEL = TypeAdapter(RadiographRecipeFile)
