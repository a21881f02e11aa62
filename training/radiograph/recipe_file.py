"""What training.toml says of a training on radiographs."""

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
    """Steps of a training, where neither `--steps` nor `--minutes` says otherwise."""
    begin: float = Field(default=0.2, ge=0, le=1)
    """All phases but the last end after this share of a training at the latest."""
    fall: float = Field(default=0.4, gt=0, le=1)
    """The learning rate falls to 0 over this share at the end."""
    licences: tuple[LicenceTable, ...] = ()
    """Where the data come from."""


RADIOGRAPH_RECIPE_MODEL = TypeAdapter(RadiographRecipeFile)
