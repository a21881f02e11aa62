"""Reads a MONAI bundle: configs/metadata.json, configs/inference.json (or .yaml), models/model.pt."""

from __future__ import annotations

import inspect
import json
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from operators.errors import UsageError
from operators.importing.monai_bundle.bundle_config import BundleConfig
from operators.importing.monai_bundle.bundle_outcomes import outcome_of
from operators.importing.monai_bundle.bundle_transforms import class_name, require, steps_of
from operators.importing.pickles import read_checkpoint
from operators.importing.published import PublishedBundle, State, Wanted, missing_fold, reading, unsupported
from operators.networks.architectures.architecture_table import MONAI_ARCHITECTURES, MONAI_CLASSES, maker_of
from operators.networks.weights import distinct
from operators.packages.monai_bundle import SlidingWindow
from operators.packages.plans import WeightsOrigin

INFERENCE = ("inference.json", "inference.yaml", "inference.yml")
# Arguments that MONAI's current classes no longer have, as they have no effect
FORMER = {"monai_swinunetr": {"img_size"}}


def is_bundle(folder: Path) -> bool:
    """Returns whether a folder holds the files of a MONAI bundle."""
    return (folder / "configs" / "metadata.json").is_file() and inference_file(folder) is not None


def inference_file(folder: Path) -> Path | None:
    """Returns the path of the inference configuration; None if it is missing."""
    return next((path for name in INFERENCE if (path := folder / "configs" / name).is_file()), None)


def read_bundle(folder: Path, wanted: Wanted) -> PublishedBundle:
    """Reads the model of a bundle. Raises ModelError, UsageError."""
    path = inference_file(folder)
    if path is None or wanted != Wanted(checkpoint=wanted.checkpoint):
        said = "expected no --fold, --previous or --no-mirroring for a bundle, which has only one network"
        raise UsageError(said)
    with reading(f"{folder.name}/configs"):
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        metadata = json.loads((path.parent / "metadata.json").read_text(encoding="utf-8"))
        return bundle_of(folder, table, metadata, wanted.checkpoint)


def bundle_of(
    folder: Path, table: dict[str, Any], metadata: dict[str, Any], checkpoint: str | None
) -> PublishedBundle:
    """Returns the model that a bundle's configuration and metadata describe."""
    config = BundleConfig(table)
    architecture, arguments = network_of(config.get("network_def"))
    require_one_ct(metadata, arguments)
    classes, values = outputs_of(metadata, int(arguments["out_channels"]))
    patch, tiling = tiling_of(config.get("inferer"))
    steps = steps_of(transforms_of(config, "preprocessing"))
    spacing: Any = next(step.arguments["mm"] for step in steps if step.name == "spacing")
    weights = weights_file(folder, table, checkpoint)
    return PublishedBundle(
        origin=WeightsOrigin(
            "MONAI bundle",
            str(metadata.get("name") or folder.resolve().name),
            str(metadata.get("version", "")),
            f"MONAI {metadata.get('monai_version', '')}".strip(),
        ),
        architecture=architecture,
        arguments=arguments,
        spacing_mm=tuple(spacing),
        patch=patch,
        classes=classes,
        values={name: value for name, value in zip(classes, values, strict=True) if value},
        checkpoints={"model": weights},
        weights=partial(weights_of, key=checkpoint_key(table)),
        steps=steps,
        tiling=tiling,
        outcome=outcome_of(transforms_of(config, "postprocessing"), values),
    )


