"""The content of a study: its images without Osteon's results."""

from __future__ import annotations

from pathlib import Path

import pydicom

from app.node.storage.inbox import Inbox
from app.node.studies.study_folder import StudyFolders
from operators.dicom.elements.file_meta import with_standard_head
from operators.dicom.elements.instance_identity import read_instance
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 16, 3), AFFINE)
STUDY = f"{phantoms.UID_ROOT}.1"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"


def lay_in(inbox: Inbox, paths: list[Path]) -> None:
    for path in paths:
        part = inbox.new_part()
        with part.open("xb") as file:
            with_standard_head(path, file)
        inbox.commit(part, read_instance(path))


def seg(folder: Path) -> list[Path]:
    edit = setting(SOPClassUID=SEG, Modality="SEG")
    return phantoms.write_ct(folder, HU, AFFINE, series=2, edit=edit, keep=[0])


def test_a_segmentation_that_comes_back_changes_nothing(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "data")
    folders = StudyFolders(inbox.studies)
    lay_in(inbox, phantoms.write_ct(tmp_path / "ct", HU, AFFINE))
    before = folders.look()[STUDY]
    lay_in(inbox, seg(tmp_path / "seg"))
    after = folders.look()[STUDY]
    assert len(list(inbox.studies.rglob("*.dcm"))) == 4
    assert (after.names, after.fingerprint) == (before.names, before.fingerprint)


def test_a_study_of_segmentations_alone_is_still_a_study(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "data")
    (path,) = seg(tmp_path / "seg")
    lay_in(inbox, [path])
    content = StudyFolders(inbox.studies).look()[STUDY]
    assert [each.sop_instance_uid for each in content.series] == [pydicom.dcmread(path).SOPInstanceUID]


def test_a_late_slice_changes_the_fingerprint(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "data")
    folders = StudyFolders(inbox.studies)
    first, *others = phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    lay_in(inbox, others)
    before = folders.look()[STUDY].fingerprint
    lay_in(inbox, [first])
    assert folders.look()[STUDY].fingerprint != before
