"""The table of rules by which a CT's header speaks against Hounsfield units.

A header is refused if it names another quantity, or says that values are looked up in a table. Anything else
is a flag, and the image decides (`hounsfield_decision.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.series import Series, StoredPixels
from operators.geometry.value_notes import CONE_BEAM, RESCALE_TYPE, WINDOWED, Note

CT = "CT"
# PS3.3 C.8.2.1.1.1, value 4 of a multi-energy CT's Image Type: all except VMI, which is in Hounsfield units.
# Then words known in use, as value 3 or later; the list may be incomplete.
MAPS = frozenset(
    {
        "MAT_SPECIFIC", "MAT_REMOVED", "MAT_FRACTIONAL", "MAT_MODIFIED", "MAT_VALUE_BASED",
        "EFF_ATOMIC_NUM", "ELECTRON_DENSITY",
        "IODINE", "IODINE_MAP", "VNC", "VNCA", "VIRTUAL_NON_CONTRAST", "VIRTUAL NON CONTRAST",
        "Z_EFF", "ZEFF", "Z_EFFECTIVE", "Z EFFECTIVE", "RHO_Z", "FAT_FRACTION",
    }
)  # fmt: skip
# PS3.3 C.11.1.1.2: defined terms of other quantities; HU_MOD, with materials removed, loses bone
OTHER_UNITS = {
    "OD": "optical density",
    "MGML": "mg/ml of a material",
    "Z_EFF": "effective atomic number",
    "ED": "electron density",
    "EDW": "electron density against water",
    "HU_MOD": "modified Hounsfield units",
    "PCT": "per cent",
}
# The range from air to cortical bone is larger
LEAST_SPAN_HU = 1000
# 8 bits across the whole range make steps of 16 HU, which hide fracture lines
COARSEST_STEP_HU = 4
# Names of cone beam devices and their series, as known in use; the standard has no attribute for this
_CONE_BEAM = re.compile(
    r"\bCBCT\b|CONE.?BEAM|\bXVI\b|ON.?BOARD IMAGER|\bO.?ARM\b|ARCADIS|CIOS SPIN|VISION RFD|PROMAX|I-?CAT\b|"
    r"NEWTOM|ACCUITOMO|VERAVIEW|ORTHOPHOS|GALILEOS|\bONSIGHT\b|PLANMED VERITY|LOOP-?X",
    re.IGNORECASE,
)
_NAMES = ("ManufacturerModelName", "SeriesDescription", "ProtocolName")
# Words in descriptions of maps; they only lower the rank
_NAMES_MAP = re.compile(
    r"IODINE|\bVNC|VIRTUAL.?(?:NON|UN)|Z.?EFF|EFFECTIVE.?(?:Z|ATOMIC)|ELECTRON.?DENS|\bRHO\b|CALCIUM|URIC|"
    r"\bPBV\b|\((?:WATER|FAT|HAP)\)",
    re.IGNORECASE,
)
_KEV = re.compile(r"(\d{2,3}) ?KEV", re.IGNORECASE)
# The energy at which a virtual monoenergetic image looks like one of 120 kV
_LIKE_120_KV_KEV = 70


class RuleOutcome(StrEnum):
    """The effect of a rule: a refusal excludes the series, a flag is passed on with the result."""

    REFUSED = "refused"
    FLAGGED = "flagged"


@dataclass(frozen=True, eq=False)
class Facts:
    """The input of the rules; `header` is one instance's data set, or the part that applies to all frames."""

    modality: str
    image_type: tuple[str, ...]
    pixels: frozenset[StoredPixels]
    header: Dataset

    @classmethod
    def of(cls, series: Series) -> Facts:
        """Collects the facts of a series."""
        pixels = (frame.pixels for frame in series.frames if frame.pixels)
        return cls.of_planes(series.modality, series.image_type, pixels, series.header)

    @classmethod
    def of_planes(
        cls, modality: str, image_type: Sequence[str], pixels: Iterable[StoredPixels], header: Dataset
    ) -> Facts:
        """Collects the facts of planes that do not form a series yet: one frame for each form of storage."""
        form = attrgetter(
            "bits_allocated", "bits_stored", "high_bit", "slope", "has_intercept", "rescale_type", "has_lut"
        )
        kinds = {form(each): each for each in pixels}
        return cls(modality, tuple(image_type), frozenset(kinds.values()), header)


@dataclass(frozen=True)
class HeaderRule:
    """A rule: `find` returns what speaks against Hounsfield units or '', and fills in `sentence`."""

    attribute: str
    find: Callable[[Facts], str]
    outcome: RuleOutcome
    code: str
    sentence: str
    source: str


def refusal(facts: Facts) -> tuple[str, str] | None:
    """Returns the code and sentence of the first rule that refuses a CT; None if no rule does."""
    found = _found(facts, RuleOutcome.REFUSED)
    return next(((note.code, note.text) for note in found), None)


def flags(facts: Facts) -> tuple[Note, ...]:
    """Returns the doubts that the header of a CT leaves, if no rule refuses it."""
    return tuple(_found(facts, RuleOutcome.FLAGGED))


