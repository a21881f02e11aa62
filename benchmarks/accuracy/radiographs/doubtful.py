"""Measures which images are flagged: as they are, turned, mirrored, and of body parts not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.radiographs.rows import Row
from benchmarks.accuracy.tables import markdown
from operators.networks.registry import Networks
from operators.packages.operating_points import BALANCED
from operators.packages.radiograph import RadiographPackage
from operators.radiographs.answer import answer
from operators.radiographs.answer_flags import flag_answer
from training.progress import silent
from training.radiograph.datasets.projections import projections
from training.radiograph.datasets.radiograph import Radiograph
from training.radiograph.fitting import Answered, answer_all, projection_of
from training.radiograph.radiograph_recipe import ProjectionTable

# CTs that no training of the package has seen (training.toml)
HELD_OUT = {
    "heads and necks, summed from CT": tuple(f"head_neck_ct/pt_{n:03d}.nii.gz" for n in range(9, 14)),
    "a head, summed from CT": ("dicom/ge_ct_head_tilted",),
    "a chest, summed from CT": ("real_ct/chest_2.5mm",),
}
VIEWS = 12
SEED = 20
TURNED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "upside down": lambda pixels: np.rot90(pixels, 2),
    "mirrored": lambda pixels: pixels[:, ::-1],
}


def doubtful_rows(
    answered: Sequence[Answered], data: Path, package: RadiographPackage, networks: Networks
) -> list[Row]:
    """Returns a row for each group of images: how many there are, and how many have each flag.

    `answered` are the development images; `data` is the folder of the CTs, without which their groups are
    left out.
    """
    rows = [row_of("as they are", answered, package)]
    for name, turned in TURNED.items():
        images = [
            replace(each.image, pixels=np.ascontiguousarray(turned(each.image.pixels))) for each in answered
        ]
        rows.append(row_of(name, answer_all(package, networks, images, quiet), package))
    held_out = {
        name: paths for name, paths in HELD_OUT.items() if all((data / each).exists() for each in paths)
    }
    for name, paths in held_out.items():
        shown = images_of(paths, data)
        rows.append(row_of(name, answer_all(package, networks, shown, quiet), package))
    return rows


def images_of(paths: tuple[str, ...], data: Path) -> list[Radiograph]:
    """Returns images summed from CTs, in random directions."""
    return projections([ProjectionTable(paths=paths, views=VIEWS)], data, SEED, silent)


def row_of(group: str, answered: Sequence[Answered], package: RadiographPackage) -> Row:
    """Returns a group's name, its images, those with a flag, and those with each flag.

    Their headers say nothing, so that every flag comes from the image.
    """
    codes = [flags_of(each, package) for each in answered]
    counts = Counter(code for each in codes for code in each)
    return {
        "group": group,
        "images": len(codes),
        "flagged": sum(map(bool, codes)),
        "flags": dict(sorted(counts.items())),
    }


def flags_of(answered: Answered, package: RadiographPackage) -> set[str]:
    """Returns the codes of the flags of an image."""
    image = projection_of(answered.image)
    stated = answer(image, answered.said, (), package, BALANCED)
    return {flag.code for flag in flag_answer(stated, image, answered.said, package)}


def quiet(done: float) -> None:
    """Ignores progress."""


def doubtful_table(rows: Sequence[Row]) -> str:
    """Returns the rows as Markdown, with a column for each flag that any image has."""
    codes = sorted({code for row in rows for code in row["flags"]})
    heading = ("images", "number", "flagged", *(f"`{code}`" for code in codes))
    lines = [
        (
            row["group"],
            *map(str, (row["images"], row["flagged"])),
            *(str(row["flags"].get(c, 0)) for c in codes),
        )
        for row in rows
    ]
    return markdown(heading, lines)