def network_of(given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns the architecture and arguments of `network_def`. Raises ModelError for an unknown class."""
    target = str(given["_target_"])
    architecture = f"monai_{class_name(target, 'monai.networks.nets.').lower()}"
    if architecture not in MONAI_ARCHITECTURES:
        known_names = ", ".join(MONAI_CLASSES)
        unsupported(f"expected a network of MONAI's {known_names}, got {target}", "architecture_unknown")
    known = inspect.signature(maker_of(architecture)).parameters
    arguments = {}
    for key, value in given.items():
        if key in {"_target_", "_desc_", *FORMER.get(architecture, ())}:
            continue
        if key not in known or (value is None and known[key].default is not None):
            unsupported(f"{target}: expected known arguments, got {key} {value}", "architecture_unknown")
        if value is not None:
            arguments[key] = value
    for key in ("spatial_dims", "in_channels", "out_channels"):
        arguments.setdefault(key, known[key].default)
    return architecture, arguments


def require_one_ct(metadata: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Raises ModelError for a network of several channels, of two dimensions, or of another modality."""
    if arguments["in_channels"] != 1:
        unsupported(
            f"expected a network of one channel, got {arguments['in_channels']}", "channels_unsupported"
        )
    if arguments["spatial_dims"] != 3:
        unsupported(
            f"expected a network of three dimensions, got {arguments['spatial_dims']}", "architecture_unknown"
        )
    for image in formats_of(metadata, "inputs").values():
        if str(image.get("modality", "CT")).upper() not in ("CT", "N/A"):
            unsupported(f"expected a network for CT, got one for {image['modality']}", "modality_unsupported")


def formats_of(metadata: dict[str, Any], side: str) -> dict[str, Any]:
    """Returns metadata.json's description of the network's inputs or outputs."""
    found: dict[str, Any] = metadata.get("network_data_format", {}).get(side, {})
    return found


def outputs_of(metadata: dict[str, Any], channels: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Returns the channels' names and label values; without a background the first writes 1."""
    formats = formats_of(metadata, "outputs").values()
    # Some bundles call it label_def
    first_format: dict[str, Any] = next(iter(formats), {})
    said = first_format.get("channel_def") or first_format.get("label_def") or {}
    names = tuple(str(said.get(str(number), f"class_{number}")) for number in range(channels))
    if len(set(names)) < channels or set(said) - {str(number) for number in range(channels)}:
        raise ValueError(f"expected {channels} channels with different names, got {said}")
    first = 0 if channels > 1 and names[0].lower() in ("background", "class_0") else 1
    if channels + first > 256:
        raise ValueError(f"expected at most 255 labels, got {channels}")
    return names, tuple(range(first, channels + first))


def transforms_of(config: BundleConfig, name: str) -> list[dict[str, Any]]:
    """Returns the transforms of a Compose. Raises ModelError."""
    given = config.get(name)
    if class_name(str(given["_target_"]), "monai.transforms.") != "Compose":
        unsupported(f"{name}: expected a Compose, got {given['_target_']}")
    made: list[dict[str, Any]] = given["transforms"]
    return made


def tiling_of(given: dict[str, Any]) -> tuple[tuple[int, ...], SlidingWindow]:
    """Returns the patch and the sliding window. Raises ModelError for another inferer."""
    if class_name(str(given["_target_"]), "monai.inferers.") != "SlidingWindowInferer":
        unsupported(f"expected a SlidingWindowInferer, got {given['_target_']}")
    said = require(
        "SlidingWindowInferer",
        {key: given[key] for key in given if key not in ("_target_", "_desc_")},
        roi_size=None,
        overlap=0.25,
        mode={"constant", "gaussian"},
        sigma_scale=0.125,
        padding_mode={"constant", "replicate"},
        cval=0.0,
        sw_batch_size=None,
        sw_device=None,
        device=None,
        progress=None,
        cache_roi_weight_map=None,
        cpu_thresh=None,
        buffer_steps=None,
        buffer_dim=None,
    )
    patch = tuple(int(side) for side in three(said["roi_size"]))
    if min(patch) < 1:
        unsupported(f"SlidingWindowInferer: expected a patch, got {patch}")
    return patch, SlidingWindow(
        overlap=tuple(float(share) for share in three(said["overlap"])),
        weights=said.get("mode", "constant"),
        sigma=tuple(float(share) for share in three(said["sigma_scale"])),
        padding=said.get("padding_mode", "constant"),
        fill=float(said["cval"]),
    )


def three(given: Any) -> list[Any]:
    """Returns one value for each of three axes."""
    each = given if isinstance(given, list) else [given] * 3
    if len(each) != 3:
        raise ValueError(f"expected a value for each of three axes, got {given}")
    return each


def loaders_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns every CheckpointLoader of a configuration, by itself or among the handlers."""
    rows = [table.get("checkpointloader"), *table.get("handlers", [])]
    named = [row for row in rows if isinstance(row, dict)]
    home = "monai.handlers."
    return [row for row in named if class_name(str(row.get("_target_")), home) == "CheckpointLoader"]


def checkpoint_key(table: dict[str, Any]) -> str:
    """Returns the key under which a checkpoint may keep the network's weights."""
    return next((str(key) for row in loaders_of(table) for key in row.get("load_dict", {})), "model")


def weights_file(folder: Path, table: dict[str, Any], wanted: str | None) -> Path:
    """Returns the checkpoint: models/`wanted`, else the one that is loaded. Raises ModelError."""
    loaded = [row["load_path"] for row in loaders_of(table) if "load_path" in row]
    if loaded and wanted is None:
        wanted = str(BundleConfig({**table, "bundle_root": "."}).resolved(loaded[0]))
    name = PurePosixPath(wanted or "model.pt").name
    path = folder / "models" / name
    if not path.is_file():
        raise missing_fold(folder, f"models/{name}", "none; name another with --checkpoint")
    return path


def weights_of(path: Path, key: str) -> State:
    """Returns a checkpoint's tensors, each under one name; a state dict itself, or the one below `key`."""
    content = read_checkpoint(path)
    with reading(path.name):
        state = content.get(key, content)
        if not all(hasattr(tensor, "data_ptr") for tensor in state.values()):
            raise ValueError("expected a state dict of tensors, got other values")
        return distinct(dict(state))
