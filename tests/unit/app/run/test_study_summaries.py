"""What is said of a study counts the radiographs that could not be read, and doubtful views."""

from __future__ import annotations

from pathlib import Path

from app.run.record import SELECTED, SeriesRecord
from app.run.report import study_summaries
from operators.dicom.read.scan import UnreadableFile, scan
from operators.radiographs.answer_flags import OTHER_BODY_PART
from operators.segmentation.segmentation import Flag, Segmentation
from tests.support.radiographs.projection_files import picture, radiograph, save
from tests.support.radiographs.radiograph_result_cases import made


def record(code: str, result: Segmentation | None = None, study: str = "1.2") -> SeriesRecord:
    return SeriesRecord(study, "1.3", "", "DX", 1, code, "expected", segmentation=result, is_projection=True)


def test_views_that_were_not_read_are_counted() -> None:
    doubtful = made(0, flags=(Flag(OTHER_BODY_PART, "another", ()),))
    refused = [record("colour_image"), record("not_a_radiograph"), record("no_contrast", study="1.9")]
    cut = UnreadableFile("3.dcm", "expected", "truncated_file", "1.4", "1.2")
    (study,) = study_summaries([record(SELECTED, doubtful), *refused], [cut])
    assert (study["views"], study["not_read"], study["doubtful"]) == (1, 2, 1)
    assert study["sentence"].startswith("Only 1 of 3 radiographs could be read. ")


def test_a_truncated_radiograph_belongs_to_its_study(tmp_path: Path) -> None:
    dataset = radiograph(picture(8), bits=8)
    save(dataset, tmp_path / "1.dcm")
    (tmp_path / "1.dcm").write_bytes((tmp_path / "1.dcm").read_bytes()[:-100])
    (file,) = scan(tmp_path).unreadable
    assert (file.code, file.radiograph_of) == ("truncated_file", dataset.StudyInstanceUID)
