"""Image series: frames in order on one grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from operators.dicom.elements.image_classes import is_projection
from operators.dicom.elements.pixel_element import Span
from operators.geometry.volume import Grid


@dataclass(frozen=True)
class StoredPixels:
    """How one frame is stored, and how its values become Hounsfield units (PS3.3 C.7.6.3, C.11.1).

    `spans` are byte ranges of the file (of the inflated data set for a deflated one); `padding` is an
    inclusive range of stored values (PS3.3 C.7.5.1.1.2), None if there is none.
    """

    transfer_syntax_uid: str
    spans: tuple[Span, ...]
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: bool
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    # By how many bits the value lies above the lowest; HighBit as given, None if missing
    shift: int = 0
    high_bit: int | None = None
    # Attributes that make values other than Hounsfield units, or leave that open (PS3.3 C.11.1)
    has_intercept: bool = True
    rescale_type: str = ""
    has_lut: bool = False


@dataclass(frozen=True)
class Frame:
    """One original slice; `k` is its index on the grid's third axis, an integer unless slices are irregular.

    `frame_number` counts from 1 within a multi-frame instance, None for a single-frame one.
    `series_instance_uid` is the frame's own series, '' if that is the series that holds it.
    """

    path: Path
    sop_instance_uid: str
    frame_number: int | None
    position_lps_mm: tuple[float, float, float]
    k: float
    pixels: StoredPixels | None = None
    series_instance_uid: str = ""


@dataclass(frozen=True)
class Fault:
    """The reason why a series has no grid: a code that may leave the machine, and a sentence."""

    code: str
    text: str


@dataclass(frozen=True, eq=False)
class Series:
    """A DICOM series, or the part of one that makes a volume; `frames` ascend in `k`.

    `grid` is that of the volume that `read_volume` returns, None if there is a `fault`. `part` names the
    part, '' for a whole series. `frames` may come from several DICOM series that are one scan. `header` is
    one instance's data set without pixels.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    rows: int
    columns: int
    frames: tuple[Frame, ...]
    grid: Grid | None
    frame_of_reference_uid: str
    header: Dataset
    modality: str = ""
    description: str = ""
    body_part: str = ""
    orientation: tuple[float, ...] = ()
    fault: Fault | None = None
    image_type: tuple[str, ...] = ()
    kernel: str = ""
    slice_thickness_mm: float = 0.0
    transfer_syntax_uid: str = ""
    part: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def is_projection(self) -> bool:
        """Whether it is one radiograph: a single frame whose `grid` only counts its pixels.

        `grid` is then (columns, rows, 1), without a place in patient space.
        """
        return is_projection(self.sop_class_uid)

    @property
    def instances(self) -> int:
        """The number of DICOM instances that the frames come from."""
        return len({frame.sop_instance_uid for frame in self.frames})

    @property
    def other_series(self) -> tuple[str, ...]:
        """SeriesInstanceUIDs of further DICOM series that frames come from, as they are one scan."""
        return tuple(uid for uid in self.frames_by_series() if uid != self.series_instance_uid)

    def frames_by_series(self) -> dict[str, list[Frame]]:
        """Returns the frames of each SeriesInstanceUID, its own first: one scan may be sent under several."""
        uids: dict[str, list[Frame]] = {self.series_instance_uid: []}
        for frame in self.frames:
            uids.setdefault(frame.series_instance_uid or self.series_instance_uid, []).append(frame)
        return {uid: frames for uid, frames in uids.items() if frames}
