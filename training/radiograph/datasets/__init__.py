"""The layouts of data sets of radiographs: a row of LAYOUTS for each, recognised by its files.

`own`, `fracatlas`, `graz` and `plain` list the images of a layout as `entries`; `cleaning` reads them and
leaves out what cannot be trained on; `groups` and `folds` keep together what belongs together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from operators.errors import UsageError
from training.radiograph.datasets import fracatlas, graz, own, plain
from training.radiograph.datasets.entries import Entry


@dataclass(frozen=True)
class Layout:
    """A layout: the files by which it is recognised (patterns), and the images that it lists."""

    name: str
    files: tuple[str, ...]
    entries: Callable[[Path], Iterator[Entry]]

    def fits(self, folder: Path) -> bool:
        """Returns whether a folder has all files of the layout."""
        return all(any(folder.glob(pattern)) for pattern in self.files)


LAYOUTS = (
    Layout("Osteon", ("images.csv", "fractures.json", "images"), own.entries),
    Layout("FracAtlas", ("dataset.csv", "images/Fractured", "images/Non_fractured"), fracatlas.entries),
    Layout("GRAZPEDWRI-DX", ("dataset.csv", "images*", "folder_structure/yolov5/labels"), graz.entries),
    # The published sets hold such files too: they come first
    Layout("COCO", ("*.json", "images"), plain.coco_entries),
    Layout("VOC", ("[Aa]nnotations/*.xml", "*[Ii]mages"), plain.voc_entries),
    Layout("YOLO", ("images/**/*.[jpJP][npNP][gG]*", "labels/**/*.txt"), plain.yolo_entries),
)


def layout_of(folder: Path) -> Layout:
    """Returns the layout of a folder. Raises UsageError, which lists the layouts, if it has none of them."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder of radiographs, {folder} is not a folder")
    for layout in LAYOUTS:
        if layout.fits(folder):
            return layout
    known = "; ".join(f"{layout.name} ({', '.join(layout.files)})" for layout in LAYOUTS)
    raise UsageError(f"expected radiographs in one of the layouts {known}; {folder} holds none of them")
