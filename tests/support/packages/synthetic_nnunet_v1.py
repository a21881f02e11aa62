"""Writes model folders in the form of nnU-Net v1.

    python -m tests.support.packages.synthetic_nnunet_v1 FOLDER

writes every case of both versions, and the image to run them on.
"""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support.packages.synthetic_nnunet import (
    CASES,
    MEASURES,
    Case,
    architecture_of,
    made_image,
    made_state,
    write_v2,
)

# Version 1: bottleneck and decoder share kernels, no bias in the decoder, older file format
V1_CASES = (
    Case("v1_plain", features=(4, 8, 16), folds=2),
    Case(
        "v1_thick",
        features=(4, 8, 16),
        kernels=((1, 3, 3), (3, 3, 3), (3, 1, 3)),
        strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
        spacing=(4.6, 1.2, 1.3),
        patch=(8, 24, 16),
        spacing_mm=(5.0, 1.1, 1.0),
        transpose=(0, 2, 1),
    ),
    Case(
        "v1_cascade",
        features=(4, 8, 16),
        folds=2,
        transpose=(1, 0, 2),
        before=Case(
            "v1_low",
            features=(4, 8, 16),
            spacing=(2.9, 2.4, 2.2),
            folds=2,
            transpose=(1, 0, 2),
        ),
    ),
    Case(
        "v1_cascade_thick",
        features=(4, 8, 16),
        spacing_mm=(5.0, 1.1, 1.0),
        spacing=(3.5, 1.2, 1.3),
        before=Case(
            "v1_low",
            features=(4, 8, 16),
            spacing=(5.5, 1.9, 1.8),
            spacing_mm=(5.0, 1.1, 1.0),
        ),
    ),
)


def v1_architecture(case: Case) -> tuple[str, dict[str, Any]]:
    """Returns Osteon's architecture and arguments for Generic_UNet."""
    name, arguments = architecture_of(case)
    kernels = case.kernels[:0:-1]
    return name, {**arguments, "decoder_kernels": kernels, "upsampling_bias": False, "head_bias": False}


def v1_names(case: Case, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the weights under the names of Generic_UNet."""
    last = len(case.features) - 1
    named = OrderedDict((v1_name(name, last), tensor) for name, tensor in state.items())
    for stage in range(last - 1):
        width = case.features[last - 1 - stage]
        named[f"seg_outputs.{stage}.weight"] = torch.zeros(case.outputs, width, *[1] * case.dimensions)
    return named


def v1_name(name: str, last: int) -> str:
    """Returns a tensor's name in Generic_UNet, whose stages have two convolutions each."""
    short = name.replace(".norm.", ".instnorm.").replace("decoder.head.", f"seg_outputs.{last - 1}.")
    if short.startswith("decoder.transpconvs."):
        return short.replace("decoder.transpconvs.", "tu.")
    part, _, rest = short.partition(".convs.")
    if not rest:
        return short
    place = "conv_blocks_context" if part.startswith("encoder") else "conv_blocks_localization"
    stage, number, tail = int(part.split(".")[2]), int(rest[0]), rest[2:]
    if place == "conv_blocks_context" and stage < last:
        return f"{place}.{stage}.blocks.{number}.{tail}"
    return f"{place}.{stage}.{number}.blocks.0.{tail}"


def v1_plans(case: Case) -> dict[str, Any]:
    """Returns plans.pkl, with numpy types as left by the planner; a cascade's plans hold both stages."""
    measures = {name.replace("std", "sd"): np.float64(value) for name, value in MEASURES.items()}
    stages = [stage_of(each) for each in (case.before, case) if each]
    return {
        "num_stages": len(stages),
        "num_modalities": 1,
        "modalities": {0: "CT"},
        "num_classes": case.outputs - 1,
        "all_classes": list(range(1, case.outputs)),
        "base_num_features": case.features[0],
        "conv_per_stage": 2,
        "normalization_schemes": OrderedDict({0: "CT"}),
        "use_mask_for_norm": OrderedDict({0: False}),
        "transpose_forward": list(case.transpose),
        "transpose_backward": np.argsort(case.transpose),
        "plans_per_stage": dict(enumerate(stages)),
        "dataset_properties": {"intensityproperties": OrderedDict({0: OrderedDict(measures)})},
    }


def stage_of(case: Case) -> dict[str, Any]:
    """Returns an entry of `plans_per_stage`."""
    return {
        "batch_size": 2,
        "patch_size": np.array(case.patch),
        "current_spacing": np.array(case.spacing),
        "pool_op_kernel_sizes": [list(stride) for stride in case.strides[1:]],
        "conv_kernel_sizes": [list(kernel) for kernel in case.kernels],
        "do_dummy_2D_data_aug": False,
    }


def write_v1(case: Case, folder: Path) -> Path:
    """Writes a trainer's folder of nnU-Net v1; for a cascade `folder` holds those of both stages."""
    plans = v1_plans(case)
    # Only the name of a trainer shows that it does not mirror
    plain = "nnUNetTrainerV2" + "_noMirroring" * (case.mirrored is None)
    if case.before is None:
        return write_stage(case, plans, folder, (plain, 0, ()))
    low = folder / "3d_lowres" / "Task901_Made" / f"{plain}__nnUNetPlansv2.1"
    write_stage(case.before, plans, low, (plain, 0, ()))
    trainer = plain.replace("V2", "V2CascadeFullRes")
    full = folder / "3d_cascade_fullres" / "Task901_Made" / f"{trainer}__nnUNetPlansv2.1"
    return write_stage(case, plans, full, (trainer, 1, (plain,)))


def write_stage(
    case: Case, plans: dict[str, Any], folder: Path, trained: tuple[str, int, tuple[str, ...]]
) -> Path:
    """Writes a trainer's folder; `trained` holds the trainer's name, its stage and its own arguments."""
    trainer, stage, more = trained
    folder.mkdir(parents=True)
    (folder / "plans.pkl").write_bytes(pickle.dumps(plans))
    for fold in range(case.folds):
        (folder / f"fold_{fold}").mkdir()
        file = folder / f"fold_{fold}" / "model_final_checkpoint.model"
        state = v1_names(case, made_state(*v1_architecture(case), fold))
        # Keys of NetworkTrainer.save_checkpoint and nnUNetTrainer.save_checkpoint
        content = {
            "epoch": 1000,
            "state_dict": state,
            "optimizer_state_dict": {},
            "lr_scheduler_state_dict": None,
            "plot_stuff": ([np.float64(1)], [], [], []),
            "best_stuff": (np.float64(0.1), None, None),
        }
        torch.save(content, file, _use_new_zipfile_serialization=False)
        init = ("plans.pkl", fold, "out", "data", True, stage, True, False, *more, True)
        about = {"init": init, "name": trainer, "class": trainer, "plans": plans}
        file.with_name(file.name + ".pkl").write_bytes(pickle.dumps(about))
    return folder


def main() -> None:
    """Writes every case and the image."""
    root = Path(sys.argv[1])
    for case in CASES:
        write_v2(case, root / case.name)
    for case in V1_CASES:
        write_v1(case, root / case.name)
    spacings = {case.name: case.spacing_mm for case in (*CASES, *V1_CASES)}
    (root / "image.pkl").write_bytes(pickle.dumps((made_image(), spacings)))


if __name__ == "__main__":
    main()
