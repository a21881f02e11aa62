"""Pages and states in a real browser: accessible, within its width, dark and light, on desktop and phone.

The screenshots that it leaves in build/screenshots/page are there to be looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.node.queue.jobs.job_names import fingerprint
from app.node.queue.jobs.job_state import STATES
from app.node.send.message_outbox import write_status
from app.node.settings.messages import MessageSettings
from app.web.site import Sample, Site
from operators.dicom.capture.secondary_captures import write_pictures
from operators.errors import TransientError
from operators.render.fracture_pictures import FracturePicture
from tests.service.app.node.studies.test_retention import Node
from tests.service.app.run.test_page import case
from tests.support.browsers.browser import Page, chromium
from tests.support.browsers.visits import colours, enter, keep, violations
from tests.support.dicom.seg_cases import grid, provenance, series
from tests.support.node.node_processes import until
from tests.support.node.page_site import made_site, node_with_peers, receive, served, with_users
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.node.shown_jobs import ShownIndex, shown_jobs

FRACTURE = SEGMENTED | {"finding": {"code": "fracture", "probability": 0.93}, "seconds": {"read": 1.5}}
PATIENT = {"AccessionNumber": "ACC-4711", "PatientID": "PAT-0815"}
PAGES = (
    "/", "/?group=held", "/?group=failed&number=2", "/queue", "/peers", "/messages", "/rules", "/models",
    "/models/pelvis", "/settings", "/users", "/nothing",
)  # fmt: skip
JOBS = shown_jobs()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node that has segmented a study with a picture, and of whose messages one could not be sent."""
    targets = {"desk": {"url": "json://127.0.0.1:1/"}, "pager": {"url": "json://127.0.0.1:1/"}}
    messages = MessageSettings.model_validate({"targets": targets, "quiet_hours": "22:00-07:00"})
    node = node_with_peers(tmp_path_factory.mktemp("node"), messages=messages)
    write_status(node.settings.data, "desk", datetime.now(UTC), "failed", "expected desk to take a message")
    receive(node, 1, **PATIENT)
    receive(node, 2, **PATIENT)
    with worked_off(node.settings, ScriptedSegmenter(lambda: FRACTURE), lambda _: DELIVERED):
        until(lambda: node.states() == ["delivered", "delivered"])
    draw(node, tmp_path_factory.mktemp("pictures"))
    return node


def draw(node: Node, folder: Path) -> None:
    """Stores a picture with the results of one study."""
    rgb = np.linspace(0, 255, 300 * 400 * 3).reshape(300, 400, 3).astype(np.uint8)
    shown = (FracturePicture(rgb, 2, "slice 2"),)
    (made,) = write_pictures(shown, provenance(case(), series(grid())), folder)
    output = next((node.settings.data / "jobs").glob("*.1-*")) / "out"
    output.mkdir()
    made.rename(output / "sc.dcm")


@pytest.fixture(scope="module")
def site(here: Node) -> Site:
    made = made_site(here)
    with_users(made)
    made.trail.rejected("STRANGER", "OSTEON", "192.0.2.9", "unknown_calling_title", 3)
    made.peers.ask = unreachable
    made.peers.look()
    made.index = ShownIndex(made.index, JOBS)
    for at_ms in range(0, 3_600_000, 60_000):
        made.samples.append(Sample(at_ms, 900_000_000_000 - 40_000 * at_ms, 1 + at_ms // 600_000))
    made.identities.keep([job.job_id for job in made.index.fresh()], 100)
    return made


def unreachable(*_: object) -> None:
    raise TransientError("expected pacs to answer, got none; is it running there?", code="unreachable")


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with served(site) as address:
        yield address


def addresses(site: Site) -> tuple[str, ...]:
    """Every page, that of the study with results, and those of the states that show most."""
    whole = next(job for job in site.index.fresh() if job.job_id not in {each.job_id for each in JOBS})
    busy = [job for job in JOBS if job.destinations or job.state in ("conflict", "superseded")]
    return (*PAGES, *(f"/jobs/{fingerprint(job.job_id)}" for job in (whole, *busy[:1], *busy[-1:])))


def looks_well(page: Page, address: str, name: str) -> None:
    """Checks the open page, and keeps its picture."""
    keep(page, name)
    assert violations(page) == [], address
    assert page.run("document.documentElement.scrollWidth <= innerWidth"), address
    assert [each for each in page.errors if "404" not in each] == [], address


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_is_accessible_and_within_its_width(
    page: Page, url: str, site: Site, scheme: str, width: int
) -> None:
    page.errors.clear()
    colours(page, scheme)
    page.resize(width, 844)
    enter(page, site, url, "administrator")
    for number, address in enumerate(addresses(site)):
        page.open(url + address)
        looks_well(page, address, f"{number:02}-{scheme}-{width}")
    page.ask("Network.clearBrowserCookies")
    page.open(f"{url}/login")
    looks_well(page, "/login", f"login-{scheme}-{width}")


def test_every_state_is_in_the_list_and_has_its_page(page: Page, url: str, site: Site) -> None:
    assert {job.state for job in JOBS} == set(STATES)
    colours(page, "light")
    page.resize(390, 844)
    enter(page, site, url, "administrator")
    page.open(url)
    said = page.run("[...document.querySelectorAll('td[data-name=State]')].map(each => each.innerText)")
    assert set(said) == {*STATES, "held"}
    for job in JOBS:
        page.open(f"{url}/jobs/{fingerprint(job.job_id)}")
        state = page.run("document.querySelector('h1 .state').innerText")
        assert state == ("held" if job.code == "held" else job.state)
        assert job.sentence in page.run("document.querySelector('main').innerText")
        assert violations(page) == [], job.state
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), job.state


def test_pages_of_a_node_that_has_seen_nothing_say_so(page: Page, tmp_path: Path) -> None:
    colours(page, "light")
    page.resize(390, 844)
    page.ask("Network.clearBrowserCookies")
    said = {
        "/": "No study",
        "/queue": "none",
        "/peers": "None.",
        "/messages": "Nobody is told",
        "/rules": "There are no rules",
        "/users": "No accounts",
    }
    with served(made_site(Node(tmp_path))) as url:
        for address, words in said.items():
            page.open(url + address)
            looks_well(page, address, f"empty-{address[1:] or 'studies'}")
            assert words in page.run("document.querySelector('main').innerText"), address
