"""Runs nnU-Net v2's own predictor with the networks of a folder, as the peer of benchmarks.

    python nnunet_peer.py FOLDER VOLUME.npz OUT.npz

It needs an environment with nnunetv2 and imports nothing of Osteon. VOLUME.npz holds `hu` (z, y, x) and
`spacing` (mm, same order); OUT.npz will hold `labels`. There is no test-time mirroring. Prints the seconds of
each stage as JSON.
"""

import json
import os
import resource
import sys
import tempfile
import time

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, tempfile.gettempdir())

import numpy as np
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


class Clock:
    """Seconds of each stage, and the process's peak memory at its end."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.stages: dict[str, tuple[float, int]] = {}

    def ended(self, stage: str) -> None:
        """Records the stage since the previous one."""
        now = time.monotonic()
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1000
        self.stages[stage] = (round(now - self.began, 2), round(peak_mb))
        self.began = now


def predicted(predictor: nnUNetPredictor, hu: np.ndarray, spacing: list[float], clock: Clock) -> np.ndarray:
    """Predicts like nnUNetPredictor.predict_single_npy_array and times each stage."""
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case_npy(
        hu[None], None, {"spacing": spacing}, plans, configuration, predictor.dataset_json
    )
    clock.ended("resampling")
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(np.asarray(data))).cpu()
    clock.ended("network")
    labels = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits, plans, configuration, predictor.label_manager, properties, False
    )
    clock.ended("export")
    return labels


def main() -> None:
    """Predicts one volume."""
    folder, volume, out = sys.argv[1:]
    clock = Clock()
    content = np.load(volume)
    predictor = nnUNetPredictor(
        use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(folder, None)
    clock.ended("loading")
    spacing = [float(mm) for mm in content["spacing"]]
    np.savez(out, labels=predicted(predictor, content["hu"].astype(np.float32), spacing, clock))
    print(json.dumps(clock.stages))


if __name__ == "__main__":
    main()
