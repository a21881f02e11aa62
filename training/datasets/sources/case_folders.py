"""Folders of CTs with their masks or surfaces, paired by name, or by folder.

Images: NIfTI, NRRD, MetaImage, DICOM series. Masks: the same formats, a file name or folder says which (mask,
seg, label, ...); DICOM SEG and RTSTRUCT, paired by the series that they name. Surfaces: STL, PLY, OBJ.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from operators.dicom.elements.attributes import text
from operators.dicom.headers.series import Series
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import grouped_by_reason, scan
from operators.dicom.rtstruct.rtstruct_reader import referenced_series as rtstruct_series
from operators.dicom.seg.seg_files import is_rtstruct, is_seg
from operators.dicom.seg.seg_files import referenced_series as seg_series
from operators.geometry.volume import CtVolume
from operators.image_files.label_files import stem
from operators.image_files.volume_files import is_volume_file, read_volume_file
from training.datasets.label_maps import Labelled, label_one, label_several
from training.datasets.layout import LeftOut
from training.datasets.naming import Numbering
from training.datasets.sources.listing import Listing, SourceCase
from training.datasets.surfaces import is_surface, label_surfaces, stem_of

MASK_WORDS = {
    "mask", "masks", "seg", "segs", "segmentation", "segmentations", "label", "labels", "labelmap", "gt",
    "dseg", "roi", "annotation", "annotations", "truth",
}  # fmt: skip
IMAGE_WORDS = {
    "image", "images", "img", "imgs", "ct", "cts", "volume", "volumes", "scan", "scans", "0000", "dicom",
}  # fmt: skip
SURFACE_WORDS = {"stl", "stls", "surface", "surfaces", "mesh", "meshes", "fragments"}
WORD = re.compile(r"[\s._-]+")
KEY_DIGITS = 12


@dataclass(frozen=True, eq=False)
class Found:
    """A file or series: its place in the source, the words that identify its case, and how it is read."""

    place: str
    folder: tuple[str, ...]
    words: tuple[str, ...]
    path: Path
    series: Series | None = None


@dataclass
class Group:
    """What belongs to one case."""

    images: list[Found] = field(default_factory=list)
    masks: list[Found] = field(default_factory=list)
    surfaces: list[Found] = field(default_factory=list)


def list_cases(folder: Path) -> Listing:
    """Returns the cases of a folder, and the files that belong to none. Raises UnreadableError."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    images, masks, surfaces = sort_files(folder, files)
    dicom = [path for path in files if not is_volume_file(path) and not is_surface(path)]
    series, drawn, left_out = dicom_of(folder, dicom)
    groups = [*by_series(series, drawn, left_out)]
    taken = {id(each) for group in groups for each in group.images}
    images += [each for each in series if id(each) not in taken]
    groups += by_name(images, masks, surfaces, left_out)
    return Listing(folder.name, [case_of(group) for group in groups], left_out)


def sort_files(folder: Path, files: Sequence[Path]) -> tuple[list[Found], list[Found], list[Found]]:
    """Returns the images, masks and surfaces that are files."""
    found: dict[str, list[Found]] = defaultdict(list)
    for path in files:
        if is_surface(path):
            found["surfaces"].append(found_at(folder, path, stem_of(path)))
        elif is_volume_file(path):
            name = stem(path.name)
            words = {
                *words_of(name),
                *(word for part in folder_parts(folder, path) for word in words_of(part)),
            }
            found["masks" if words & MASK_WORDS else "images"].append(found_at(folder, path, name))
    return found["images"], found["masks"], found["surfaces"]


def found_at(folder: Path, path: Path, name: str, series: Series | None = None) -> Found:
    """Returns a file or series with the words that identify its case: of its folders and its name."""
    parts = tuple(telling(part) for part in folder_parts(folder, path))
    return Found(
        path.relative_to(folder).as_posix(),
        tuple(part for part in parts if part),
        tuple(word for word in words_of(name) if word not in MASK_WORDS | IMAGE_WORDS),
        path,
        series,
    )


def folder_parts(folder: Path, path: Path) -> tuple[str, ...]:
    """Returns the names of the folders between a source and a file of it."""
    return path.relative_to(folder).parts[:-1]


def words_of(name: str) -> tuple[str, ...]:
    """Returns the words of a name, in lower case."""
    return tuple(word for word in WORD.split(name.lower()) if word)


def telling(part: str) -> str:
    """Returns a folder's name, empty if it only says what kind of files are in it."""
    only = set(words_of(part)) - MASK_WORDS - IMAGE_WORDS - SURFACE_WORDS
    return part.lower() if only else ""


