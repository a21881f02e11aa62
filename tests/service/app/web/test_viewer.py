"""The viewer: who sees which data, and how it is used in a real browser."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import httpx2
import nibabel
import numpy as np
import pytest
from PIL import Image

from app.node.accounts.accounts import Role
from app.node.queue.job import job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.web.site import Site
from app.web.viewing.volumes import Views
from operators.dicom.seg.seg_reader import read_seg
from tests.service.app.node.studies.test_retention import Node
from tests.support.browsers.browser import Page, chromium
from tests.support.node.node_processes import until
from tests.support.node.page_site import Browser, made_site, node_with_peers, served, with_users
from tests.support.node.queue_cases import DELIVERED, ScriptedSegmenter, worked_off
from tests.support.node.viewed_study import (
    KEY_SLICE,
    SHAPE,
    SPACING_MM,
    ct_array,
    label_array,
    radiograph_study,
    segmented_study,
)

PATIENT = {"AccessionNumber": "ACC-4711", "PatientID": "PAT-0815"}
DATA = ("still.png", "first.nii", "ct.nii", "labels.nii", "surfaces.json", "places.json")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return node_with_peers(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def name(here: Node) -> str:
    return segmented_study(here, 1, SHAPE, **PATIENT)


@pytest.fixture(scope="module")
def site(here: Node, name: str) -> Site:
    assert name
    return made_site(here)


@pytest.fixture(scope="module")
def address(name: str) -> str:
    return f"/jobs/{name}/series/0"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, site: Site, address: str) -> Iterator[Page]:
    """The viewer in a browser, once everything is loaded."""
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as tab, served(site) as url:
        tab.resize(1280, 900)
        tab.open(url + address)
        tab.wait_for("document.getElementById('viewer').dataset.state in {ready: 1, failed: 1}")
        yield tab


def test_a_study_leads_to_its_images_and_their_page_tells_segments_and_fractures(
    site: Site, name: str, address: str
) -> None:
    browser = Browser(site)
    assert f'href="{address}"' in browser.get(f"/jobs/{name}").text
    text = browser.get(address).text
    expected = ("Left hip bone, fragment 1", "81%, less likely", "40%, doubtful", "fragment 1 – fragment 2")
    assert [part for part in expected if part not in text] == []
    assert [part for part in PATIENT.values() if part in text] == []
    assert "unsafe" not in browser.get(address).headers["content-security-policy"]


def test_ct_and_labels_lie_on_one_grid_as_they_were_stored(site: Site, address: str) -> None:
    browser = Browser(site)
    ct = nibabel.Nifti1Image.from_bytes(browser.get(f"{address}/ct.nii").content)
    labels = nibabel.Nifti1Image.from_bytes(browser.get(f"{address}/labels.nii").content)
    assert np.allclose(ct.affine, labels.affine)
    # From LPS to RAS both axes of the slices are turned round
    stored = label_array()
    assert np.array_equal(np.asarray(ct.dataobj)[::-1, ::-1], ct_array(stored))
    numbers = np.searchsorted([0, 11, 12, 21], stored)
    assert np.array_equal(np.asarray(labels.dataobj)[::-1, ::-1], numbers)
    first = nibabel.Nifti1Image.from_bytes(browser.get(f"{address}/first.nii").content)
    assert first.shape == SHAPE


def test_key_slices_and_fractures_have_a_place(site: Site, address: str) -> None:
    found = json.loads(Browser(site).get(f"{address}/places.json").content)
    assert [key["name"] for key in found["keys"]] == [f"Slice {KEY_SLICE + 1}"]
    assert found["keys"][0]["mm"][2] == KEY_SLICE * SPACING_MM[2] - 40
    assert [mark["values"] for mark in found["marks"]] == [[1], [2], [3], [1, 2]]


@contextmanager
def users_of(site: Site) -> Iterator[dict[Role, Browser]]:
    """Users for a while; the last one to go is an administrator."""
    users = with_users(site)
    try:
        yield users
    finally:
        for role in reversed(users):
            site.accounts.remove(f"{role}-1")


def test_what_is_not_there_is_refused_and_nobody_sees_images_without_logging_in(
    here: Node, address: str, name: str
) -> None:
    site = made_site(here)
    for missing in (f"/jobs/{name}/series/1", f"/jobs/{name}/series/-1/ct.nii", "/jobs/0/series/0/ct.nii"):
        assert Browser(site).get(missing).status_code == 404, missing
    assert Browser(site).get(f"{address}/picture.png").status_code == 409
    with users_of(site) as users:
        for data in ("", *(f"/{each}" for each in DATA)):
            assert Browser(site).get(address + data).headers["location"] == "/login", data
            assert users["viewer"].get(address + data).status_code == 200, data


def sent(
    browser: Browser, address: str, labels: bytes, token: str | None = None, **fields: str
) -> httpx2.Response:
    """Sends drawn labels."""
    form = {"csrf": browser.token if token is None else token} | fields
    return browser.client.post(f"{address}/corrections", data=form, files={"labels": ("labels.gz", labels)})


def test_who_may_correct_sends_labels_and_what_is_wrong_is_refused(here: Node) -> None:
    name = segmented_study(here, 4)
    address, site = f"/jobs/{name}/series/0", made_site(here)
    content = Browser(site).get(f"{address}/labels.nii").content
    drawn = np.frombuffer(content[352:], np.uint8).copy()
    unchanged = gzip.compress(drawn.tobytes())
    drawn[drawn == 3] = 1
    good = gzip.compress(drawn.tobytes())
    with users_of(site) as users:
        assert "correct.js" not in users["viewer"].get(address).text
        assert sent(users["viewer"], address, good).status_code == 403
        operator = users["operator"]
        assert "correct.js" in operator.get(address).text
        assert sent(operator, address, good, token="other").status_code == 403
        wrong = {
            "packed by gzip": b"no",
            "for each voxel": gzip.compress(drawn.tobytes()[:-1]),
            "a label for each": gzip.compress(drawn.tobytes() + bytes(1)),
            "segments, got others": gzip.compress(np.full_like(drawn, 9).tobytes()),
            "those of the result": unchanged,
        }
        for sentence, labels in wrong.items():
            answer = sent(operator, address, labels)
            assert answer.status_code == 409
            assert sentence in answer.text
        for splits in ("no", "[4]", "[[3, 1]]", "[[4, 9]]", "[[256, 1]]", "[[4, 1], [4, 1]]"):
            answer = sent(operator, address, good, splits=splits)
            assert (answer.status_code, "expected" in answer.text) == (409, True), splits
        for path, length in ((f"{address}/corrections", (32 << 20) + 1), (f"/jobs/{name}/hold", 40_000)):
            refused = operator.client.post(path, headers={"Content-Length": str(length)})
            assert refused.status_code == 413
        assert sent(operator, address, good).status_code == 201
        text = operator.get(address).text
        assert "The corrected result is filed." in text
        assert "Right hip bone: Dice 0.000, 0.0 ml added" in text
        (query,) = re.findall(r'series/0(\?corrected=[0-9.]+)"', text)
        shown = operator.get(address + query).text
        assert ("Corrected by a person" in shown, "correct.js" in shown) == (True, False)
        assert f'data-query="{query}"' in shown
        labels = users["viewer"].get(f"{address}/labels.nii{query}").content[352:]
        assert np.array_equal(np.frombuffer(labels, np.uint8), drawn)
        surfaces = json.loads(operator.get(f"{address}/surfaces.json{query}").content)
        assert [part["value"] for part in surfaces] == [1, 2]
        for other in ("1.2.3", "../../x"):
            assert operator.get(f"{address}?corrected={other}").status_code == 404
    assert (here.settings.data / "audit.xml").read_text().count("corrected-result") == 1


def test_a_corrected_result_is_sent_in_place_of_what_destinations_have_after_a_question(
    tmp_path: Path,
) -> None:
    here = node_with_peers(tmp_path)
    name = segmented_study(here, 5)
    address, site = f"/jobs/{name}/series/0", made_site(here)
    drawn = np.frombuffer(Browser(site).get(f"{address}/labels.nii").content[352:], np.uint8).copy()
    drawn[np.flatnonzero(drawn == 3)[:100]] = 4
    labels = gzip.compress(drawn.tobytes())
    with users_of(site) as users:
        operator = users["operator"]
        assert 'id="replace"' not in operator.get(address).text
        with worked_off(here.settings, ScriptedSegmenter(), lambda _: DELIVERED):
            until(lambda: set(here.states()) == {"delivered"})
        assert "in place of the results at pacs" in operator.get(address).text
        assert sent(operator, address, labels, splits="[[4, 3]]").status_code == 201
        text = operator.get(address).text
        assert "Right hip bone fragment 2: Dice 0.000" in text
        (instance,) = re.findall(r'name="instance" value="([0-9.]+)"', text)
        viewer = users["viewer"]
        assert "instance" not in viewer.get(address).text
        assert viewer.post(f"{address}/replace", instance=instance, sure="yes").status_code == 403
        asked = operator.post(f"{address}/replace", instance=instance)
        assert "A rejection note of what it has goes to pacs" in asked.text
        assert f'value="{instance}"' in asked.text
        assert (
            "Not sent: expected a corrected result"
            in operator.post(f"{address}/replace", instance="1.2", sure="yes").text
        )
        text = operator.post(f"{address}/replace", instance=instance, sure="yes").text
        assert "The corrected result is sent to pacs" in text
        assert "its results are being made" in text
        drawn[drawn == 4] = 1
        assert sent(operator, address, gzip.compress(drawn.tobytes()), replace="yes").status_code == 201
        assert "Not sent: expected one corrected result at a time" in operator.get(address).text


def test_images_that_cannot_be_read_are_told_in_a_sentence(here: Node) -> None:
    other = segmented_study(here, 2)
    (job,) = [each for each in list_jobs(here.client) if each.job_id.endswith(other)]
    for path in job_folder(here.settings.data, job.job_id).input.rglob("*.dcm"):
        path.unlink()
    answer = Browser(made_site(here)).get(f"/jobs/{other}/series/0/first.nii")
    assert answer.status_code == 409
    assert "The images cannot be shown" in answer.text


def test_volumes_are_kept_within_bounds_and_forgotten(here: Node, name: str, site: Site) -> None:
    from app.node.queue.jobs.job_log import series_of
    from app.web.viewing.stored_result import StoredResult

    (job,) = [each for each in list_jobs(here.client) if each.job_id.endswith(name)]
    (outcome,) = series_of(site.client, job.job_id)
    results = [StoredResult(here.settings.data, job.job_id, number, outcome) for number in range(3)]
    now_s = [0.0]
    views = Views(most_bytes=2 * int(np.prod(SHAPE)) * 3, kept_s=60, now_s=lambda: now_s[0])
    opened = [views.opened(result) for result in results]
    assert [number for _, number, _ in views.volumes] == [1, 2]
    assert views.opened(results[2]) is opened[2]
    now_s[0] = 30
    views.opened(results[1])
    now_s[0] = 80
    views.forget_old()
    assert [number for _, number, _ in views.volumes] == [1]


def test_a_radiograph_is_shown_with_its_outlines(here: Node) -> None:
    made = radiograph_study(here, 3)
    browser = Browser(made_site(here))
    text = browser.get(f"/jobs/{made}/series/0").text
    assert text.count("<polygon") == 1
    assert "87%" in text
    picture = Image.open(BytesIO(browser.get(f"/jobs/{made}/series/0/picture.png").content))
    assert picture.mode == "L"
    assert f'viewBox="0 0 {picture.width} {picture.height}"' in text


def test_it_draws_the_planes_and_the_surfaces_and_complains_of_nothing(page: Page) -> None:
    assert page.run("document.getElementById('viewer').dataset.state") == "ready"
    assert page.errors == []
    shown = page.picture()
    for canvas in ("planes", "space"):
        box = json.loads(
            page.run(f"JSON.stringify(document.getElementById('{canvas}').getBoundingClientRect())")
        )
        top, left = int(box["top"]), int(box["left"])
        part = shown[top : top + int(box["height"]), left : left + int(box["width"])].astype(int)
        green = (part[..., 1] > part[..., 0] + 40) & (part[..., 1] > part[..., 2] + 40)
        assert green.mean() > 0.005, canvas
    assert [each for each in page.requests if "0815" in each or "4711" in each] == []


def location(page: Page) -> str:
    return str(page.run("document.getElementById('location').textContent"))


def test_a_row_of_a_fracture_and_a_key_slice_lead_to_their_place(page: Page) -> None:
    page.run("document.querySelector('[data-mark=\"3\"]').click()")
    assert location(page) == "700 HU, Right hip bone"
    page.run("document.querySelector('[data-mark=\"1,2\"]').click()")
    assert location(page) == "700 HU, Left hip bone, fragment 2"
    page.run("document.querySelector('#key-buttons button').click()")
    assert page.run("document.getElementById('slice-axial').value") == str(KEY_SLICE)


def green_share(page: Page) -> float:
    part = page.picture().astype(int)
    return float(((part[..., 1] > part[..., 0] + 40) & (part[..., 1] > part[..., 2] + 40)).mean())


def test_a_segment_is_hidden_by_its_box_or_its_probability(page: Page) -> None:
    page.run("scrollTo(0, 0)")
    page.wait_for("scrollY === 0")
    before = green_share(page)
    page.run("document.getElementById('shown-1').click()")
    assert green_share(page) < before / 10
    page.run("document.getElementById('shown-1').click()")
    assert green_share(page) > before * 0.9
    move = "(e => {{ e.value = {}; e.dispatchEvent(new Event('input')) }})(document.getElementById('least'))"
    page.run(move.format(90))
    assert green_share(page) < before / 10
    page.run(move.format(0))
    # Bright bone is less bright in a wider window
    page.run("document.querySelector('[data-low=\"-150\"]').click()")
    soft = page.picture().astype(int).mean()
    page.run("document.querySelector('[data-low=\"-500\"]').click()")
    assert soft > page.picture().astype(int).mean() + 1


@pytest.mark.parametrize("width", [1280, 390])
def test_an_accessibility_check_finds_nothing_and_the_page_does_not_scroll_sideways(
    page: Page, width: int
) -> None:
    origin = find_spec("axe_core_python")
    assert origin is not None
    page.resize(width, 900)
    page.run((Path(str(origin.origin)).parent / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    found = json.loads(page.run("axe.run().then(found => JSON.stringify(found))"))
    assert [(each["id"], each["nodes"][0]["html"][:120]) for each in found["violations"]] == []
    assert page.run("document.documentElement.scrollWidth") <= width


def test_the_labels_are_sent_packed(page: Page) -> None:
    sizes = page.run(
        "performance.getEntriesByType('resource').filter(each => each.name.endsWith('labels.nii'))"
        ".map(each => [each.encodedBodySize, each.decodedBodySize])[0]"
    )
    assert sizes[0] * 10 < sizes[1] == int(np.prod(SHAPE)) + 352


def mouse(page: Page, kind: str, x: float, y: float) -> None:
    page.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def choose(page: Page, field: str, value: str) -> None:
    change = f"e.value = '{value}'; e.dispatchEvent(new Event('change'))"
    page.run(f"(e => {{ {change} }})(document.getElementById('{field}'))")


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector('{selector}').click()")


def said(page: Page) -> str:
    return str(page.run("document.getElementById('corrected').textContent"))


def test_segments_are_relabelled_merged_drawn_undone_and_filed(page: Page, here: Node, name: str) -> None:
    (job,) = [each for each in list_jobs(here.client) if each.job_id.endswith(name)]
    edits = job_folder(here.settings.data, job.job_id).edits
    page.resize(1280, 900)
    stored = np.searchsorted([0, 11, 12, 21], label_array())
    sizes = np.bincount(stored.ravel()).tolist()
    click(page, "#correct summary")
    page.run("scrollTo(0, 0)")
    click(page, '[data-mark="1"]')
    choose(page, "segment", "3")
    click(page, "#relabel")
    assert said(page) == f"{sizes[1]} voxels changed."
    for button, expected in (("", "Right hip bone"), ("#undo", "fragment 1")):
        if button:
            click(page, button)
        click(page, '[data-mark="1"]')
        assert location(page).endswith(expected)
    choose(page, "tool", "split")
    click(page, '[data-mark="3"]')
    for button, end in (("#line-begins", 0), ("#line-ends", SHAPE[0] - 1)):
        move_slice(page, "sagittal", end)
        click(page, button)
    assert said(page).startswith("The line ends at column")
    click(page, "#cut")
    lesser, whole = map(int, re.findall(r"\d+", said(page))[:2])
    assert (whole, 0 < lesser <= whole / 2) == (sizes[3], True)
    assert said(page).endswith("voxels are Right hip bone fragment 2 now.")
    assert names_of(page) == 4
    click(page, "#undo")
    assert names_of(page) == 3
    split_by_hand(page)
    assert f"of {whole} voxels are Right hip bone fragment 2 now." in said(page)
    choose(page, "merged", "2")
    choose(page, "segment", "1")
    click(page, "#merge")
    assert said(page) == f"{sizes[2]} voxels changed."
    choose(page, "tool", "brush")
    choose(page, "segment", "3")
    box = json.loads(page.run("JSON.stringify(document.getElementById('planes').getBoundingClientRect())"))
    # A short stroke through the axial plane, which is the lower left one
    x, y = box["left"] + box["width"] * 0.32, box["top"] + box["height"] * 0.75
    mouse(page, "mousePressed", x, y)
    for step in range(5):
        mouse(page, "mouseMoved", x + 3 * step, y)
    mouse(page, "mouseReleased", x + 12, y)
    click(page, "#save")
    until(lambda: list(edits.glob("*.json")) != [])
    until(lambda: is_told(page))
    (path,) = edits.glob("*.dcm")
    label_map, infos = read_seg(path)
    right = ["Right hip bone fragment 1", "Right hip bone fragment 2"]
    assert [info.label for info in infos] == ["Left hip bone, fragment 1", *right]
    merged, *parts = (int((label_map.labels == info.value).sum()) for info in infos)
    drawn = sum(parts)
    assert 0 < drawn - sizes[3] < 500
    assert sizes[1] + sizes[2] - (drawn - sizes[3]) <= merged <= sizes[1] + sizes[2]
    assert "Right hip bone: Dice" in page.run("document.getElementById('edits').textContent")
    assert page.errors == []


def move_slice(page: Page, plane: str, to: int) -> None:
    change = f"e.value = {to}; e.dispatchEvent(new Event('input'))"
    page.run(f"(e => {{ {change} }})(document.getElementById('slice-{plane}'))")


def names_of(page: Page) -> int:
    """How many segments there are to choose from."""
    return int(page.run("document.getElementById('segment').options.length"))


def split_by_hand(page: Page) -> None:
    """Draws a line across the axial plane, which is the lower left one."""
    choose(page, "segment", "3")
    click(page, '[data-mark="3"]')
    page.run("scrollTo(0, 0)")
    box = json.loads(page.run("JSON.stringify(document.getElementById('planes').getBoundingClientRect())"))
    y, share = box["top"] + box["height"] * 0.75, box["width"] / 100
    xs = [box["left"] + share * each for each in range(17, 36, 2)]
    mouse(page, "mousePressed", xs[0], y)
    for x in xs:
        mouse(page, "mouseMoved", x, y)
    mouse(page, "mouseReleased", xs[-1], y)


def is_told(page: Page) -> bool:
    """Whether the page was loaded again and says that a correction is filed."""
    try:
        return bool(
            page.run("document.querySelector('.messages')?.textContent.includes('is filed') === true")
        )
    except RuntimeError:  # between two pages
        return False
