"""Reference predictions of nnU-Net v2 for the synthetic models; needs an environment with nnunetv2.

    python tests/nnunet_references.py FOLDER OUT.npz [labels]      the last: no logits

Imports nothing of Osteon. FOLDER is what `python -m tests.support.packages.synthetic_nnunet_v1` wrote.
"""

import os
import pickle
import sys
import tempfile
import time
from pathlib import Path

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, tempfile.gettempdir())

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


def predictor_of(folder: Path) -> nnUNetPredictor:
    """The original with a folder's networks."""
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(folder), None)
    return predictor


def labels_of(folder: Path, image: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """The label map of the last stage; those of the stage before come in as its reader gives them."""
    predictor, before = predictor_of(folder), None
    former = predictor.configuration_manager.previous_stage_name
    if former is not None:
        before = labels_of(folder.with_name(former), image, spacing)[None].astype(np.float32)
    properties = {"spacing": list(spacing)}
    return predictor.predict_single_npy_array(image[None], properties, before, None, False).astype(np.uint8)


def said(folder: Path, image: np.ndarray, spacing: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Labels of the image, and logits of the image's corner without tiles around them."""
    predictor = predictor_of(folder)
    patch = predictor.configuration_manager.patch_size
    corner = image[tuple(slice(0, side) for side in ([1] * (3 - len(patch)) + patch))].reshape(patch)
    predictor.network.load_state_dict(predictor.list_of_parameters[0])
    inputs = next(predictor.network.parameters()).shape[1]
    channels = np.stack([corner / 500, *(corner > 100 * number for number in range(1, inputs))])
    with torch.no_grad():
        read = torch.from_numpy(channels.astype(np.float32)[None])
        logits = predictor.network.eval()(read)[0].numpy()
    kept = (slice(None), *[slice(None, None, 5)] * len(patch))
    labels = labels_of(folder, image, spacing)
    return {f"{folder.name}.labels": labels, f"{folder.name}.logits": logits[kept]}


def main() -> None:
    """Every case."""
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    image, spacings = pickle.loads((root / "image.pkl").read_bytes())
    found: dict[str, np.ndarray] = {}
    began = time.monotonic()
    for name, spacing in spacings.items():
        if (root / name / "plans.json").is_file():
            if "labels" in sys.argv[3:]:
                found |= {f"{name}.labels": labels_of(root / name, image, spacing)}
            else:
                found |= said(root / name, image, spacing)
            print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    np.savez_compressed(out, allow_pickle=False, **found)


if __name__ == "__main__":
    main()
