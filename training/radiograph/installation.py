"""Puts a trained network into its package: safetensors, checksum, decision, a report of the training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
import torch
from safetensors.torch import save

from operators.dicom.elements.atomic_file import write_whole
from operators.package_files.package_reader import PACKAGE_FILE
from training.calibrate.reliability import Scored, platt
from training.export import set_value
from training.radiograph.evaluation import Case
from training.radiograph.metrics import average_precision
from training.radiograph.report import DECODINGS, image_score
from training.radiograph.trainer import Weights

# Where no package.toml names another
WEIGHTS_FILE = "network.safetensors"
NETWORKS, DECISION = "networks", "decision"


def install(folder: Path, weights: Weights, metrics: Mapping[str, Any]) -> str:
    """Writes the weights in half precision and `metrics` beside them; returns the weights' SHA-256.

    Where there is a package.toml, its only network's file is written and its `sha256` set, and so are
    those numbers under [decision] that `metrics` holds by the same names.
    """
    package_file = folder / PACKAGE_FILE
    package = tomlkit.parse(package_file.read_bytes().decode()).unwrap() if package_file.is_file() else {}
    networks = package.get(NETWORKS, {})
    path = folder / next((one["weights"] for one in networks.values()), WEIGHTS_FILE)
    content = save({name: half(tensor) for name, tensor in weights.items()})
    write_whole(path, lambda file: file.write(content))
    sha256 = hashlib.sha256(content).hexdigest()
    report = json.dumps({"sha256": sha256, **metrics}, indent=1).encode()
    write_whole(path.with_suffix(".training.json"), lambda file: file.write(report))
    for name in networks:
        set_value(package_file, f"{NETWORKS}.{name}", "sha256", sha256)
    for key in set(package.get(DECISION, {})) & set(metrics):
        set_value(package_file, DECISION, key, metrics[key])
    return sha256


def decision_of(cases: Sequence[Case]) -> dict[str, float]:
    """How a network's maps become fractures, and its scores probabilities, as fitted on the cases.

    `threshold` and `share` are those of the Decoding with the best mask mAP50; `constant` and `factor` are
    Platt's, of the image's score; they are left out where there are too few images of either kind.
    """
    outlined = [case for case in cases if case.image.outlines]
    best = max(DECODINGS, key=lambda one: average_precision([case.found(one) for case in outlined]))
    scores = np.array([image_score(case.prediction) for case in cases])
    true = np.array([case.image.fractured for case in cases])
    line = platt(Scored(scores, true, np.arange(len(cases))))
    return {"threshold": best.threshold, "share": best.share} | dict(
        zip(("constant", "factor"), line, strict=False)
    )


def half(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in half precision if it holds fractions, in memory's order."""
    return (tensor.half() if tensor.is_floating_point() else tensor).cpu().contiguous()
