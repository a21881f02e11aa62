"""Suitable and unsuitable inputs for radiographs: the table INPUTS of folders to run on.

run_folder(write_input("DX upside down", folder, Sources()), ...)
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForPresentation,
    JPEGBaseline8Bit,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from tests.support.dicom import phantoms
from tests.support.radiographs.projection_files import CR, SC, picture, radiograph, save, save_compressed

Grey = NDArray[np.uint8]
# EXIF tag and the value for an image that lies on its left side
ORIENTATION, TURNED = 0x0112, 6
AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
# A window for the soft tissue and bones of a CT, in HU
LOW_HU, HIGH_HU = -200, 800
LONGEST_NAME = 255


def made_grey() -> Grey:
    """A limb with a bone, of 8 bits."""
    return picture(8, (192, 160)).astype(np.uint8)


def made_ct() -> NDArray[np.int16]:
    """A small CT (slices, rows, columns) in HU: a cylinder of soft tissue with a bone."""
    _, rows, columns = np.indices((80, 80, 96))
    radius = np.hypot(rows - 40, columns - 48)
    values = np.where(radius < 8, 700, np.where(radius < 36, 40, -1000))
    return (values + rows - 40).astype(np.int16)


@dataclass(frozen=True, eq=False)
class Sources:
    """The images that inputs are made of: a radiograph (rows, columns) of a body part that packages read, and
    a CT (slices, rows, columns) in HU with the distance between slices in pixels.
    """

    grey: Grey = field(default_factory=made_grey)
    ct: NDArray[np.int16] = field(default_factory=made_ct)
    slice_pixels: float = 1.0

    @property
    def slice_of_ct(self) -> Grey:
        """The middle slice as a picture."""
        return _eight_bits(self.ct[len(self.ct) // 2], LOW_HU, HIGH_HU)

    @property
    def ray_sum(self) -> Grey:
        """A simulated frontal radiograph of the CT, bone bright."""
        thick = np.maximum(self.ct.astype(np.float32) + 1000, 0).sum(1)
        shown = 1 - np.exp(-2 * thick / np.percentile(thick, 99))
        rows = round(len(shown) * self.slice_pixels)
        plane = Image.fromarray(shown).resize((shown.shape[1], rows))
        return _eight_bits(np.asarray(plane), float(shown.min()), float(shown.max()))


def _eight_bits(values: NDArray[Any], low: float, high: float) -> Grey:
    return np.rint(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


Make = Callable[[Path, Sources], None]
Change = Callable[[Sources], NDArray[Any]]


def _grey(sources: Sources) -> Grey:
    return sources.grey


def _enlarged(side: int) -> Change:
    return lambda s: np.asarray(Image.fromarray(s.grey).resize((side, side)))


def _noise(sources: Sources) -> Grey:
    return np.random.default_rng(1).integers(0, 256, sources.grey.shape, np.uint8)


def _constant(level: int) -> Change:
    return lambda s: np.full_like(s.grey, level)


def _saturated(sources: Sources) -> Grey:
    """Black and white except for a few pixels."""
    return np.where(sources.grey > np.median(sources.grey), 255, 0).astype(np.uint8)


def _dicom(change: Change, **attributes: Any) -> Make:
    """A DX of 8 bits of a changed image; an attribute of None is left out."""

    def make(folder: Path, sources: Sources) -> None:
        save(radiograph(change(sources), bits=8, **attributes), folder / "1.dcm")

    return make


def _picture(name: str, change: Change, **options: Any) -> Make:
    """A PNG or JPEG, by its name; `options` are of Pillow's encoders."""

    def make(folder: Path, sources: Sources) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(change(sources)).save(folder / name, **options)

    return make


def _in_mode(mode: str) -> Make:
    def make(folder: Path, sources: Sources) -> None:
        folder.mkdir(parents=True)
        Image.fromarray(sources.grey).convert(mode).save(folder / "1.png")

    return make