def dicom_of(folder: Path, files: Sequence[Path]) -> tuple[list[Found], list[Path], list[LeftOut]]:
    """Returns a folder's CT series, SEGs and RTSTRUCTs, and its other DICOM. Raises UnreadableError."""
    if not files:
        return [], [], []
    drawn = [path for path in files if is_seg(path) or is_rtstruct(path)]
    scanned, series = scan(folder), list[Found]()
    left_out = [LeftOut(place, first.reason) for first, place in grouped_by_reason(scanned.unreadable)]
    for one in (one for one in scanned.series if one.frames[0].path not in drawn):
        path = one.frames[0].path
        if why := refusal(one):
            place = path.parent.relative_to(folder).as_posix()
            left_out.append(LeftOut(f"{place} ({one.modality} series)", why))
        else:
            series.append(found_at(folder, path, "", one))
    return series, drawn, left_out


def refusal(series: Series) -> str:
    """Returns why a series is no CT volume; '' if it is one."""
    if series.modality != "CT":
        return f"expected CT, got {series.modality or 'no modality'}"
    if series.grid is None:
        return series.fault.text if series.fault else "expected a grid, got none"
    return ""


def by_series(series: Sequence[Found], drawn: Sequence[Path], left_out: list[LeftOut]) -> Iterator[Group]:
    """Yields the case of each SEG and RTSTRUCT: the series that it was drawn on."""
    for path in drawn:
        uid = rtstruct_series(path) if is_rtstruct(path) else seg_series(path)
        fitting = [each for each in series if each.series and uid in each.series.frames_by_series()]
        if len(fitting) != 1:
            why = f"expected the series that it was drawn on, got {len(fitting)}"
            left_out.append(LeftOut(path.name, why))
            continue
        yield Group([fitting[0]], [Found(path.name, fitting[0].folder, words_of(path.stem), path)])


def by_name(
    images: list[Found], masks: list[Found], surfaces: list[Found], left_out: list[LeftOut]
) -> Iterator[Group]:
    """Yields the cases that names pair, first those of files, then those of folders with one image."""
    for key in (file_key, folder_key, named_folder_key):
        groups: dict[object, Group] = defaultdict(Group)
        for kind, rows in (("images", images), ("masks", masks), ("surfaces", surfaces)):
            for each in rows:
                getattr(groups[key(each)], kind).append(each)
        # One image, and something that labels it
        cases = [one for one in groups.values() if len(one.images) == 1 and (one.masks or one.surfaces)]
        yield from cases
        taken = {id(each) for group in cases for each in (*group.images, *group.masks, *group.surfaces)}
        images, masks, surfaces = (
            [each for each in rows if id(each) not in taken] for rows in (images, masks, surfaces)
        )
    for each in images:
        left_out.append(
            LeftOut(each.place, "an image without one mask or surfaces of its name or in its folder")
        )
    for each in (*masks, *surfaces):
        left_out.append(
            LeftOut(each.place, "expected one image of its name or in its folder, got none or several")
        )


def file_key(found: Found) -> object:
    """Returns what an image and its mask share: folders and name; surfaces nothing, they are several."""
    return (found.folder, found.words) if found.words and not is_surface(found.path) else object()


def folder_key(found: Found) -> object:
    """Returns what the files of one folder have in common."""
    return found.folder


def named_folder_key(found: Found) -> object:
    """Returns what an image has in common with the files of the folder that bears its name, beside it."""
    return (
        (*found.folder, "_".join(found.words)) if found.words and not is_surface(found.path) else found.folder
    )


def case_of(group: Group) -> SourceCase:
    """Returns a group as a case, named by its folders, or by its image if it lies in none."""
    (image,) = group.images
    masks, surfaces = ([each.path for each in rows] for rows in (group.masks, group.surfaces))
    beside = group.masks[0].words if group.masks and len(group.masks) == 1 else ()
    parts = (*image.folder, *image.words) or beside or (image.path.parent.name,)
    name, own = "_".join(dict.fromkeys(parts)), image.series
    read = partial(read_volume, own) if own else partial(read_volume_file, image.path)
    return SourceCase(
        group.masks[0].place if len(masks) == 1 else image.place,
        name,
        partial(read_case, read, masks, surfaces),
        patient_of(image.series),
    )


def read_case(
    read: Callable[[], CtVolume], masks: Sequence[Path], surfaces: Sequence[Path], numbering: Numbering
) -> Labelled:
    """Returns one case; masks count before surfaces. Raises OsteonError."""
    image = read()
    if not masks:
        return label_surfaces(image, surfaces, numbering)
    one = len(masks) == 1
    made = label_one(image, masks[0], numbering, None) if one else label_several(image, masks, numbering)
    beside = (f"{len(surfaces)} surfaces beside the mask were not read",) if surfaces else ()
    return replace(made, notes=(*made.notes, *beside))


def patient_of(series: Series | None) -> str:
    """Returns a key that stands for the patient of a series; it cannot be turned back into the Patient ID."""
    patient = "" if series is None else text((series.header,), "PatientID")
    return hashlib.sha256(patient.encode()).hexdigest()[:KEY_DIGITS] if patient else ""
