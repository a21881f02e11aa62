"""Drives OHIF like a radiologist: lists studies, opens one by a double click, scrolls through its slices."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.support.browsers.browser import Page

SEG_ROW = "document.querySelector('[data-cy=study-browser-thumbnail-no-image]')"
YES = "[...document.querySelectorAll('button')].find(each => each.textContent.trim() === 'Yes')"
SERVICES = "window.services"
VIEWPORT = (
    f"{SERVICES}?.cornerstoneViewportService?.getCornerstoneViewport?.("
    f"{SERVICES}.viewportGridService.getActiveViewportId())"
)
# Whether the viewport has drawn its image. OHIF stays black for good if it is given another before that
DRAWN = (
    "(viewport => viewport?.viewportStatus === 'rendered' && "
    f"viewport.getCornerstoneImage()?.imageId === viewport.getCurrentImageId())({VIEWPORT})"
)
# What the study browser lists: display sets by SOP class
LISTED = f"""Object.fromEntries({SERVICES}.displaySetService.getActiveDisplaySets().map(
  each => [each.SOPClassUID ?? each.instance.SOPClassUID, each.displaySetInstanceUID]))"""
SHOW_SET = """(uid => {
  const grid = window.services.viewportGridService;
  grid.setDisplaySetsForViewport({viewportId: grid.getActiveViewportId(), displaySetInstanceUIDs: [uid]});
})(%r)"""
# Segments that the viewport draws, which happens after loading
SEGMENTS = (
    f"{SERVICES}.segmentationService.getSegmentationRepresentations("
    f"{SERVICES}.viewportGridService.getActiveViewportId())"
    ".flatMap(each => Object.values(each.segments)).map(each => "
    f"{SERVICES}.segmentationService.getSegmentations()[0].segments[each.segmentIndex].label)"
)
# Distance of a slice's first voxel from a position, mm; and the least distance in the viewport
FAR = """(position => id => {
  const plane = window.cornerstone.metaData.get('imagePlaneModule', id).imagePositionPatient;
  return Math.hypot(...position.map((x, n) => x - plane[n]));
})"""
NEAREST = f"(position => Math.min(...%s.getImageIds().map({FAR}(position))))(%s)"
# Shows the slice at a position and returns the canvas coordinates of three of its voxels
SHOW = """(async (position, corners) => {
  const viewport = %s;
  const all = viewport.getImageIds().map(%s(position));
  const index = all.indexOf(Math.min(...all));
  await viewport.setImageIdIndex(index);
  viewport.resetCamera();
  viewport.render();
  return [all[index], ...corners.map(each => viewport.worldToCanvas(each))];
})(%s, %s)"""
PICTURE = f"{VIEWPORT}.getCanvas().toDataURL('image/png')"
WAIT_S = 60.0


class Viewer:
    """One tab with OHIF."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        page.resize(800, 600)

    def open_seg(self, study_instance_uid: str) -> list[str]:
        """Opens a study and its only SEG; returns the names of its segments."""
        self.page.open(f"{self.address}/viewer?StudyInstanceUIDs={study_instance_uid}")
        self.until(f"{DRAWN} && {SEG_ROW}")
        self.click(SEG_ROW, times=2)
        self.until(YES)
        self.click(YES)
        return list(self.until(f"{SEGMENTS}.length && {SEGMENTS}"))

    def open_study(self, study_instance_uid: str, count: int) -> dict[str, str]:
        """Opens a study; returns its display sets by SOP class once there are `count` and one is drawn."""
        self.page.open(f"{self.address}/viewer?StudyInstanceUIDs={study_instance_uid}")
        self.until(DRAWN)
        return dict(self.until(f"Object.keys({LISTED}).length === {count} && {LISTED}"))

    def show(self, display_set: str, condition: str) -> None:
        """Shows a display set in the viewport once that is at rest; waits until the condition is true."""
        self.until(DRAWN)
        self.page.run(SHOW_SET % display_set)
        self.until(condition)

    def holds(self, position_lps_mm: tuple[float, ...]) -> bool:
        """Returns whether a slice of the displayed series has its first voxel there."""
        return bool(self.page.run(NEAREST % (VIEWPORT, json.dumps(list(position_lps_mm)))) < 0.01)

    def slice_at(
        self, position_lps_mm: tuple[float, ...], ij_to_lps: NDArray[np.float64], shape: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Returns canvas RGB (I, J, 3) at each voxel's centre of the slice with its first voxel there."""
        origin = np.array(position_lps_mm)
        corners = [origin, origin + ij_to_lps[:, 0], origin + ij_to_lps[:, 1]]
        script = SHOW % (
            VIEWPORT,
            FAR,
            json.dumps(origin.tolist()),
            json.dumps([c.tolist() for c in corners]),
        )
        distance_mm, zero, right, down = self.page.run(script)
        assert distance_mm < 0.01, f"expected the slice at {position_lps_mm}, got {distance_mm} mm off"
        steps = np.array([np.subtract(right, zero), np.subtract(down, zero)])
        places = np.array(zero) + np.moveaxis(np.indices(shape), 0, -1) @ steps
        return colours_at(self.canvas(), np.floor(places).astype(int))

    def canvas(self) -> NDArray[np.float64]:
        """Returns cornerstone's canvas without overlays."""
        content = base64.b64decode(self.page.run(PICTURE).partition(",")[2])
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), dtype=np.float64)

    def click(self, element: str, times: int = 1) -> None:
        """Clicks the centre of an element once it has stopped moving."""
        middle = f"(r => [r.x + r.width / 2, r.y + r.height / 2])({element}.getBoundingClientRect())"
        before, place = None, self.page.run(middle)
        while place != before:
            time.sleep(0.3)
            before, place = place, self.page.run(middle)
        x, y = place
        for count in range(1, times + 1):
            for kind in ("mousePressed", "mouseReleased"):
                event: dict[str, Any] = {"type": kind, "x": x, "y": y, "clickCount": count}
                self.page.ask("Input.dispatchMouseEvent", button="left", **event)

    def until(self, script: str) -> Any:
        """Waits until the expression is true; returns it. OHIF's services throw until they are ready."""
        deadline = time.monotonic() + WAIT_S
        tried = f"const found = {script}; return found instanceof Node || found;"
        asked = f"(() => {{ try {{ {tried} }} catch {{ return null; }} }})()"
        while time.monotonic() < deadline:
            if found := self.page.run(asked):
                return found
            time.sleep(0.1)
        raise AssertionError(f"expected within {WAIT_S} s: {script}; the page says {self.page.errors[-3:]}")

    def keep(self, path: Path) -> None:
        """Saves a screenshot of the whole tab."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.picture(path)


def colours_at(picture: NDArray[np.float64], places: NDArray[np.int_]) -> NDArray[np.float64]:
    """Samples a picture (rows, columns, 3) at columns and rows (I, J, 2); returns (I, J, 3), NaN outside."""
    framed = np.pad(picture, ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
    rows, columns = picture.shape[:2]
    column, row = np.clip(places + 1, 0, (columns + 1, rows + 1)).transpose(2, 0, 1)
    return framed[row, column]