def doubts(series: Series) -> tuple[int, int]:
    """Returns a rank, smaller is better: whether values are doubtful, then how far from 120 kV, in keV."""
    facts = Facts.of(series)
    missing = any(not pixels.has_intercept for pixels in facts.pixels)
    named = bool(_NAMES_MAP.search(hint((series.header,), "SeriesDescription")))
    doubtful = series.modality == CT and (named or missing or bool(flags(facts)))
    return int(doubtful), _from_120_kv(series)


def _from_120_kv(series: Series) -> int:
    kev = hint((series.header,), "MonoenergeticEnergyEquivalent")
    found = _KEV.search(series.description)
    text = kev or (found[1] if found else "")
    try:
        return round(abs(float(text) - _LIKE_120_KV_KEV)) if text else 0
    except (ValueError, OverflowError):
        return 0


def _found(facts: Facts, outcome: RuleOutcome) -> Iterable[Note]:
    if facts.modality != CT:
        return
    for rule in RULES:
        found = rule.find(facts) if rule.outcome is outcome else ""
        if found:
            yield Note(rule.code, rule.sentence.format(found))


def _map(facts: Facts) -> str:
    return next((value for value in map(str.upper, facts.image_type[2:]) if value in MAPS), "")


def _other_unit(facts: Facts) -> str:
    return next((OTHER_UNITS[p.rescale_type] for p in facts.pixels if p.rescale_type in OTHER_UNITS), "")


def _open_unit(facts: Facts) -> str:
    """Returns the unit in words: 'US' is DICOM's term for unspecified; undefined terms mean as little."""
    given = {pixels.rescale_type for pixels in facts.pixels} - OTHER_UNITS.keys() - {"", "HU"}
    named = {"US": "unspecified"}
    return next((named.get(value, "a unit that the standard does not know") for value in sorted(given)), "")


def _lookup(facts: Facts) -> str:
    return "a Modality LUT Sequence" if any(pixels.has_lut for pixels in facts.pixels) else ""


def _span_hu(pixels: StoredPixels) -> float:
    return abs(pixels.slope) * float(2**pixels.bits_stored - 1)


def _narrow(facts: Facts) -> str:
    least = min((pixels for pixels in facts.pixels), key=_span_hu, default=None)
    if least is None or _span_hu(least) >= LEAST_SPAN_HU:
        return ""
    return f"{least.bits_stored} bits in steps of {abs(least.slope):g}"


def _coarse(facts: Facts) -> str:
    coarse = [p for p in facts.pixels if p.bits_stored <= 8 and abs(p.slope) > COARSEST_STEP_HU]
    return f"{abs(coarse[0].slope):.1f}" if coarse else ""


def _negative(facts: Facts) -> str:
    return f"{min(p.slope for p in facts.pixels):g}" if any(p.slope < 0 for p in facts.pixels) else ""


def _cone_beam(facts: Facts) -> str:
    names = (hint((facts.header,), keyword) for keyword in _NAMES)
    return "cone beam" if any(_CONE_BEAM.search(name) for name in names) else ""


# The order matters: the first refusal is the one that is reported.
RULES: tuple[HeaderRule, ...] = (
    HeaderRule(
        "ImageType, value 3 and on", _map, RuleOutcome.REFUSED, "derived_image",
        "expected slices in Hounsfield units, got an image of type {}", "PS3.3 C.8.2.1.1.1, C.8.15.2.1.1.5",
    ),
    HeaderRule(
        "RescaleType", _other_unit, RuleOutcome.REFUSED, RESCALE_TYPE,
        "expected Hounsfield units, got {} by RescaleType", "PS3.3 C.11.1.1.2, C.8.2.1",
    ),
    HeaderRule(
        "ModalityLUTSequence", _lookup, RuleOutcome.REFUSED, "modality_lut",
        "expected RescaleSlope and RescaleIntercept, got {}, which no CT may have", "PS3.3 C.8.2.1, C.11.1",
    ),
    HeaderRule(
        "BitsStored, RescaleSlope", _narrow, RuleOutcome.REFUSED, WINDOWED,
        f"expected values from air to bone, at least {LEAST_SPAN_HU} HU, got {{}}: a window of a CT",
        "measured: air -1000 HU, cortical bone up to 2,000 HU",
    ),
    HeaderRule(
        "RescaleType", _open_unit, RuleOutcome.FLAGGED, RESCALE_TYPE,
        "RescaleType does not name Hounsfield units, but {}.", "PS3.3 C.11.1.1.2",
    ),
    HeaderRule(
        "BitsStored, RescaleSlope", _coarse, RuleOutcome.FLAGGED, WINDOWED,
        "8 bits a voxel: values are {} HU apart, which hides fine lines.", "PS3.3 C.8.2.1: 12 to 16 bits",
    ),
    HeaderRule(
        "RescaleSlope", _negative, RuleOutcome.FLAGGED, "not_hounsfield",
        "RescaleSlope is negative: {}.", "PS3.3 C.11.1.1.1",
    ),
    HeaderRule(
        "ManufacturerModelName, SeriesDescription, ProtocolName", _cone_beam, RuleOutcome.FLAGGED, CONE_BEAM,
        "The image is of {} CT, whose values only approximate Hounsfield units.", "names known in use",
    ),
)  # fmt: skip
