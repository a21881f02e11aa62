"""Runs nnU-Net v2's own predictor several times on one picture, as the peer of benchmarks of radiographs.

    python nnunet_2d_peer.py FOLDER PICTURE.png OUT [--runs 6] [--threads 2]

It needs an environment with nnunetv2 and imports nothing of Osteon. nnU-Net's own functions read the picture,
preprocess it, predict with mirroring, and write the labels to OUT as PNG. Prints a list as JSON like
radiograph_run.py.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, tempfile.gettempdir())

import numpy as np
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


def predict(predictor: nnUNetPredictor, picture: Path, out: Path) -> dict[str, Any]:
    """Predicts like nnUNetPredictor.predict_single_npy_array, from file to file; returns the cost."""
    began, before_s = time.monotonic(), time.process_time()
    plans, configuration = predictor.plans_manager, predictor.configuration_manager
    preprocessor = configuration.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case(
        [str(picture)], None, plans, configuration, predictor.dataset_json
    )
    read = time.monotonic()
    logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(np.asarray(data))).cpu()
    predicted = time.monotonic()
    labels = convert_predicted_logits_to_segmentation_with_correct_shape(
        logits, plans, configuration, predictor.label_manager, properties, False
    )
    plans.image_reader_writer_class().write_seg(labels, str(out), properties)
    ended = time.monotonic()
    return {
        "seconds": ended - began,
        "processor_s": time.process_time() - before_s,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1000,
        "stages": {"read": read - began, "network": predicted - read, "write": ended - predicted},
    }


def main() -> None:
    """Prints the cost of each run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("folder", "picture", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    predictor = nnUNetPredictor(
        perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.initialize_from_trained_model_folder(str(arguments.folder), None)
    costs = [predict(predictor, arguments.picture, arguments.out) for _ in range(arguments.runs)]
    print(json.dumps(costs))


if __name__ == "__main__":
    main()
