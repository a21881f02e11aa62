"""Reads a folder of nnU-Net v1: plans.pkl, fold_*/model_final_checkpoint.model and .model.pkl."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from operators.importing.nnunet.postprocessing import largest_of_v1
from operators.importing.pickles import read_checkpoint, read_pickle
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
from operators.packages.plans import NnUNetPlans, Resampling, WeightsOrigin

CHECKPOINT = "model_final_checkpoint.model"
# Generic_UNet.MAX_NUM_FILTERS_3D and MAX_FILTERS_2D
MOST_FEATURES = {2: 480, 3: 320}
SCHEMES = {"CT": "ct", "noNorm": "none", "nonCT": "z_score"}
# Trainers with the network, preprocessing and mirroring of nnUNetTrainerV2 have names that begin with it
TRAINER = "nnUNetTrainerV2"
CASCADE = "CascadeFullRes"
LOW_RESOLUTION = "3d_lowres"
NO_MIRRORING = re.compile("no_?mirror", re.IGNORECASE)
# Tensors of Generic_UNet; the last convolution of a stage is named differently in the bottleneck and the
# decoder
PARTS = (
    (r"conv_blocks_context\.(\d+)\.blocks\.(\d+)\.", "encoder.stages.{0}.0.convs.{1}."),
    (r"conv_blocks_context\.(\d+)\.0\.blocks\.(\d+)\.", "encoder.stages.{0}.0.convs.{1}."),
    (r"conv_blocks_context\.(\d+)\.1\.blocks\.0\.", "encoder.stages.{0}.0.convs.{last}."),
    (r"conv_blocks_localization\.(\d+)\.0\.blocks\.(\d+)\.", "decoder.stages.{0}.convs.{1}."),
    (r"conv_blocks_localization\.(\d+)\.1\.blocks\.0\.", "decoder.stages.{0}.convs.{last}."),
    (r"tu\.(\d+)\.", "decoder.transpconvs.{0}."),
)


def read_nnunet_v1(folder: Path, wanted: Wanted) -> PublishedModel:
    """Reads the model of a trainer's folder, and the previous stage if there is one. Raises ModelError."""
    checkpoints = fold_files(folder, wanted.checkpoint or CHECKPOINT, wanted.folds)
    first = next(iter(checkpoints.values()))
    plans, about = read_pickle(folder / "plans.pkl"), read_pickle(first.with_name(first.name + ".pkl"))
    with reading(f"{folder.name}/plans.pkl"):
        trainer = str(about["name"])
        require_known(plans, trainer)
        origin = WeightsOrigin("nnU-Net v1", folder.parent.name, folder.parent.parent.name, trainer)
        mirrored = wanted.mirroring and not NO_MIRRORING.search(trainer)
        model = one_stage(plans, stage_of(plans, about), origin, mirrored)
        largest = largest_of_v1(folder, range(1, len(model.classes)))
        model = replace(model, checkpoints=checkpoints, largest=largest)
        beside = sibling(folder, former_trainer(about)) if CASCADE in trainer else None
    if beside is None:
        require_no_previous(wanted, trainer)
        return model
    previous = read_nnunet_v1(previous_folder(wanted, beside), wanted.others)
    # predict.py stretches the whole label map over the cropped image, never slice by slice
    stretched = replace(model, recipe=replace(model.recipe, guide_cropped=False))
    return joined(stretched, previous, Resampling(1, separate="never"))


def one_stage(
    plans: dict[str, Any], stage: dict[str, Any], origin: WeightsOrigin, mirrored: bool
) -> PublishedModel:
    """Returns one stage as its plans describe it, without its files."""
    patch = tuple(int(side) for side in stage["patch_size"])
    dimensions = len(patch)
    scheme, window_hu = normalisation_of(plans)
    classes = ("background", *(f"class_{number}" for number in range(1, int(plans["num_classes"]) + 1)))
    return PublishedModel(
        origin=origin,
        architecture="nnunet_plain",
        arguments=arguments_of(plans, stage, dimensions) | {"inputs": 1, "outputs": len(classes)},
        spacing_mm=tuple(float(mm) for mm in stage["current_spacing"])[-dimensions:],
        patch=patch,
        window_hu=window_hu,
        normalisation=scheme,
        recipe=recipe_of(plans, tuple(range(dimensions)) if mirrored else ()),
        classes=classes,
        values={name: number for number, name in enumerate(classes) if number},
        checkpoints={},
        weights=partial(weights_of, last=int(plans["conv_per_stage"]) - 1),
    )


def former_trainer(about: dict[str, Any]) -> str:
    """Returns the trainer of the previous stage: the ninth argument of a cascade's trainer."""
    name = str(about["init"][8])
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"expected a trainer's name, got {name!r}")
    return name


