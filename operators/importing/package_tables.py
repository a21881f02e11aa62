"""Makes the tables of package.toml that describe a published model, and writes its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save

from operators.errors import ModelError
from operators.importing.published import WHOLE_RANGE_HU, Published, PublishedBundle, PublishedModel, State
from operators.networks.architectures.architecture_table import build
from operators.networks.weights import fill
from operators.packages.plans import SplittingRules

Table = dict[str, Any]


def nnunet_tables(model: PublishedModel, orientation: str, folder: Path) -> Table:
    """Returns the tables of an nnU-Net, of its previous stage, and of the network that splits its bones."""
    kind = "nnunet" if model.fracture is None else "nnunet_per_bone"
    return {"kind": kind, **stage_tables(model, (), orientation, folder)}


def bundle_tables(model: PublishedBundle, _: str, folder: Path) -> Table:
    """Returns the tables of a PublishedBundle, after writing its weights."""
    ((name, checkpoint),) = model.checkpoints.items()
    weights = {
        "name": name,
        "weights": f"{name}.safetensors",
        "sha256": write_weights(model, checkpoint, folder / name),
    }
    scheme = {"window_hu": WHOLE_RANGE_HU, "normalisation": {"scheme": "none"}}
    return {
        "kind": "monai_bundle",
        "network": network_row(model) | weights | scheme,
        "steps": [{"name": step.name, **step.arguments} for step in model.steps],
        "tiling": asdict(model.tiling),
        "outcome": asdict(model.outcome),
    }


# The function that makes `kind` and all tables of each kind of published model, with its weights in a folder;
# one fold is held in memory at a time
TABLES: dict[type[Published], Callable[[Any, str, Path], Table]] = {
    PublishedModel: nnunet_tables,
    PublishedBundle: bundle_tables,
}


def stage_tables(model: PublishedModel, place: tuple[str, ...], orientation: str, folder: Path) -> Table:
    """Returns the tables of one stage and of those below it, after writing their weights."""
    line = "".join(f"{word}_" for word in place)
    tables: Table = {
        "network": network_row(model)
        | {
            "window_hu": model.window_hu,
            "guide": model.guide,
            "normalisation": asdict(model.normalisation),
        },
        "recipe": recipe_row(model, orientation),
        "folds": [
            {
                "name": f"{line}{name}",
                "weights": f"{line}{name}.safetensors",
                "sha256": write_weights(model, path, folder / f"{line}{name}"),
            }
            for name, path in model.checkpoints.items()
        ],
    }
    if model.largest:
        tables["largest"] = [asdict(rule) for rule in model.largest]
    if model.previous is not None:
        tables["previous"] = stage_tables(model.previous, (*place, "previous"), orientation, folder)
    if model.fracture is not None:
        below = stage_tables(model.fracture, (*place, "fracture"), orientation, folder)
        tables["fracture"] = asdict(SplittingRules()) | below
    return tables


def write_weights(model: Published, checkpoint: Path, stem: Path) -> str:
    """Writes one fold's tensors as safetensors; returns the SHA-256. Raises ModelError if they do not fit."""
    tensors = model.weights(checkpoint)
    require_fit(model, tensors, f"{checkpoint.parent.name}/{checkpoint.name}")
    content = save({name: tensor.contiguous().clone() for name, tensor in tensors.items()})
    stem.with_suffix(".safetensors").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def require_fit(model: Published, tensors: State, name: str) -> None:
    """Raises ModelError if the tensors are not exactly those of the architecture."""
    try:
        fill(build(model.architecture, **model.arguments), tensors)
    except RuntimeError as error:
        raise ModelError(
            f"expected weights in {name} of {model.architecture} as in the plans, got others: "
            f"{str(error).splitlines()[0]}",
            code="weights_do_not_fit",
        ) from error


def network_row(model: Published) -> dict[str, Any]:
    """Returns the keys of [network] that all kinds share."""
    return {
        "architecture": model.architecture,
        "arguments": model.arguments,
        "spacing_mm": model.spacing_mm,
        "patch": model.patch,
        "classes": model.classes,
        # The original's arithmetic on a CPU, for the same labels
        "precision": "f32",
    }


def recipe_row(model: PublishedModel, orientation: str) -> dict[str, Any]:
    """Returns [recipe]; the keys on conditioning channels only if there are any."""
    row = asdict(model.recipe) | {"orientation": orientation}
    return row if model.guide else {key: row[key] for key in row if not key.startswith("guide")}
