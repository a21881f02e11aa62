"""Reads a folder of nnU-Net v2: plans.json, dataset.json, fold_*/checkpoint_final.pth."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from operators.importing.nnunet.nnunet_v2_network import network_of, tensors_of
from operators.importing.nnunet.postprocessing import largest_of_v2
from operators.importing.pickles import read_checkpoint
from operators.importing.published import (
    WHOLE_RANGE_HU,
    PublishedModel,
    State,
    Wanted,
    fold_files,
    joined,
    previous_folder,
    reading,
    require_no_previous,
    unsupported,
)
from operators.packages.packages import Normalisation
from operators.packages.plans import NnUNetPlans, Resampling, Separate, WeightsOrigin

CHECKPOINT = "checkpoint_final.pth"
SCHEMES = {
    "CTNormalization": "ct",
    "ZScoreNormalization": "z_score",
    "NoNormalization": "none",
    "RescaleTo01Normalization": "rescale_to_01",
}
RESAMPLING = "resample_data_or_seg_to_shape"
CONFIGURATION = re.compile(r"\w[\w.-]*")
SEPARATE: dict[bool | None, Separate] = {None: "auto", True: "always", False: "never"}


def read_nnunet_v2(folder: Path, wanted: Wanted) -> PublishedModel:
    """Reads the model of a trainer's folder, and the previous stage if there is one. Raises ModelError."""
    checkpoints = fold_files(folder, wanted.checkpoint or CHECKPOINT, wanted.folds)
    first = read_checkpoint(next(iter(checkpoints.values())))
    with reading(f"{folder.name}/plans.json"):
        plans = json.loads((folder / "plans.json").read_text(encoding="utf-8"))
        dataset = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        name = str(first["init_args"]["configuration"])
        configuration = resolved(plans["configurations"], name)
        require_known(plans, configuration, dataset)
        origin = WeightsOrigin("nnU-Net v2", str(plans["dataset_name"]), name, str(first["trainer_name"]))
        axes = first.get("inference_allowed_mirroring_axes") or () if wanted.mirroring else ()
        model = one_stage(plans, configuration, dataset, origin, tuple(int(axis) for axis in axes))
        largest = largest_of_v2(folder, checkpoints, model.values.values())
        model = replace(model, checkpoints=checkpoints, largest=largest)
        before = stage_before(folder, configuration)
    if before is None:
        require_no_previous(wanted, name)
        return model
    beside, guide = before
    previous = read_nnunet_v2(previous_folder(wanted, beside), wanted.others)
    # nnU-Net's predictor never applies the previous stage's post-processing to the labels that it passes on
    return joined(model, replace(previous, largest=()), guide)


def one_stage(
    plans: dict[str, Any],
    configuration: dict[str, Any],
    dataset: dict[str, Any],
    origin: WeightsOrigin,
    mirror_axes: tuple[int, ...],
) -> PublishedModel:
    """Returns one stage as its plans and data set describe it, without its files."""
    classes, values, regions = outputs_of(dataset)
    architecture, arguments = network_of(configuration)
    scheme, window_hu = normalisation_of(plans, configuration)
    return PublishedModel(
        origin=origin,
        architecture=architecture,
        arguments=arguments | {"inputs": 1, "outputs": len(classes)},
        spacing_mm=tuple(float(mm) for mm in configuration["spacing"]),
        patch=tuple(int(side) for side in configuration["patch_size"]),
        window_hu=window_hu,
        normalisation=scheme,
        recipe=replace(recipe_of(plans, configuration), mirror_axes=mirror_axes, regions=regions),
        classes=classes,
        values=values,
        checkpoints={},
        weights=weights_of,
    )


def stage_before(folder: Path, configuration: dict[str, Any]) -> tuple[Path, Resampling] | None:
    """Returns the folder of a cascade's previous stage, and how its labels are resampled; else None."""
    name = configuration.get("previous_stage")
    return (sibling(folder, str(name)), guide_of(configuration)) if name else None


def sibling(folder: Path, configuration: str) -> Path:
    """Returns another configuration's folder, of the same TRAINER__PLANS__CONFIGURATION but for the last."""
    if not CONFIGURATION.fullmatch(configuration):
        raise ValueError(f"expected a configuration's name, got {configuration!r}")
    here = folder.absolute()
    return here.with_name("__".join([*here.name.split("__")[:-1], configuration]))