def sibling(folder: Path, trainer: str) -> Path:
    """Returns the low resolution's folder: 3d_lowres/TASK/TRAINER__PLANS beside 3d_cascade_fullres."""
    task, plans = folder.absolute().parent, folder.absolute().name.partition("__")[2]
    return task.parent.parent / LOW_RESOLUTION / task.name / f"{trainer}__{plans}"


def require_known(plans: dict[str, Any], trainer: str) -> None:
    """Raises ModelError for a model that the image path could not run as the original does."""
    if not trainer.startswith(TRAINER):
        unsupported(f"expected a trainer {TRAINER}..., got {trainer}", "architecture_unknown")
    if int(plans["num_modalities"]) != 1:
        unsupported(
            f"expected a network of one channel, got {plans['num_modalities']}", "channels_unsupported"
        )
    if plans["use_mask_for_norm"][0]:
        unsupported("expected normalisation of the whole image, got a masked one")
    if list(plans["all_classes"]) != list(range(1, int(plans["num_classes"]) + 1)):
        raise ValueError(f"expected classes 1, 2, 3, ..., got {list(plans['all_classes'])}")


def stage_of(plans: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Returns the stage that was trained, the sixth argument of the trainer. Raises ModelError."""
    stages = plans["plans_per_stage"]
    number = about["init"][5]
    if number is None and len(stages) > 1:
        unsupported("expected a checkpoint that names its stage, got one without a stage", "plans_unreadable")
    made: dict[str, Any] = stages[next(iter(stages)) if number is None else number]
    return made


def arguments_of(plans: dict[str, Any], stage: dict[str, Any], dimensions: int) -> dict[str, object]:
    """Returns the arguments of `nnunet_plain`."""
    pools = [[int(side) for side in pool] for pool in stage["pool_op_kernel_sizes"]]
    kernels = [[int(side) for side in kernel] for kernel in stage["conv_kernel_sizes"]]
    base, levels = int(plans["base_num_features"]), len(pools) + 1
    per_stage = int(plans["conv_per_stage"])
    return {
        "dimensions": dimensions,
        "features": [min(base * 2**level, MOST_FEATURES[dimensions]) for level in range(levels)],
        "kernels": kernels,
        "strides": [[1] * dimensions, *pools],
        "blocks": [per_stage] * levels,
        "decoder_blocks": [per_stage] * (levels - 1),
        # Each stage of the decoder has the kernel of the encoder's stage below it
        "decoder_kernels": kernels[:0:-1],
        "upsampling_bias": False,
        "head_bias": False,
    }


def normalisation_of(plans: dict[str, Any]) -> tuple[Normalisation, tuple[float, float]]:
    """Returns the normalisation of intensities, and their window. Raises ModelError."""
    name = plans["normalization_schemes"][0]
    if name not in SCHEMES:
        unsupported(f"expected a normalisation of {list(SCHEMES)}, got {name}")
    if name != "CT":
        return Normalisation(SCHEMES[name]), WHOLE_RANGE_HU
    seen = plans["dataset_properties"]["intensityproperties"][0]
    window_hu = (float(seen["percentile_00_5"]), float(seen["percentile_99_5"]))
    return Normalisation("ct", float(seen["mean"]), float(seen["sd"])), window_hu


def recipe_of(plans: dict[str, Any], mirrored: tuple[int, ...]) -> NnUNetPlans:
    """Returns the plans. Version 1 resamples before it normalises, and averages probabilities."""
    return NnUNetPlans(
        orientation="LPS",
        transpose=tuple(int(axis) for axis in plans["transpose_forward"]),
        image=Resampling(3),
        output=Resampling(1),
        mirror_axes=mirrored,
        averaged="probabilities",
        normalise_first=False,
    )


def weights_of(path: Path, last: int) -> State:
    """Returns the tensors of one checkpoint; `last` is the number of a stage's last convolution."""
    content = read_checkpoint(path)
    with reading(path.name):
        named = {name.removeprefix("module."): tensor for name, tensor in content["state_dict"].items()}
        heads = [int(name.split(".")[1]) for name in named if name.startswith("seg_outputs.")]
        head = f"seg_outputs.{max(heads)}."
        return {renamed(name, head, last): tensor for name, tensor in named.items() if runs(name, head)}


def runs(name: str, head: str) -> bool:
    """Returns whether a tensor is used for inference: outputs at lower resolutions serve training only."""
    return name.startswith(head) or not name.startswith("seg_outputs.")


def renamed(name: str, head: str, last: int) -> str:
    """Returns the name of a Generic_UNet tensor in `unets.py`; an unknown one stays unchanged."""
    short = name.replace(".instnorm.", ".norm.")
    if short.startswith(head):
        return short.replace(head, "decoder.head.")
    for pattern, target in PARTS:
        found = re.match(pattern, short)
        if found:
            return target.format(*found.groups(), last=last) + short[found.end() :]
    return short
