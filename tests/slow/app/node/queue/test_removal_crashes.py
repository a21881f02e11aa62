"""A removal or correction interrupted anywhere loses nothing acknowledged, and leaves nothing partial."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from app.node.queue.jobs.job_actions import cancel
from app.node.queue.jobs.job_list import list_jobs
from app.node.studies.retention import remove, sweep
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.faults.crashes import cut_off
from tests.support.node.study_cases import contents, jobs, patients, patients_of_job, quiet, sent

CENTURY_MS = 100 * 365 * 86400 * 1000
RIGHT = setting(PatientID="RIGHT")
Change = Callable[[Node], object]


class Fresh:
    """Copies of one node, each for a crash of its own."""

    def __init__(self, root: Path, prepare: Change) -> None:
        self.root, self.number = root, 0
        (root / "first").mkdir()
        node = Node(root / "first", quiet_s=0, retention_s=0)
        prepare(node)
        node.client.destroy()

    def node(self) -> Node:
        """The next copy."""
        self.number += 1
        root = self.root / str(self.number)
        shutil.copytree(self.root / "first", root)
        return Node(root, quiet_s=0, retention_s=0)

    def crashes(self, operation: Change, meanwhile: Change = lambda _: None) -> Iterator[tuple[int, Node]]:
        """A node that started again after each crash of the operation, and what came `meanwhile`."""
        for number in count():
            node = self.node()
            is_cut = cut_off(number, partial(operation, node))
            node.client.destroy()
            if not is_cut:
                return
            meanwhile(node)
            yield number, Node(node.settings.data.parent, quiet_s=0, retention_s=0)
            shutil.rmtree(node.settings.data.parent)


def ended(node: Node) -> None:
    """A study whose job has ended, and which retention removes."""
    sent(node, keep=range(3))
    quiet(node, 0)
    cancel(node.client, list_jobs(node.client)[0].job_id)


def removed(node: Node) -> object:
    return remove(node.settings, node.client, list_jobs(node.client))


def traces(node: Node) -> list[Path]:
    """Files of instances, and whatever a study's name is in."""
    everything = node.settings.data.rglob("*")
    return [path for path in everything if STUDY in path.name and path.name != "audit.xml"]


def test_a_study_that_is_removed_is_there_or_gone(tmp_path: Path) -> None:
    fresh, points = Fresh(tmp_path, ended), 0
    for number, node in fresh.crashes(removed):
        points += 1
        images = len(list((node.settings.data / "inbox" / STUDY).rglob("*.dcm")))
        states = [job.state for job in list_jobs(node.client)]
        assert (images, states) in [(3, ["cancelled"]), (0, [])], number
        assert quiet(node, 0) == 0, number
        sweep(node.settings, node.client, CENTURY_MS)
        assert (traces(node), list_jobs(node.client)) == ([], []), number
    print(f"{points} crash points")
    assert points > 15


def late(node: Node) -> None:
    ended(node)
    sent(node, keep=[3])


def test_a_late_image_survives_every_removal_that_is_cut_off(tmp_path: Path) -> None:
    fresh, points = Fresh(tmp_path, late), 0
    for number, node in fresh.crashes(removed):
        points += 1
        assert quiet(node, 0) == 1, number
        assert len(list((node.settings.data / "inbox" / STUDY).rglob("*.dcm"))) == 4, number
        sweep(node.settings, node.client, CENTURY_MS)
        assert sorted(job.state for job in jobs(node)) == ["queued", "superseded"], number
        assert len(patients_of_job(node, jobs(node)[-1].job_id)) == 1, number
    print(f"{points} crash points")
    assert points > 5


@pytest.mark.parametrize("edit", [None, RIGHT], ids=["the same", "corrected"])
def test_a_study_that_comes_again_after_a_crash_is_whole_and_has_a_job(
    tmp_path: Path, edit: phantoms.Edit | None
) -> None:
    """The listener is up before anybody has looked at what the crash left."""
    fresh, images = Fresh(tmp_path, ended), 3 if edit else 4
    for number, node in fresh.crashes(removed, lambda node: sent(node, edit, keep=range(images))):
        assert quiet(node, 0, looks=5) == 1, number
        assert len(list((node.settings.data / "inbox" / STUDY).rglob("*.dcm"))) == images, number
        wanted = "RIGHT" if edit else "PHANTOM"
        assert patients(node.settings.data / "inbox" / STUDY) == [wanted], number
        assert patients_of_job(node, jobs(node)[-1].job_id) == [wanted], number


def corrected(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)


def test_a_correction_is_carried_out_once_wherever_it_is_cut_off(tmp_path: Path) -> None:
    fresh, points = Fresh(tmp_path, corrected), 0
    for number, node in fresh.crashes(lambda node: quiet(node, 10)):
        points += 1
        assert len(contents(node)) == 8, number
        quiet(node, 20)
        assert patients(node.settings.data / "inbox" / STUDY) == ["RIGHT"], number
        old, new = jobs(node)
        assert (old.state, old.code, new.state) == ("superseded", "former_patient_data", "queued"), number
        assert patients_of_job(node, new.job_id) == ["RIGHT"], number
        assert patients_of_job(node, old.job_id) == ["PHANTOM"], number
        assert len(contents(node)) == 8, number
        assert not list((node.settings.data / "conflicts").rglob("*.dcm")), number
    print(f"{points} crash points")
    assert points > 20
