"""nnU-Net v2's own predictor with one small network of random weights: a yardstick, not a segmenter.

    python nnunet_peer.py VOLUME.npz

Runs in an environment with nnunetv2; imports nothing of Osteon. VOLUME.npz holds `hu` (z, y, x)
and `spacing` (mm, same order).
"""

import os
import sys
import tempfile

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, tempfile.gettempdir())

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

STAGES = 5
CLASSES = {"background": 0, "sacrum": 1, "hip_left": 2, "hip_right": 3, "femur": 4}
RESAMPLING = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
PLANS = {
    "dataset_name": "Dataset999_Yardstick",
    "plans_name": "nnUNetPlans",
    "image_reader_writer": "SimpleITKIO",
    "transpose_forward": [0, 1, 2],
    "transpose_backward": [0, 1, 2],
    "experiment_planner_used": "ExperimentPlanner",
    "label_manager": "LabelManager",
    "foreground_intensity_properties_per_channel": {
        "0": {
            "mean": 300.0,
            "std": 250.0,
            "percentile_00_5": -100.0,
            "percentile_99_5": 1300.0,
            "min": -500.0,
            "max": 3000.0,
            "median": 270.0,
        }
    },
    "configurations": {
        "3d_fullres": {
            "data_identifier": "nnUNetPlans_3d_fullres",
            "preprocessor_name": "DefaultPreprocessor",
            "batch_size": 2,
            "patch_size": [96, 96, 96],
            "spacing": [2.0, 2.0, 2.0],
            "normalization_schemes": ["CTNormalization"],
            "use_mask_for_norm": [False],
            "resampling_fn_data": "resample_data_or_seg_to_shape",
            "resampling_fn_seg": "resample_data_or_seg_to_shape",
            "resampling_fn_data_kwargs": RESAMPLING,
            "resampling_fn_seg_kwargs": {**RESAMPLING, "is_seg": True, "order": 1},
            "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs": {**RESAMPLING, "order": 1},
            "architecture": {
                "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                "arch_kwargs": {
                    "n_stages": STAGES,
                    "features_per_stage": [16, 32, 64, 128, 160],
                    "conv_op": "torch.nn.modules.conv.Conv3d",
                    "kernel_sizes": [[3, 3, 3]] * STAGES,
                    "strides": [[1, 1, 1]] + [[2, 2, 2]] * (STAGES - 1),
                    "n_conv_per_stage": [2] * STAGES,
                    "n_conv_per_stage_decoder": [2] * (STAGES - 1),
                    "conv_bias": True,
                    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
                    "dropout_op": None,
                    "dropout_op_kwargs": None,
                    "nonlin": "torch.nn.LeakyReLU",
                    "nonlin_kwargs": {"inplace": True},
                },
                "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
            },
        }
    },
}


def predictor() -> nnUNetPredictor:
    """A predictor with random weights."""
    torch.manual_seed(0)
    plans = PlansManager(PLANS)
    configuration = plans.get_configuration("3d_fullres")
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        1,
        len(CLASSES),
        deep_supervision=False,
    )
    dataset = {"labels": CLASSES, "channel_names": {"0": "CT"}, "file_ending": ".nii.gz", "numTraining": 1}
    made = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu")
    )
    made.manual_initialization(
        network, plans, configuration, [network.state_dict()], dataset, "nnUNetTrainer", None
    )
    return made


def main() -> None:
    """Predicts one volume."""
    content = np.load(sys.argv[1])
    hu = content["hu"].astype(np.float32)[None]
    properties = {"spacing": [float(s) for s in content["spacing"]]}
    labels = predictor().predict_single_npy_array(hu, properties, None, None, False)
    print(labels.shape)


if __name__ == "__main__":
    main()