def _colours(sources: Sources) -> NDArray[np.uint8]:
    rolled = [np.roll(sources.grey, at * len(sources.grey) // 4, 0) for at in range(3)]
    return np.stack(rolled, -1)


def _rgb(sources: Sources) -> NDArray[np.uint8]:
    return np.stack([sources.grey] * 3, -1)


def _secondary_capture(folder: Path, sources: Sources, colours: Change) -> None:
    of_colours: dict[str, Any] = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
    }
    made = radiograph(colours(sources), bits=8, SOPClassUID=SC, ConversionType="DI", **of_colours)
    save(made, folder / "1.dcm")


def _multi_frame(folder: Path, sources: Sources) -> None:
    uid = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    made = radiograph(sources.grey, bits=8, SOPClassUID=uid, ConversionType="DI", NumberOfFrames=2)
    made.PixelData = made.PixelData * 2
    save(made, folder / "1.dcm")


def _ct(folder: Path, sources: Sources) -> None:
    """One slice of the CT as DICOM."""
    phantoms.write_ct(folder, sources.ct[:2].T, AFFINE, keep=range(1))


def _ct_and_dx(folder: Path, sources: Sources) -> None:
    """One study of a CT that is too small for any package, and a radiograph."""
    paths = phantoms.write_ct(folder / "ct", phantoms.position_volume((8, 8, 8), AFFINE), AFFINE)
    study = str(dcmread(paths[0], stop_before_pixels=True).StudyInstanceUID)
    save(radiograph(sources.grey, bits=8, StudyInstanceUID=study), folder / "dx/1.dcm")


def _two_views(folder: Path, sources: Sources) -> None:
    """Two views of one study, and a truncated file."""
    for number, turn in ((1, 0), (2, 2)):
        save(radiograph(np.rot90(sources.grey, turn), bits=8, number=number), folder / f"{number}.dcm")
    broken = save(radiograph(sources.grey, bits=8, number=3, series=2), folder / "3.dcm")
    broken.write_bytes(broken.read_bytes()[:-500])


def _two_frames(folder: Path, sources: Sources) -> None:
    made = radiograph(sources.grey, bits=8, NumberOfFrames=2)
    made.PixelData = made.PixelData * 2
    save(made, folder / "1.dcm")


def _zip(folder: Path, sources: Sources, make: Make, name: str) -> None:
    make(folder, sources)
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        archive.write(folder / name, f"a folder/{name}")
    (folder / name).unlink()


def _subfolders(folder: Path, sources: Sources) -> None:
    for name in ("a/1.png", "b/c/1.png", "2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sources.grey).save(folder / name)


def _names(folder: Path, sources: Sources) -> None:
    """Names with blanks, umlauts, and as long as a file system takes them."""
    for name in ("Hand links ä ö ü [1].png", f"{'x' * (LONGEST_NAME - 4)}.png"):
        _picture(name, _grey)(folder, sources)


def _turned_by_exif(folder: Path, sources: Sources) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    _picture("1.jpg", lambda s: np.rot90(s.grey), exif=exif)(folder, sources)


def _deep(folder: Path, sources: Sources) -> None:
    """12 bits in a 16-bit PNG, as hospitals export them."""
    _picture("1.png", lambda s: s.grey.astype(np.uint16) * 16)(folder, sources)


def _animated(folder: Path, sources: Sources) -> None:
    folder.mkdir(parents=True)
    frames = [Image.fromarray(sources.grey), Image.fromarray(sources.grey[::-1].copy())]
    frames[0].save(folder / "1.png", save_all=True, append_images=frames[1:])


def _truncated(folder: Path, sources: Sources) -> None:
    _picture("1.jpg", _grey)(folder, sources)
    content = (folder / "1.jpg").read_bytes()
    (folder / "1.jpg").write_bytes(content[: len(content) // 2])


def _misnamed(folder: Path, sources: Sources) -> None:
    _picture("1.png", _grey, format="JPEG")(folder, sources)


def _some_broken(folder: Path, sources: Sources) -> None:
    _picture("1.png", _grey)(folder, sources)
    (folder / "2.png").write_bytes(b"no picture")


def _picture_beside_dicom(folder: Path, sources: Sources) -> None:
    _dicom(_grey)(folder, sources)
    _picture("2.png", _grey)(folder, sources)


def _jpeg_with_other_bytes(folder: Path, sources: Sources) -> None:
    """JPEG Baseline with bytes between two of its segments, over which gdcm ends the process."""
    stream = io.BytesIO()
    Image.fromarray(sources.grey).save(stream, "JPEG")
    content = stream.getvalue()
    at = content.index(b"\xff\xda")
    dataset = radiograph(sources.grey, bits=8)
    dataset.PixelData = encapsulate([content[:at] + b"other" + content[at:]])
    save_compressed(dataset, folder, JPEGBaseline8Bit)


CHEST = {"BodyPartExamined": "CHEST", "ImageLaterality": None}
UNNAMED = {"BodyPartExamined": None, "ImageLaterality": None, "ViewPosition": None}
INTRA_ORAL = DigitalIntraOralXRayImageStorageForPresentation
MAMMOGRAPHY = DigitalMammographyXRayImageStorageForPresentation

INPUTS: dict[str, Make] = {
    "DX of the hand": _dicom(_grey),
    "DX without spacing": _dicom(_grey, ImagerPixelSpacing=None),
    "DX without body part": _dicom(_grey, **UNNAMED),
    "DX upside down": _dicom(lambda s: np.rot90(s.grey, 2)),
    "DX mirrored": _dicom(lambda s: s.grey[:, ::-1]),
    "DX on its side": _dicom(lambda s: np.rot90(s.grey)),
    "DX, bone dark, MONOCHROME1": _dicom(
        lambda s: 255 - s.grey, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    ),
    "DX, bone bright, wrongly MONOCHROME1": _dicom(
        _grey, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    ),
    "DX, bone dark, wrongly MONOCHROME2": _dicom(lambda s: 255 - s.grey),
    "CR": _dicom(_grey, Modality="CR", SOPClassUID=CR, PresentationIntentType=None),
    "DX of the chest, ray sum": _dicom(lambda s: s.ray_sum, **CHEST),
    "DX of the chest that names no body part": _dicom(lambda s: s.ray_sum, **UNNAMED),
    "DX of the chest that names a hand": _dicom(lambda s: s.ray_sum),
    "DX of 12,000 pixels a side": _dicom(_enlarged(12_000)),
    "DX of the hand that names a knee": _dicom(_grey, BodyPartExamined="KNEE"),
    "DX of the hand whose description names a knee": _dicom(_grey, **UNNAMED, StudyDescription="XR knee"),
    "DX, damaged JPEG": _jpeg_with_other_bytes,
    "DX, black": _dicom(_constant(0)),
    "DX, white": _dicom(_constant(255)),
    "DX, one grey": _dicom(_constant(99)),
    "DX, saturated": _dicom(_saturated),
    "DX, noise": _dicom(_noise),
    "DX of two frames": _two_frames,
    "secondary capture of two frames": _multi_frame,
    "secondary capture, RGB but grey": partial(_secondary_capture, colours=_rgb),
    "secondary capture in colours": partial(_secondary_capture, colours=_colours),
    "secondary capture of a screen": _dicom(_grey, SOPClassUID=SC, ConversionType="WSD", Modality="OT"),
    "mammogram": _dicom(_grey, Modality="MG", SOPClassUID=MAMMOGRAPHY, BodyPartExamined="BREAST"),
    "mammogram that says DX": _dicom(_grey, SOPClassUID=MAMMOGRAPHY, BodyPartExamined="BREAST"),
    "intra-oral": _dicom(_grey, Modality="IO", SOPClassUID=INTRA_ORAL, BodyPartExamined="JAW"),
    "panoramic": _dicom(_grey, Modality="PX", BodyPartExamined="JAW"),
    "DX of the jaws": _dicom(_grey, BodyPartExamined="JAW"),
    "ultrasound": _dicom(_grey, Modality="US", SOPClassUID=UltrasoundImageStorage),
    "one slice of a CT": _ct,
    "CT and DX in one study": _ct_and_dx,
    "two views and a broken file": _two_views,
    "zip of DX": partial(_zip, make=_dicom(_grey), name="1.dcm"),
    "PNG": _picture("1.png", _grey),
    "JPEG": _picture("1.jpg", _grey),
    "PNG, bone dark": _picture("1.png", lambda s: 255 - s.grey),
    "PNG of a CT's slice": _picture("1.png", lambda s: s.slice_of_ct),
    "PNG of the chest, ray sum": _picture("1.png", lambda s: s.ray_sum),
    "PNG in colours": _picture("1.png", _colours),
    "PNG, RGB but grey": _picture("1.png", _rgb),
    "PNG, noise": _picture("1.png", _noise),
    "PNG, black": _picture("1.png", _constant(0)),
    "PNG of 12,000 pixels a side": _picture("1.png", _enlarged(12_000)),
    "PNG of 32 pixels a side": _picture("1.png", _enlarged(32)),
    "PNG of 16 bits": _deep,
    "PNG of 1 bit": _in_mode("1"),
    "PNG with a palette": _in_mode("P"),
    "PNG with transparency": _in_mode("LA"),
    "PNG, animated": _animated,
    "JPEG, turned by EXIF": _turned_by_exif,
    "JPEG, truncated": _truncated,
    "JPEG named PNG": _misnamed,
    "PNG in subfolders": _subfolders,
    "PNG with odd names": _names,
    "PNG and a broken one": _some_broken,
    "PNG beside a DX": _picture_beside_dicom,
    "zip of PNG": partial(_zip, make=_picture("1.png", _grey), name="1.png"),
}
# Those that take seconds or hundreds of megabytes
LARGE = ("DX of 12,000 pixels a side", "PNG of 12,000 pixels a side")


def write_input(name: str, folder: Path, sources: Sources) -> Path:
    """Writes an input below a folder and returns what Osteon is given: the folder, or the zip in it."""
    INPUTS[name](folder, sources)
    return next(folder.glob("*.zip"), folder)
