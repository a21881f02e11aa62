"""A MONAI bundle gives the same labels in Osteon as in MONAI itself on a CPU."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume, Grid
from operators.importing.formats import read_published
from operators.importing.install import NewPackage, install
from operators.importing.label_tables import label_rows, named_table
from operators.importing.published import Wanted
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_package
from operators.pipelines.several import segment
from tests.support.packages.label_agreement import assert_labels_of_original
from tests.support.packages.synthetic_bundles import BUNDLES, OTHERS, Bundle, network_of, write_bundle
from tests.support.packages.synthetic_nnunet import made_image

AFFINES = {
    # Turned by some degrees, columns to posterior, slices from the top
    "turned": np.array(
        [
            [0.0, -0.99, 0.05, 30.0],
            [1.08, 0.0, 0.1, -20.0],
            [0.05, 0.08, -2.0, 12.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    ),
    # Spacings that divide those of the networks: many places lie halfway between voxels
    "straight": np.diag([-1.0, 1.1, 2.0, 1.0]),
    "sheared": np.array([[1.0, 0, 0, 5], [0, 1.1, 0.5, 3], [0, 0, 2.0, 1], [0, 0, 0, 1]]),
}


def scan(affine: NDArray[np.float64]) -> CtVolume:
    """The synthetic image on a grid (4x4, LPS) in single precision, as in a NIfTI header."""
    image = made_image().transpose(2, 1, 0)
    return CtVolume(image, Grid(image.shape, affine.astype(np.float32), "1.2.3"))


def package_at(folder: Path, models: Path) -> Path:
    """The package of a bundle's folder."""
    model = read_published(folder, Wanted())
    rows = label_rows(model.values, named_table("totalsegmentator"), by_value=False)
    return install(model, NewPackage("made", "Made", rows, ""), models) / "package.toml"


def of_monai(folder: Path, bundle: Bundle, volume: CtVolume, file: Path) -> NDArray[np.float32]:
    """What MONAI's own transforms, inferer and network make of the scan (channels, I, J, K)."""
    ras = np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.ijk_to_lps
    nibabel.save(nibabel.Nifti1Image(volume.hu, ras), file)
    parser = ConfigParser()
    parser.read_config(next((folder / "configs").glob("inference.*")))
    data = parser.get_parsed_content("preprocessing")({"image": str(file)})
    network = network_of(bundle)
    network.load_state_dict(torch.load(folder / "models" / "model.pt"))
    with torch.no_grad():
        answer = parser.get_parsed_content("inferer")(data["image"][None], network)
    given = {"image": data["image"], "pred": MetaTensor(answer[0])}
    return np.asarray(Compose(parser.get_parsed_content("postprocessing").transforms[:-1])(given)["pred"])


def flat(channels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """One label map; of several regions the later over the earlier."""
    if len(channels) == 1:
        return channels[0].astype(np.uint8)
    labels = np.zeros(channels.shape[1:], np.uint8)
    for value, channel in enumerate(channels, start=1):
        labels[channel > 0] = value
    return labels


# OpenVINO takes seconds to compile a network
CASES = [
    *((bundle, affine, "torch") for bundle in BUNDLES for affine in ("turned", "straight", "sheared")),
    *((bundle, "turned", "openvino") for bundle in BUNDLES[:2]),
    *((bundle, "turned", "torch") for bundle in OTHERS),
]


@pytest.mark.parametrize(("bundle", "affine", "runtime"), CASES, ids=str)
def test_the_labels_are_those_of_monai(bundle: Bundle, affine: str, runtime: str, tmp_path: Path) -> None:
    folder, volume = write_bundle(bundle, tmp_path / "bundle"), scan(AFFINES[affine])
    package = read_package(package_at(folder, tmp_path / "models"))
    result = segment(volume, [package], Networks(Device(runtime, threads=1)), lambda *_: None)
    expected = flat(of_monai(folder, bundle, volume, tmp_path / "scan.nii"))
    assert_labels_of_original(result, expected)
