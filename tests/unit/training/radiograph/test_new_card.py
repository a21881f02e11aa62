"""The model card of a package made from a data set of radiographs."""

from __future__ import annotations

from pathlib import Path

from training.radiograph.new_package import NewRadiographs, card_text
from training.radiograph.radiograph_recipe import RadiographRecipeFile

TABLE = "| metric | fold 1 |\n| --- | --- |\n| auc | 0.559 |"
SAID = ["train: 3217 images", "dev: 254 images", TABLE, "train: 3217 images", "dev: 254 images", "auc: 0.607"]


def test_the_card_says_each_thing_once_and_its_table_is_one() -> None:
    new = NewRadiographs("hands", "a set of hands", Path("models"))
    recipe = RadiographRecipeFile(subjects="radiograph", steps=10)
    text = card_text(new, recipe, SAID)
    assert text.endswith(
        f"than on others.\n\n- train: 3217 images\n- dev: 254 images\n\n{TABLE}\n\n- auc: 0.607\n"
    )
    assert "Not for clinical use" in text
