"""Images summed from CT: head up, from any side, without air, with the attributes of their table."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydantic import ValidationError

from operators.errors import UsageError
from training.ct_files import read_ct
from training.progress import silent
from training.radiograph.datasets.projections import attenuation_of, projections, summed, trimmed
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.radiograph_recipe import ProjectionTable


def write_ct(path: Path) -> None:
    """A block of water 60 mm wide, 30 mm deep and 90 mm high in air, with a bone on its left, low down."""
    hu = np.full((40, 40, 50), -1000, np.int16)
    hu[10:30, 15:25, 10:40] = 0
    hu[12:16, 18:22, 11:15] = 1000
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([-3.0, -3.0, 3.0, 1.0])), path)


def test_rays_sum_attenuation_from_every_side(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct.nii.gz")
    attenuation = attenuation_of(read_ct(tmp_path / "ct.nii.gz"))
    front, side = (trimmed(summed(attenuation, angle)) for angle in (0, 90))
    assert np.allclose(front.shape, (45, 30), atol=2)
    assert np.allclose(side.shape, (45, 15), atol=2)
    # Through water alone, 30 mm from front to back and 60 mm from the side
    assert np.median(front) == pytest.approx(15, abs=0.5)
    assert np.median(side) == pytest.approx(30, abs=0.5)
    row, column = np.unravel_index(front.argmax(), front.shape)
    assert row > 30
    assert column < 15


def test_images_have_the_body_parts_and_views_of_their_table(tmp_path: Path) -> None:
    write_ct(tmp_path / "ct.nii.gz")
    tables = [
        ProjectionTable(paths=("ct.nii.gz",), views=12),
        ProjectionTable(paths=("ct.nii.gz",), views=3, shows=("hip",), heights=(0.0, 0.5)),
    ]
    made = projections(tables, tmp_path, 0, silent)
    again = projections(tables, tmp_path, 0, silent)
    assert [np.array_equal(a.pixels, b.pixels) for a, b in zip(made, again, strict=True)] == [True] * 15
    named = [dict(zip(ATTRIBUTES, image.attributes, strict=True)) for image in made]
    assert [one["hip"] for one in named] == [0.0] * 12 + [1.0] * 3
    assert {one["hand"] + one["leg"] + one["shoulder"] for one in named} == {0.0}
    assert {one["frontal"] + one["lateral"] + one["oblique"] for one in named} == {1.0}
    for image in made:
        assert (max(image.pixels.shape), image.fractured) == (454, False)
        assert image.pixels.max() == 255


def test_an_attribute_that_images_do_not_have_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"expected some of hand, leg, .* got tail"):
        ProjectionTable(paths=("ct.nii.gz",), shows=("hand", "tail"))


def test_without_a_folder_there_are_none_and_a_missing_ct_is_named(tmp_path: Path) -> None:
    tables = [ProjectionTable(paths=("ct.nii.gz",))]
    assert projections(tables, None, 0, silent) == []
    with pytest.raises(UsageError, match=r"ct\.nii\.gz in the data folder, found none"):
        projections(tables, tmp_path, 0, silent)
