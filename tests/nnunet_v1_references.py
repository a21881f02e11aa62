"""Reference predictions of nnU-Net v1 for the synthetic models; needs an environment with nnunet 1.7.1.

    python tests/nnunet_v1_references.py FOLDER OUT.npz [labels]      the last: no logits

Imports nothing of Osteon. The original's parts are called as its predict.py does; its files and
processes, which need the folders of a training, are left out.
"""

import os
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("nnUNet_raw_data_base", "nnUNet_preprocessed", "RESULTS_FOLDER"):
    os.environ.setdefault(variable, tempfile.gettempdir())

import numpy as np
import scipy.ndimage
import torch

# Where scipy had them when version 1 was written
sys.modules.setdefault("scipy.ndimage.filters", scipy.ndimage)
sys.modules.setdefault("scipy.ndimage.interpolation", scipy.ndimage)

from batchgenerators.augmentations.utils import resize_segmentation
from nnunet.network_architecture.generic_UNet import Generic_UNet
from nnunet.preprocessing.cropping import crop_to_nonzero
from nnunet.preprocessing.preprocessing import (
    GenericPreprocessor,
    get_do_separate_z,
    get_lowres_axis,
    resample_data_or_seg,
)
from nnunet.utilities.nd_softmax import softmax_helper
from nnunet.utilities.one_hot_encoding import to_one_hot

Spacing = tuple[float, ...]


def network_of(plans: dict[str, Any], stage: dict[str, Any], inputs: int) -> Generic_UNet:
    """nnUNetTrainerV2.initialize_network."""
    pools, kernels = stage["pool_op_kernel_sizes"], stage["conv_kernel_sizes"]
    network = Generic_UNet(
        inputs,
        plans["base_num_features"],
        plans["num_classes"] + 1,
        len(pools),
        plans["conv_per_stage"],
        2,
        torch.nn.Conv3d,
        torch.nn.InstanceNorm3d,
        {"eps": 1e-5, "affine": True},
        torch.nn.Dropout3d,
        {"p": 0, "inplace": True},
        torch.nn.LeakyReLU,
        {"negative_slope": 1e-2, "inplace": True},
        True,
        False,
        lambda x: x,
        None,
        pools,
        kernels,
        False,
        True,
        True,
    )
    network.inference_apply_nonlin = softmax_helper
    network.do_ds = False
    return network.eval()


def probabilities_of(
    folder: Path, network: Generic_UNet, data: np.ndarray, patch: tuple[int, ...]
) -> np.ndarray:
    """The mean over all folds, tiled and mirrored."""
    folds = sorted(folder.glob("fold_*"))
    about = pickle.loads((folds[0] / "model_final_checkpoint.model.pkl").read_bytes())
    mirrored = "noMirror" not in about["name"]
    total = 0
    for fold in folds:
        content = torch.load(fold / "model_final_checkpoint.model", weights_only=False)
        network.load_state_dict(content["state_dict"])
        total = (
            total
            + network.predict_3D(
                data,
                mirrored,
                (0, 1, 2),
                True,
                0.5,
                patch,
                None,
                True,
                "constant",
                {"constant_values": 0},
                False,
                False,
                False,
            )[1]
        )
    return np.asarray(total / len(folds))


def exported(
    softmax: np.ndarray, shape: tuple[int, ...], spacing: Spacing, network_spacing: Spacing
) -> np.ndarray:
    """save_segmentation_nifti_from_softmax, up to the cropping."""
    separate, axis = False, None
    for each in (spacing, network_spacing):
        if not separate and get_do_separate_z(each):
            separate, axis = True, get_lowres_axis(each)
    separate = separate and axis is not None and len(axis) == 1
    return resample_data_or_seg(softmax, shape, False, axis, 1, separate, order_z=0).argmax(0)


def labels_of(folder: Path, image: np.ndarray, spacing: Spacing, before: np.ndarray | None) -> np.ndarray:
    """The label map of one stage; `before` is that of the stage before, brought in as predict.py does it."""
    plans, stage = plans_of(folder)
    forward = plans["transpose_forward"]
    data, seg, box = crop_to_nonzero(image[None].copy())
    cropped = data.shape[1:]
    axes = (0, *[axis + 1 for axis in forward])
    properties = {"original_spacing": np.array(spacing)}
    preprocessor = GenericPreprocessor(
        plans["normalization_schemes"],
        plans["use_mask_for_norm"],
        forward,
        plans["dataset_properties"]["intensityproperties"],
    )
    data, _, _ = preprocessor.resample_and_normalize(
        data.transpose(axes), stage["current_spacing"], properties, seg.transpose(axes)
    )
    if before is not None:
        resized = resize_segmentation(before.transpose(forward), data.shape[1:], order=1)
        data = np.vstack((data, to_one_hot(resized, list(range(1, plans["num_classes"] + 1)))))
    network = network_of(plans, stage, len(data))
    patch = tuple(int(side) for side in stage["patch_size"])
    softmax = probabilities_of(folder, network, data.astype(np.float32), patch)
    back = plans["transpose_backward"]
    softmax = softmax.transpose([0, *[axis + 1 for axis in back]])
    labels = np.zeros(image.shape, np.uint8)
    inside = tuple(slice(low, high) for low, high in box)
    labels[inside] = exported(softmax, cropped, spacing, stage["current_spacing"][back])
    return labels


def plans_of(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plans, and the stage that the folder's networks were trained at."""
    about = pickle.loads((folder / "fold_0" / "model_final_checkpoint.model.pkl").read_bytes())
    plans = pickle.loads((folder / "plans.pkl").read_bytes())
    return plans, plans["plans_per_stage"][about["init"][5]]


def logits_of(folder: Path, image: np.ndarray) -> np.ndarray:
    """The first fold's logits of the image's corner."""
    plans, stage = plans_of(folder)
    content = torch.load(folder / "fold_0" / "model_final_checkpoint.model", weights_only=False)
    inputs = next(iter(content["state_dict"].values())).shape[1]
    network = network_of(plans, stage, inputs)
    network.load_state_dict(content["state_dict"])
    corner = image[tuple(slice(0, int(side)) for side in stage["patch_size"])]
    channels = np.stack([corner / 500, *(corner > 100 * number for number in range(1, inputs))])
    with torch.no_grad():
        return network(torch.from_numpy(channels.astype(np.float32)[None]))[0].numpy()[:, ::5, ::5, ::5]


def main() -> None:
    """Every case of version 1; a cascade has its folders below its own."""
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    image, spacings = pickle.loads((root / "image.pkl").read_bytes())
    found: dict[str, np.ndarray] = {}
    began = time.monotonic()
    for name, spacing in spacings.items():
        stages = sorted((root / name).glob("3d_*/*/*"), reverse=True) or [root / name]
        if not (stages[0] / "plans.pkl").is_file():
            continue
        labels = None
        for folder in stages:
            labels = labels_of(folder, image, spacing, labels)
        assert labels is not None
        found |= {f"{name}.labels": labels}
        if "labels" not in sys.argv[3:]:
            found |= {f"{name}.logits": logits_of(folder, image)}
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    np.savez_compressed(out, allow_pickle=False, **found)


if __name__ == "__main__":
    main()
