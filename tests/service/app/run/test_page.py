"""The HTML report in a real browser: it asks for nothing, draws, and can be used by everybody."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.run.folder import run_folder
from app.run.html.surfaces import FACES, drawn_parts, three_js
from app.run.html.writer import MOST_PICTURES, write_page
from app.run.record import SeriesRecord
from app.run.stage_clock import silent
from app.settings import Settings
from operators.dicom.capture.secondary_captures import write_pictures
from operators.measure.measuring import measure_segments
from operators.packages.structures import Code
from operators.render.fracture_pictures import FracturePicture
from operators.segmentation.segmentation import Flag, Segmentation
from tests.support.bones.synthetic_shapes import Points, drawn, grid_around, left_bone, mirrored
from tests.support.browsers.browser import Page, chromium
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import MADE_AT, bone, grid, package, provenance, series
from tests.support.training.training_cases import write_models
from tests.unit.app.run.test_run import AFFINE, HU

RED, GREEN, BLUE = (230, 40, 40), (40, 200, 60), (60, 80, 230)
RIGHT = Code("24028007", "SCT", "Right")
HOSTILE = "<script>fetch('https://example.org')</script>"
# Windows' key codes
TAB, SPACE, PAGE_UP = 9, 32, 33


def upper(points: Points) -> np.ndarray:
    return left_bone(points) & (points[..., 2] > 2)


def lower(points: Points) -> np.ndarray:
    return left_bone(points) & (points[..., 2] < -2)


SURE: dict[str, Any] = {"bone_probability": 0.98, "fracture_probability": 0.93}


def case() -> Segmentation:
    """To the patient's left a bone in two, green above and blue below; to his right a red one."""
    label_map = drawn(
        grid_around((150, 90, 90), (1.5, 1.5, 1.5)), {11: upper, 12: lower, 21: mirrored(left_bone)}
    )
    fragments = [
        replace(bone(11, fragment=1), rgb=GREEN, fragment_probability=0.81, **SURE),
        replace(bone(12, fragment=2), rgb=BLUE, fragment_probability=0.4, **SURE),
    ]
    other = replace(bone(21, laterality=RIGHT), bone="right_hip_bone", label="Right hip bone", rgb=RED)
    made = measure_segments(Segmentation(label_map, (*fragments, other), replace(package(), title="pelvis")))
    return replace(made, flags=(Flag("low_confidence", "Hip, left: fragment 2 is doubtful.", (12,)),))


def record(made: Segmentation) -> SeriesRecord:
    return SeriesRecord(
        "1.2.1",
        "1.2.2",
        "",
        "CT",
        60,
        "selected",
        "segmented",
        segmentation=made,
        names={"seg": ("segmentation.dcm",), "sr": ("measurements.dcm",)},
    )


def pictures(folder: Path, count: int = 1) -> list[Path]:
    """A preview, and a number of secondary captures."""
    pixels = np.full((60, 80, 3), 90, np.uint8)
    Image.fromarray(pixels).save(folder / "preview.png")
    shown = tuple(FracturePicture(pixels, 2, f"Left hip bone, slice {n}") for n in range(count))
    return [
        folder / "preview.png",
        *write_pictures(shown, provenance(MADE, series(grid())), folder / "pictures"),
    ]


MADE = case()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_page(record(MADE), folder / "report.html", pictures(folder), MADE_AT, "0.1.0")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.fixture
def page(browser: Page, path: Path) -> Page:
    """The report as somebody has just opened it."""
    browser.requests.clear()
    browser.errors.clear()
    browser.resize(1200, 900)
    browser.open(path.as_uri())
    return browser


def view(page: Page) -> np.ndarray:
    """The pixels of the 3-D view as it stands after the next frame, RGB (H, W, 3)."""
    frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    url = page.run(f"{frame}.then(() => document.getElementById('view').toDataURL())")
    picture = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    return np.asarray(picture.convert("RGB")).astype(int)


