"""`import osteon`: the documented API."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

import osteon
from app.run.inputs import MOST_FILES
from operators.dicom.seg.seg_reader import read_seg
from operators.geometry.volume import CtVolume
from tests.support.dicom import phantoms
from tests.support.packages.limbs_package import AFFINE, SHAPE, KnowingNetworks, limbs_ct, write_limbs

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose networks know the truth."""
    write_limbs(tmp_path / "models")
    monkeypatch.setattr("osteon.segmenting.networks_of", lambda _: KnowingNetworks())
    return tmp_path / "models"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    phantoms.write_ct(tmp_path / "study", limbs_ct(), AFFINE)
    return tmp_path / "study"


def nifti(folder: Path) -> Path:
    path = folder / "ct.nii.gz"
    nibabel.save(nibabel.Nifti1Image(limbs_ct(), LPS_TO_RAS @ AFFINE), path)
    return path


def nrrd(folder: Path) -> Path:
    image = SimpleITK.GetImageFromArray(limbs_ct().transpose())
    image.SetSpacing(tuple(np.diag(AFFINE)[:3]))
    image.SetOrigin(tuple(AFFINE[:3, 3]))
    path = folder / "ct.nrrd"
    SimpleITK.WriteImage(image, str(path))
    return path


def zipped(folder: Path, study: Path) -> Path:
    return Path(shutil.make_archive(str(folder / "study"), "zip", study))


def test_a_study_is_read_segmented_written_and_evaluated(tmp_path: Path, study: Path, models: Path) -> None:
    scan = osteon.read(study, models=models)
    assert np.array_equal(scan.hu, limbs_ct())
    assert np.allclose(scan.ijk_to_lps, AFFINE)
    stages: set[str] = set()
    result = osteon.segment(scan, models=models, device="cpu", progress=lambda stage, _: stages.add(stage))
    assert {segment.bone for segment in result.segments} == {"rod_left", "rod_right", "plate"}
    assert {"coarse", "fine", "fracture"} <= stages
    assert len(result.summary) > 3
    seg = result.write_seg(tmp_path / "segmentation.dcm")
    label_map, _ = read_seg(seg)
    assert np.count_nonzero(label_map.labels) == np.count_nonzero(result.labels)
    image = result.write_nifti(tmp_path / "segmentation.nii.gz")
    (case,) = osteon.evaluate(image, seg, models=models)
    assert case.metrics.anatomy.iou == 1.0


def test_every_kind_of_file_gives_the_same_labels(tmp_path: Path, study: Path, models: Path) -> None:
    expected = osteon.segment(osteon.read(study, models=models), models=models).labels
    for path in (nifti(tmp_path), nrrd(tmp_path), zipped(tmp_path, study)):
        scan = osteon.read(path, models=models)
        assert np.allclose(scan.ijk_to_lps, AFFINE, atol=1e-4)
        assert np.array_equal(osteon.segment(scan, models=models).labels, expected), path.name


def test_a_scan_that_is_no_dicom_has_no_seg(tmp_path: Path, models: Path) -> None:
    result = osteon.segment(osteon.read(nifti(tmp_path), models=models), models=models)
    with pytest.raises(osteon.UsageError, match="expected a scan that was read from DICOM"):
        result.write_seg(tmp_path / "segmentation.dcm")


def broken(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / {"flat": "a.nii.gz", "text": "b.nrrd", "colour": "c.nrrd", "empty": "d.zip"}.get(
        kind, "e.zip"
    )
    if kind == "flat":
        nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8), np.int16), np.eye(4)), path)
    elif kind == "text":
        path.write_text("no image")
    elif kind == "colour":
        image = SimpleITK.GetImageFromArray(np.zeros((4, 4, 4, 3), np.uint8), isVector=True)
        SimpleITK.WriteImage(image, str(path))
    elif kind == "empty":
        zipfile.ZipFile(path, "w").close()
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("notes.txt", "hello")
    return path


@pytest.mark.parametrize("kind", ["flat", "text", "colour", "empty", "no DICOM"])
def test_bad_files_are_refused_with_what_was_expected(tmp_path: Path, models: Path, kind: str) -> None:
    with pytest.raises(osteon.UnreadableError, match="expected"):
        osteon.read(broken(tmp_path, kind), models=models)
    with pytest.raises(osteon.UsageError, match="does not exist"):
        osteon.read(tmp_path / "nowhere", models=models)


def test_a_zip_writes_nothing_outside_and_is_bounded(
    tmp_path: Path, study: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path, study)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("../../outside.txt", "no")
        file.writestr("/absolute.txt", "no")
    assert osteon.read(path, models=models).hu.shape == SHAPE
    assert not list(tmp_path.parent.rglob("outside.txt"))
    assert not Path("/absolute.txt").exists()
    monkeypatch.setattr("app.run.inputs.MOST_FILES", 3)
    with pytest.raises(osteon.UnreadableError, match="expected a zip of at most 3 files"):
        osteon.read(path, models=models)
    assert MOST_FILES > 3


def test_an_image_that_shows_no_hounsfield_units_is_refused(tmp_path: Path, models: Path) -> None:
    path = tmp_path / "inverted.nii.gz"
    from tests.support.dicom.hounsfield_cases import body

    nibabel.save(nibabel.Nifti1Image(-body(), np.diag([-2.0, -2, 3, 1])), path)
    with pytest.raises(osteon.UnsuitableError, match="inverted"):
        osteon.read(path, models=models)


def test_the_series_that_is_asked_for_is_read(tmp_path: Path, models: Path) -> None:
    for series in (1, 2):
        affine = AFFINE.copy()
        affine[2, 3] += 500 * series
        phantoms.write_ct(tmp_path / "two", limbs_ct(), affine, series=series)
    uid = f"{phantoms.UID_ROOT}.1.2"
    scan = osteon.read(tmp_path / "two", series_instance_uid=uid, models=models)
    assert isinstance(scan.volume, CtVolume)
    assert scan.series is not None
    assert scan.series.series_instance_uid == uid
    with pytest.raises(osteon.UnsuitableError):
        osteon.read(tmp_path / "two", series_instance_uid="1.2.3", models=models)


def test_the_example_of_the_readme_runs(
    tmp_path: Path,
    study: Path,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del study, models  # they lie where the example looks for them
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    example = readme.partition("```python\n")[2].partition("```")[0]
    assert "osteon.segment" in example
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})
    assert "ml" in capsys.readouterr().out
    assert (tmp_path / "segmentation.dcm").is_file()
    assert (tmp_path / "segmentation.nii.gz").is_file()
