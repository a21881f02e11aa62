"""A SEG that people made of a result comes back: it is filed with the result, compared, and starts no job."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from app.cli.corrections import list_filed
from app.node.queue.job import job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.node.studies.edit_differences import compared_edits
from app.node.studies.edited_results import filed_edits
from tests.service.app.node.studies.test_retention import Node
from tests.support.node.page_site import Browser, made_site, node_with_peers
from tests.support.node.viewed_study import segmented_study
from training.datasets.sources.case_folders import list_cases


@pytest.fixture
def here(tmp_path: Path) -> Node:
    return node_with_peers(tmp_path)


def segmented(here: Node) -> str:
    """The job of a segmented study."""
    segmented_study(here)
    return list_jobs(here.client)[-1].job_id


def edited(here: Node, job_id: str, edit: Callable[[Dataset], None]) -> str:
    """Sends the node a SEG that was made of its own; returns the new instance's UID."""
    dataset = dcmread(job_folder(here.settings.data, job_id).output / "segmentation.dcm")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.ContentCreatorName = "Editor^Eve"
    edit(dataset)
    return received(here, dataset)


def received(here: Node, dataset: Dataset) -> str:
    """Receives an instance, and lets the dispatcher look."""
    dataset.save_as(here.watch / f"{generate_uid()}.dcm")
    here.folder.look()
    here.folder.look()
    assert here.dispatcher.tick(1000) == 0
    return str(dataset.SOPInstanceUID)


def without_tracking(dataset: Dataset) -> None:
    """As editors that keep the segments' names alone."""
    for item in dataset.SegmentSequence:
        del item.TrackingUID, item.TrackingID


def erase_third(dataset: Dataset) -> None:
    """Empties the frames of the third segment except one."""
    own = [
        n
        for n, group in enumerate(dataset.PerFrameFunctionalGroupsSequence)
        if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 3
    ]
    size = dataset.Rows * dataset.Columns
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, np.uint8), bitorder="little")
    bits[own[1] * size : (own[-1] + 1) * size] = 0
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes()


def test_an_edited_seg_is_filed_once_with_its_result_and_starts_no_job(here: Node, tmp_path: Path) -> None:
    job_id = segmented(here)
    instance = edited(here, job_id, erase_third)
    (filed,) = filed_edits(here.settings.data, job_id)
    assert (filed.instance, filed.corrects, filed.who, filed.how) == (
        instance,
        "segmentation.dcm",
        "Editor^Eve",
        "received",
    )
    here.again()
    here.dispatcher.tick(0)
    here.dispatcher.tick(2000)
    assert len(filed_edits(here.settings.data, job_id)) == 1
    assert len(here.states()) == 1
    audit = (here.settings.data / "audit.xml").read_text()
    assert audit.count("corrected-result") == 1
    assert 'UserID="Editor^Eve"' in audit
    folder = job_folder(here.settings.data, job_id)
    linked = tmp_path / "linked"
    linked.mkdir()
    for number, path in enumerate((*folder.input.rglob("*.dcm"), *folder.edits.glob("*.dcm"))):
        (linked / f"{number}.dcm").symlink_to(path)
    assert len(list_cases(linked).cases) == 1


@pytest.mark.parametrize("edit", [without_tracking, lambda _: None])
def test_it_is_recognised_by_tracking_uids_or_by_names_on_the_same_images(
    here: Node, edit: Callable[[Dataset], None]
) -> None:
    job_id = segmented(here)
    edited(here, job_id, edit)
    (found,) = compared_edits(here.settings.data, job_id)
    assert found.changes == ()


def strange(dataset: Dataset) -> None:
    """As a SEG of something else on the same images."""
    without_tracking(dataset)
    for item in dataset.SegmentSequence:
        item.SegmentLabel = f"Lung {item.SegmentNumber}"


def test_the_nodes_own_seg_and_one_of_something_else_are_not_filed(here: Node) -> None:
    job_id = segmented(here)
    received(here, dcmread(job_folder(here.settings.data, job_id).output / "segmentation.dcm"))
    edited(here, job_id, strange)
    assert filed_edits(here.settings.data, job_id) == []
    assert len(here.states()) == 1


def test_the_difference_to_the_prediction_is_shown_on_the_page_and_by_the_command(
    here: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = segmented(here)
    edited(here, job_id, erase_third)
    (found,) = compared_edits(here.settings.data, job_id)
    assert found.changes is not None
    (change,) = found.changes
    assert (change.segment, change.added_ml) == ("Right hip bone", 0.0)
    assert change.removed_ml > 5
    # It is read from the record from now on
    assert filed_edits(here.settings.data, job_id) == [found]
    text = Browser(made_site(here)).get(f"/jobs/{job_id.rpartition('-')[2]}/series/0").text
    sentence = f"Right hip bone: Dice {change.dice:.3f}, 0.0 ml added, {change.removed_ml:.1f} ml removed"
    assert sentence in text
    assert "Editor^Eve" in text
    assert list_filed(data=here.settings.data) == 0
    said = capsys.readouterr().out
    assert sentence in said
    assert "osteon corrections add" in said