def of_hue(picture: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns (N, 2) of the pixels in which this colour is far stronger than the others."""
    strong = int(np.argmax(rgb))
    others = np.delete(picture, strong, axis=-1).max(axis=-1)
    return np.argwhere(picture[..., strong] - others > 40)


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector('{selector}').click()")


def test_no_request_leaves_the_file_and_nothing_is_complained_of(page: Page, path: Path) -> None:
    view(page)
    asked = [url for url in page.requests if not url.startswith("data:")]
    assert asked == [path.as_uri()]
    assert page.errors == []


def test_what_a_page_might_ask_for_is_forbidden_by_the_page_itself(page: Page) -> None:
    for script in ("fetch('https://example.org')", "fetch('file:///etc/passwd')", "fetch('data:,a')"):
        assert page.run(f"{script}.then(() => 'came', () => 'refused')") == "refused"


def test_the_view_shows_every_part_in_its_colour_and_from_the_front_as_one_stands_before_the_patient(
    page: Page,
) -> None:
    picture = view(page)
    middle = picture.shape[1] / 2
    red, green, blue = (of_hue(picture, colour) for colour in (RED, GREEN, BLUE))
    assert min(len(red), len(green), len(blue)) > 1000
    assert red[:, 1].max() < middle < min(green[:, 1].min(), blue[:, 1].min())
    assert green[:, 0].mean() < blue[:, 0].mean()


@pytest.mark.parametrize(
    ("side", "left_colour", "right_colour"),
    [("Back", GREEN, RED), ("Above", RED, GREEN), ("Below", RED, BLUE)],
)
def test_buttons_show_it_from_other_sides(
    page: Page, side: str, left_colour: tuple[int, int, int], right_colour: tuple[int, int, int]
) -> None:
    click(page, f"[data-side={side}]")
    picture = view(page)
    left, right = of_hue(picture, left_colour), of_hue(picture, right_colour)
    assert min(len(left), len(right)) > 500
    assert left[:, 1].mean() < right[:, 1].mean()


def test_from_the_left_the_other_side_is_hidden_behind(page: Page) -> None:
    click(page, "[data-side=Left]")
    picture = view(page)
    assert len(of_hue(picture, RED)) < len(of_hue(picture, GREEN)) / 4


def test_keys_turn_and_zoom_and_begin_anew(page: Page) -> None:
    page.press("Tab", TAB)
    assert page.run("document.activeElement.id") == "view"
    first, above = view(page), page.run("window.scrollY")
    seen = [first]
    for key in ("ArrowRight", "ArrowUp", "+"):
        page.press(key)
        seen.append(view(page))
        assert np.abs(seen[-1] - seen[-2]).max() > 50
    background = first[0, 0]
    assert (seen[3] != background).any(axis=-1).sum() > (seen[2] != background).any(axis=-1).sum() * 1.1
    page.press("0")
    np.testing.assert_array_equal(view(page), first)
    assert page.run("window.scrollY") == above


def test_the_mouse_turns_and_the_wheel_zooms(page: Page) -> None:
    page.run("document.getElementById('view').scrollIntoView()")
    seen = [view(page)]
    held = {"x": 300, "y": 300, "button": "left", "buttons": 1}
    page.ask("Input.dispatchMouseEvent", type="mousePressed", **held)
    page.ask("Input.dispatchMouseEvent", type="mouseMoved", **(held | {"x": 200}))
    page.ask("Input.dispatchMouseEvent", type="mouseReleased", **(held | {"x": 200}))
    seen.append(view(page))
    page.run("window.before = document.getElementById('view').toDataURL(); 0")
    page.ask("Input.dispatchMouseEvent", type="mouseWheel", x=300, y=300, deltaX=0, deltaY=-100)
    # A wheel's event may come some frames later
    page.wait_for("document.getElementById('view').toDataURL() !== window.before")
    seen.append(view(page))
    assert np.abs(seen[1] - seen[0]).max() > 50
    background = seen[0][0, 0]
    assert (seen[2] != background).any(axis=-1).sum() > (seen[1] != background).any(axis=-1).sum()


def test_tab_reaches_every_switch_and_space_switches_a_fragment_off_and_on(page: Page) -> None:
    reached = []
    for _ in range(14):
        page.press("Tab", TAB)
        reached.append(page.run("document.activeElement.dataset.part ?? document.activeElement.id"))
        if reached[-1] == "1":
            break
    assert reached[0] == "view"
    assert reached[-3:] == ["apart", "0", "1"]
    assert len(of_hue(view(page), BLUE)) > 1000
    page.press(" ", SPACE, " ")
    assert len(of_hue(view(page), BLUE)) == 0
    page.press(" ", SPACE, " ")
    assert len(of_hue(view(page), BLUE)) > 1000


def test_fragments_can_be_pulled_apart(page: Page) -> None:
    def gap() -> float:
        picture = view(page)
        return of_hue(picture, BLUE)[:, 0].min() - of_hue(picture, GREEN)[:, 0].max()

    before = gap()
    page.run("document.getElementById('apart').focus()")
    for _ in range(3):
        page.press("PageUp", PAGE_UP)
    assert gap() > before + 5


@pytest.mark.parametrize("width", [1200, 360])
def test_an_accessibility_check_finds_nothing(page: Page, width: int) -> None:
    page.resize(width, 900)
    found = find_spec("axe_core_python")
    assert found is not None
    axe = Path(str(found.origin)).parent / "axe.min.js"
    page.run(axe.read_text(encoding="utf-8") + "; 0")
    found = json.loads(page.run("axe.run().then(found => JSON.stringify(found))"))
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
    passed = {each["id"] for each in found["passes"]}
    assert {"color-contrast", "label", "document-title", "landmark-one-main"} <= passed


def test_a_narrow_screen_scrolls_down_only(page: Page) -> None:
    page.resize(360, 700)
    assert page.run("document.documentElement.scrollWidth") == 360
    page.wait_for("document.getElementById('view').width <= 360")
    assert len(of_hue(view(page), RED)) > 500


def test_on_paper_there_are_the_view_and_the_table_and_no_switches(page: Page) -> None:
    page.ask("Emulation.setEmulatedMedia", media="print")
    shown = "getComputedStyle(document.querySelector('{}')).display"
    assert page.run(shown.format(".sides")) == "none"
    assert page.run(shown.format("#view")) == "block"
    page.ask("Emulation.setEmulatedMedia", media="")
    paper = base64.b64decode(page.ask("Page.printToPDF", printBackground=True)["data"])
    assert paper.startswith(b"%PDF")


def test_without_webgl_the_page_says_so_and_the_rest_is_there(page: Page) -> None:
    lost = page.ask(
        "Page.addScriptToEvaluateOnNewDocument", source="HTMLCanvasElement.prototype.getContext = () => null"
    )
    page.open(page.run("location.href"))
    assert page.run("document.getElementById('no-view').hidden") is False
    assert page.run("document.querySelectorAll('tbody tr').length") == 4
    page.ask("Page.removeScriptToEvaluateOnNewDocument", identifier=lost["identifier"])


def test_the_table_says_what_was_measured_how_sure_it_is_and_what_may_be_wrong(page: Page) -> None:
    cells = "[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(c => c.innerText))"
    rows = json.loads(page.run(f"JSON.stringify({cells})"))
    broken, first, second, intact = rows
    assert broken[0] == "Hip, left, 2 fragments"
    assert broken[-3:] == ["98%", "93%", "Low confidence"]
    assert (first[0], first[-3:], second[-3:]) == ("Fragment 1", ["81%", "–", "–"], ["40%", "–", "–"])
    volume_ml = MADE.measurements[0].volume_mm3.value / 1000
    assert first[1].startswith(f"{volume_ml:.1f} ± ")
    assert re.fullmatch(r"[3-6]\.\d ± [\d.]+ mm", first[4])
    assert (intact[0], intact[3], intact[-1]) == ("Hip, right", "–", "–")
    text = page.run("document.body.innerText")
    assert "For research, not for diagnosis." in text
    assert "Hip, left: fragment 2 is doubtful." in text


def test_pictures_are_within_the_file_each_with_what_it_shows(page: Page) -> None:
    shown = json.loads(page.run("JSON.stringify([...document.images].map(i => [i.naturalWidth, i.alt]))"))
    assert [width for width, _ in shown] == [80, 80]
    assert "slice 0" in shown[1][1]


def test_what_a_package_or_a_series_is_called_is_never_markup(browser: Page, tmp_path: Path) -> None:
    named = replace(MADE, package=replace(MADE.package, title=HOSTILE), warnings=(HOSTILE,))
    segments = tuple(replace(segment, label=HOSTILE) for segment in named.segments)
    made = record(replace(named, segments=segments))
    path = write_page(replace(made, part=HOSTILE), tmp_path / "report.html", [], MADE_AT, HOSTILE)
    browser.errors.clear()
    browser.open(path.as_uri())
    assert browser.errors == []
    assert browser.run("document.scripts.length") == 3
    assert browser.run("document.querySelector('fieldset label').innerText") == HOSTILE


def test_surfaces_are_simplified_and_stay_where_they_were() -> None:
    for part, row in zip(drawn_parts(MADE), MADE.measurements, strict=True):
        vertices = np.frombuffer(base64.b64decode(part["vertices"]), "<f4").reshape(-1, 3)
        faces = np.frombuffer(base64.b64decode(part["faces"]), "<u4").reshape(-1, 3)
        assert faces.max() < len(vertices)
        for end in (np.min, np.max):
            np.testing.assert_allclose(end(vertices, axis=0), end(row.mesh.vertices_lps, axis=0), atol=1.0)


def test_a_large_case_of_sixty_fragments_stays_a_small_file(tmp_path: Path) -> None:
    row = MADE.measurements[2]
    count = 60
    segments = tuple(bone(value, fragment=value) for value in range(1, count + 1))
    rows = tuple(replace(row, value=segment.value) for segment in segments)
    made = replace(MADE, segments=segments, measurements=rows, flags=())
    parts = drawn_parts(made)
    faces = sum(len(base64.b64decode(part["faces"])) // 12 for part in parts)
    assert faces <= FACES * 1.05
    given = pictures(tmp_path, count=MOST_PICTURES + 3)
    path = write_page(record(made), tmp_path / "report.html", given, MADE_AT, "0.1.0")
    assert path.stat().st_size < 5_000_000
    assert "4 more beside this file" in path.read_text(encoding="utf-8")


def test_the_library_that_draws_comes_with_its_licence() -> None:
    library = three_js()
    assert "Three.js Authors" in library[:200]
    assert "SPDX-License-Identifier: MIT" in library[:200]
    assert "</script" not in library


def test_a_run_writes_one_page_for_a_series_and_the_next_run_removes_it(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    write_models(tmp_path / "models")
    args = (tmp_path / "in", tmp_path / "out", Settings(models=tmp_path / "models"), None)
    made_at = datetime(2026, 3, 4, 5, 6, 7)
    run_folder(*args, made_at, silent, lambda *_: MADE)
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["series"]
    assert row["page"] == "report.html"
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert row["series_instance_uid"] in text
    assert "Phantom" not in text

    def nothing(*_: object) -> Segmentation:
        raise RuntimeError("no")

    run_folder(*args, made_at, silent, nothing)
    assert not (tmp_path / "out" / "report.html").exists()
