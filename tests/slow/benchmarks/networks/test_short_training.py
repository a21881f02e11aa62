"""The synthetic reference network of benchmarks: its bones differ, and it learns its targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.networks.short_training import Phase, put, trained
from benchmarks.networks.synthetic_fracture import CROP_MM, bone_crop
from operators.networks.architectures.architecture_table import build
from tests.support.packages.synthetic_nnunet import Case, architecture_of, v2_names, write_v2

CASE = Case(
    "tiny",
    features=(4, 8),
    kernels=((3, 3, 3),) * 2,
    strides=((1, 1, 1), (2, 2, 2)),
    blocks=(1, 1),
    decoder_blocks=(1,),
)


def test_bones_have_two_blades_in_air_and_each_seed_another() -> None:
    hu, where = bone_crop()
    assert hu.shape == where.shape == CROP_MM
    assert np.unique(where).tolist() == [0, 1, 2]
    assert (hu[where == 0] == -1000).all()
    assert (hu[where > 0] > -200).all()
    assert (bone_crop(2)[1] != where).any()


def test_a_network_learns_in_phases_and_its_weights_are_those_of_the_folder(tmp_path: Path) -> None:
    image = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (1, 24, 20, 28)).repeat(2, 1).astype(np.float32)
    truth = (image[0] + 1).astype(np.uint8)
    name, arguments = architecture_of(CASE)
    network = build(name, **arguments)
    phases = (Phase((16, 16, 16), 150, 1e-2), Phase((32, 20, 16), 5, 1e-3))
    states = list(trained(network, [(image, truth)], phases))
    with torch.no_grad():
        found = network(torch.from_numpy(image)[None])[0].argmax(0).numpy()
    assert len(states) == len(phases)
    assert np.mean(found == truth) > 0.95
    put(states[-1], CASE, write_v2(CASE, tmp_path / "folder"))
    path = tmp_path / "folder" / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    for key, tensor in v2_names(CASE, network.state_dict()).items():
        assert torch.equal(content["network_weights"][key], tensor)
