"""From a published folder and a folder of DICOM to a SEG, by the commands a person types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from app.cli.command_line import execute
from app.cli.commands import app
from operators.dicom.seg.seg_reader import read_seg_on
from tests.slow.operators.importing.test_published_models import REFERENCES, axial
from tests.support.dicom import phantoms
from tests.support.packages.per_bone_cases import FRACTURE
from tests.support.packages.synthetic_nnunet import CASES, Case, made_image, write_v2
from tests.support.packages.synthetic_nnunet_v1 import V1_CASES, write_v1

PLAIN = CASES[0]
CASCADE = next(case for case in CASES if case.name == "cascade")


def ran(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        execute(app, [str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("case", "networks"),
    [(PLAIN, ["fold_0"]), (CASCADE, ["previous_fold_0", "previous_fold_1", "fold_0", "fold_1"])],
)
def test_an_imported_network_writes_the_originals_labels_as_a_seg(
    case: Case, networks: list[str], tmp_path: Path
) -> None:
    published, models, out = (tmp_path / name for name in ("published", "models", "out"))
    write_v2(case, published)
    volume = axial(case, made_image())
    phantoms.write_ct(tmp_path / "in", volume.hu.astype(np.int16), volume.grid.ijk_to_lps)
    assert ran("models", "import", published, "--name", "made", "--orientation", "LPS", "-m", models) == 0
    assert ran("run", tmp_path / "in", "-o", out, "-m", models, "--runtime", "torch", "--quiet") == 0
    read = read_seg_on(out / "segmentation.dcm", volume.grid)
    expected = REFERENCES[f"{case.name}.labels"].transpose(2, 1, 0)
    np.testing.assert_array_equal(read.labels, expected)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert [network["name"] for network in report["models"][0]["networks"]] == networks
    assert (out / "preview.png").is_file()
    runs = report["series"][0]["networks"]
    assert [run["network"] for run in runs] == networks
    assert {(run["runtime"], run["precision"], run["tiling"], run["overlap"]) for run in runs} == {
        ("torch", "f32", "exact", 0.5)
    }
    segment = dcmread(out / "segmentation.dcm").SegmentSequence[0]
    (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
    assert f"{networks[-1]}=torch f32 exact tiles 16x16x16 overlap 0.50" in algorithm.AlgorithmParameters


def test_two_published_networks_give_bones_and_fragments_as_seg_report_and_page(tmp_path: Path) -> None:
    case = V1_CASES[0]
    anatomy, models, out = write_v1(case, tmp_path / "anatomy"), tmp_path / "models", tmp_path / "out"
    fracture = write_v1(FRACTURE, tmp_path / "fracture")
    volume = axial(case, made_image())
    phantoms.write_ct(tmp_path / "in", volume.hu.astype(np.int16), volume.grid.ijk_to_lps)
    command = ("models", "import", anatomy, "--fractures", fracture, "--labels", "ctpelvic1k")
    assert ran(*command, "--name", "made", "-m", models) == 0
    assert ran("run", tmp_path / "in", "-o", out, "-m", models, "--runtime", "torch", "--quiet") == 0
    read = read_seg_on(out / "segmentation.dcm", volume.grid)
    segments = {item.SegmentLabel: item for item in dcmread(out / "segmentation.dcm").SegmentSequence}
    fragment = segments["Right hip bone fragment 1"]
    assert fragment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Fracture"
    assert fragment.AnatomicRegionSequence[0].CodeMeaning == "Hip"
    # The anatomy's labels, as the original has them: no bone goes where another one is
    original = REFERENCES[f"{case.name}.labels"].transpose(2, 1, 0)
    for bone, other in ((1, "Right hip bone"), (2, "Sacrum")):
        values = [item.SegmentNumber for label, item in segments.items() if label.startswith(other)]
        assert values
        assert not np.isin(read.labels[original == bone], values).any()
    (series,) = json.loads((out / "report.json").read_text(encoding="utf-8"))["series"]
    assert [run["network"] for run in series["networks"]] == ["fold_0", "fold_1", "fracture_fold_0"]
    for name in ("measurements.dcm", "preview.png", "report.html"):
        assert (out / name).is_file()
