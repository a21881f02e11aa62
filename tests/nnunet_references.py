"""What nnU-Net v2 itself says of the made-up models; run in an environment with nnunetv2.

    python tests/nnunet_references.py FOLDER OUT.npz

Imports nothing of Osteon. FOLDER is what `python -m tests.made_nnunet_v1` wrote.
"""

import os
import pickle
import sys
import tempfile
from pathlib import Path

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(variable, tempfile.gettempdir())

import numpy as np
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor


def said(folder: Path, image: np.ndarray, spacing: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Labels of the image, and logits of the image's corner without tiles around them."""
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.initialize_from_trained_model_folder(str(folder), None)
    labels = predictor.predict_single_npy_array(image[None], {"spacing": list(spacing)}, None, None, False)
    patch = predictor.configuration_manager.patch_size
    corner = image[tuple(slice(0, side) for side in ([1] * (3 - len(patch)) + patch))].reshape(1, 1, *patch)
    with torch.no_grad():
        predictor.network.load_state_dict(predictor.list_of_parameters[0])
        logits = predictor.network.eval()(torch.from_numpy(corner / 500))[0].numpy()
    kept = (slice(None), *[slice(None, None, 5)] * len(patch))
    return {f"{folder.name}.labels": labels.astype(np.uint8), f"{folder.name}.logits": logits[kept]}


def main() -> None:
    """Every case."""
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    image, spacings = pickle.loads((root / "image.pkl").read_bytes())
    found = {}
    for name, spacing in spacings.items():
        if (root / name / "plans.json").is_file():
            found |= said(root / name, image, spacing)
    np.savez_compressed(out, **found)


if __name__ == "__main__":
    main()
