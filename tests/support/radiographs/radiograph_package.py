"""A small package of radiographs on disk: real networks with an output that tests choose."""

from __future__ import annotations

import hashlib
from math import log
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from operators.networks.architectures.radiograph_network import FRACTURE, RadiographReader
from operators.package_files.package_reader import read_package
from operators.packages.radiograph import RadiographPackage
from training.radiograph.datasets.radiograph import RECOGNISED

SIZE: dict[str, Any] = {"channels": [4, 8, 8, 8, 8], "blocks": [1, 1, 1, 1], "attributes": 12}
TEXT = """
kind = "radiograph"
name = "{name}"
version = "1.0"
title = "made-up radiographs"
algorithm_name = "Osteon test"
attributes = {attributes}
views = ["frontal", "lateral", "oblique"]
other_body_part_terms = ["CHEST", "SKULL", "RIB"]
either_way_up = ["hand"]

[body_parts]
hand = {{ value = "85562004", scheme = "SCT", meaning = "Hand" }}
leg = {{ value = "61685007", scheme = "SCT", meaning = "Lower Extremity" }}

[accepts]
modalities = ["DX", "CR", "RG", "OT"]
sop_class_uids = [
  "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1",
  "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.7.2", "1.2.840.10008.5.1.4.1.1.7.3",
]
body_parts = ["EXTREMITY"]

[body_part_terms]
hand = ["HAND", "WRIST"]
leg = ["LEG", "KNEE"]

[network]
architecture = "radiograph_reader"
arguments = {{ channels = [4, 8, 8, 8, 8], blocks = [1, 1, 1, 1], attributes = 12 }}
canvas = [64, 64]

[[folds]]
name = "fracture"
weights = "radiograph.safetensors"
sha256 = "{sha256}"

[decision]
image = [{image}, 0.0]
finding = [{finding}, 0.0]
outline_threshold = 0.3
outline_share = 0.0
least_pixels = 4
margin = 0.1
typical_distance = {typical_distance}

[decision.operating_points]
sensitive = 0.2
balanced = 0.5
specific = 0.8
"""


def write_radiograph_package(
    models: Path,
    name: str = "radiograph",
    *,
    probability: float = 0.9,
    finding: float | None = 0.8,
    body_part: str = "hand",
    typical_distance: float = 1000.0,
) -> RadiographPackage:
    """Writes a package whose answer is `probability` to every image.

    Its one finding of that probability fills the image; None: there is none.
    """
    folder = models / name
    folder.mkdir(parents=True)
    content = save(
        {key: value.contiguous() for key, value in reader(finding, body_part).state_dict().items()}
    )
    (folder / "radiograph.safetensors").write_bytes(content)
    text = TEXT.format(
        name=name,
        attributes=list(RECOGNISED),
        sha256=hashlib.sha256(content).hexdigest(),
        image=odds(probability),
        finding=odds(finding or 0.5),
        typical_distance=typical_distance,
    )
    (folder / "package.toml").write_text(text.replace("'", '"'), encoding="utf-8")
    package = read_package(folder / "package.toml")
    assert isinstance(package, RadiographPackage)
    return package


def reader(finding: float | None, body_part: str) -> RadiographReader:
    """A network whose map is the same everywhere, and that recognises one body part and a frontal view."""
    torch.manual_seed(0)
    made = RadiographReader(**SIZE)
    with torch.no_grad():
        made.network.maps.weight.zero_()
        assert made.network.maps.bias is not None
        made.network.maps.bias[FRACTURE] = -6.0 if finding is None else 2.0
        made.network.attributes.weight.zero_()
        made.network.attributes.bias.fill_(-4.0)
        for each in (body_part, "frontal"):
            if each in RECOGNISED:
                made.network.attributes.bias[RECOGNISED.index(each)] = 4.0
    return made.eval()


def odds(probability: float) -> float:
    """Log-odds."""
    return log(probability / (1 - probability))