def guide_of(configuration: dict[str, Any]) -> Resampling:
    """Returns how labels of the previous stage are resampled. Raises ModelError for an unsupported method."""
    how = resampling_of(configuration["resampling_fn_seg_kwargs"])
    if configuration["resampling_fn_seg"] != RESAMPLING or how.order_across:
        unsupported(
            f"expected labels resampled by {RESAMPLING}, the nearest across slices, got "
            f"{configuration['resampling_fn_seg']} of order {how.order_across}"
        )
    return how


def weights_of(path: Path) -> State:
    """Returns the tensors of one checkpoint."""
    content = read_checkpoint(path)
    with reading(path.name):
        return tensors_of(content["network_weights"])


def resolved(configurations: dict[str, Any], name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Returns a configuration with inherited values. Raises ValueError for a circular inheritance."""
    own = configurations[name]
    parent = own.get("inherits_from")
    if parent is None:
        return dict(own)
    if parent in seen:
        raise ValueError(f"{name} inherits from itself")
    return {**resolved(configurations, parent, (*seen, name)), **own}


def require_known(plans: dict[str, Any], configuration: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Raises ModelError for a model that the image path could not run as the original does."""
    channels = dataset.get("channel_names") or dataset.get("modality") or {}
    if len(channels) != 1:
        unsupported(f"expected a network of one channel, got {len(channels)}", "channels_unsupported")
    for key, known in (
        ("preprocessor_name", "DefaultPreprocessor"),
        ("resampling_fn_data", RESAMPLING),
        ("resampling_fn_probabilities", RESAMPLING),
    ):
        if configuration[key] != known:
            unsupported(f"expected {key} {known}, got {configuration[key]}")
    if plans.get("label_manager", "LabelManager") != "LabelManager":
        unsupported(f"expected LabelManager, got {plans['label_manager']}")


def outputs_of(dataset: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, int], tuple[int, ...]]:
    """Returns the outputs' names, the values they write, and the values of regions (() for classes)."""
    labels = {name: value for name, value in dataset["labels"].items() if name != "ignore"}
    if any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        names = tuple(name for name, value in labels.items() if value not in (0, [0]))
        order = tuple(int(value) for value in dataset["regions_class_order"])
        return names, dict(zip(names, order, strict=True)), order
    flat = {name: int(value[0] if isinstance(value, list) else value) for name, value in labels.items()}
    names = tuple(sorted(flat, key=lambda name: flat[name]))
    if [flat[name] for name in names] != list(range(len(names))) or len(names) > 256:
        raise ValueError("expected labels 0, 1, 2, ... without gaps, at most 255")
    return names, {name: flat[name] for name in names[1:]}, ()


def normalisation_of(
    plans: dict[str, Any], configuration: dict[str, Any]
) -> tuple[Normalisation, tuple[float, float]]:
    """Returns the normalisation of intensities, and their window. Raises ModelError."""
    name = configuration["normalization_schemes"][0]
    if name not in SCHEMES:
        unsupported(f"expected a normalisation of {list(SCHEMES)}, got {name}")
    masked = bool(configuration["use_mask_for_norm"][0])
    if SCHEMES[name] != "ct":
        return Normalisation(SCHEMES[name], masked=masked), WHOLE_RANGE_HU
    key = "foreground_intensity_properties_per_channel"
    # The key in plans of the first releases
    former = "foreground_intensity_properties_by_modality"
    seen = plans[key if key in plans else former]["0"]
    window_hu = (float(seen["percentile_00_5"]), float(seen["percentile_99_5"]))
    return Normalisation("ct", float(seen["mean"]), float(seen["std"])), window_hu


def recipe_of(plans: dict[str, Any], configuration: dict[str, Any]) -> NnUNetPlans:
    """Returns axes and resampling; LPS as in DICOM is assumed, as plans state no orientation."""
    return NnUNetPlans(
        orientation="LPS",
        transpose=tuple(int(axis) for axis in plans["transpose_forward"]),
        image=resampling_of(configuration["resampling_fn_data_kwargs"]),
        output=resampling_of(configuration["resampling_fn_probabilities_kwargs"]),
    )


def resampling_of(arguments: dict[str, Any]) -> Resampling:
    """Returns nnU-Net's resampling arguments as a Resampling."""
    separate = SEPARATE[arguments.get("force_separate_z", False)]
    return Resampling(int(arguments.get("order", 3)), int(arguments.get("order_z", 0)), separate)
