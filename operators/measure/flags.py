"""Flags what may be wrong with a result: each flag has a code, a sentence and its segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import numpy as np

from operators.geometry.value_notes import VALUE_MEANINGS
from operators.geometry.volume import CtVolume
from operators.measure.projection_flags import PROJECTION_MEANINGS
from operators.measure.scan_border import CUT_MM2, area_on_border_mm2, area_on_circle_mm2
from operators.measure.whole_bones import WholeBone, whole_bones
from operators.packages.confidence import percent
from operators.packages.structures import SIDES
from operators.segmentation.body_words import is_compressed
from operators.segmentation.measurements import HeightLoss
from operators.segmentation.segmentation import Flag, Segment, Segmentation
from operators.segmentation.summary import level_words

CUT, METAL = "cut_by_field_of_view", "metal"
THICK, TOO_COARSE = "thick_slices", "too_coarse"
LEVEL_UNCERTAIN, MISSING, HEIGHT_LOST = "level_uncertain", "bone_missing", "height_lost"
IMPLAUSIBLE, SIDES_SWAPPED = "implausible_size", "sides_swapped"
SUSPECTED, DOUBTFUL = "suspected_fracture", "low_confidence"
MEANINGS = {
    CUT: "Bone cut by the field of view",
    METAL: "Metal beside the bone",
    THICK: "Slices far apart",
    TOO_COARSE: "Slices too far apart for fractures",
    IMPLAUSIBLE: "Implausible volume or shape",
    SUSPECTED: "A fracture may not be shown",
    DOUBTFUL: "Low confidence",
    SIDES_SWAPPED: "Left and right may be swapped",
    LEVEL_UNCERTAIN: "Levels uncertain",
    MISSING: "A bone of the row may be missing",
    HEIGHT_LOST: "Vertebral body lower than its neighbours",
    **VALUE_MEANINGS,
    **PROJECTION_MEANINGS,
}


# Cortical bone stays below 2,000 HU, enamel seldom exceeds 2,500; steel and titanium reach the scanner's
# highest value, which is 3,071 with 12 bits
METAL_HU = 2500
# The head of a small screw; noise and a few voxels of enamel are smaller
METAL_MM3 = 100.0
AROUND_MM = 10.0
# Least probability of a fracture that was not outlined, or that a fragment is not a separate piece, that is
# reported. Of 60 bones of real and simulated CTs 5 broken ones were left whole, of which 4 reach it, and 27
# intact ones, of which 12 do
WORTH_SAYING = 0.4


def flag_result(segmentation: Segmentation, volume: CtVolume) -> Segmentation:
    """Adds flags to a measured segmentation; `volume` is the CT that it was made from, on the same grid."""
    package, bones = segmentation.package, whole_bones(segmentation)
    cut = [bone for bone in bones if is_partial(bone) or is_cut(bone, segmentation, volume)]
    whole = [bone for bone in bones if bone not in cut]
    flags = (
        *(Flag(CUT, f"{bone.name}: cut off by the edge of the scan.", bone.values) for bone in cut),
        *(flag for bone in bones for flag in flag_metal(bone, volume)),
        *flag_thick_slices(segmentation),
        *(flag for bone in bones for flag in flag_implausible_size(bone, bone in whole)),
        *flag_uneven_sides(whole, package.quality.greatest_ratio),
        *flag_swapped_sides(bones),
        *flag_levels(bones, {label.name: label.meaning for label in package.labels}),
        *(flag for bone in bones for flag in flag_lost_height(bone)),
        *(flag for bone in bones for flag in flag_suspected_fracture(bone)),
        *(flag for bone in bones for flag in flag_low_confidence(bone)),
        *flag_doubtful_values(segmentation, volume),
    )
    return replace(segmentation, flags=flags)


def is_partial(bone: WholeBone) -> bool:
    """Returns whether the scan shows only a part of a bone of a row, as its outlines say."""
    return any(segment.evidence is not None and segment.evidence.is_partial for segment in bone.segments)


def is_cut(bone: WholeBone, segmentation: Segmentation, volume: CtVolume) -> bool:
    """Returns whether the bone extends beyond the scan's border, or beyond the circle of reconstruction."""
    labels = segmentation.label_map.labels
    own = np.zeros(np.iinfo(labels.dtype).max + 1, bool)
    own[list(bone.values)] = True
    mask = own[labels[bone.box.slices]]
    area_mm2 = area_on_border_mm2(mask, bone.box, volume.grid) + area_on_circle_mm2(mask, bone.box, volume)
    return area_mm2 >= CUT_MM2


def flag_metal(bone: WholeBone, volume: CtVolume) -> Iterator[Flag]:
    """Yields a flag for metal in the bone or beside it."""
    block = bone.box.grow_mm(AROUND_MM, volume.grid.spacing_mm, volume.grid.shape)
    found_mm3 = np.count_nonzero(volume.hu[block.slices] >= METAL_HU) * volume.grid.voxel_volume_mm3
    if found_mm3 >= METAL_MM3:
        found = f"{found_mm3 / 1000:.1f} ml of metal"
        text = f"{bone.name}: {found} in it or beside it; its streaks can hide or mimic fractures."
        yield Flag(METAL, text, bone.values)


def flag_thick_slices(segmentation: Segmentation) -> Iterator[Flag]:
    """Yields flags for slices so far apart that fractures between them may be missed, or cannot be shown."""
    spacing_mm = segmentation.label_map.grid.spacing_mm
    groups: dict[tuple[str, str], list[int]] = {}
    for segment in segmentation.segments:
        rules = segmentation.package.maker_of(segment.bone).quality
        if rules.too_coarse(spacing_mm):
            text = "too coarse to show or exclude fractures; only pieces that lie apart are shown"
            found = (TOO_COARSE, text)
        elif 0 < rules.thickest_mm < max(spacing_mm):
            found = (THICK, f"beyond {rules.thickest_mm:g} mm fractures may be missed or invented")
        else:
            continue
        groups.setdefault(found, []).append(segment.value)
    for (code, text), values in groups.items():
        yield Flag(code, f"Slices {max(spacing_mm):.1f} mm apart: {text}.", tuple(values))


def flag_doubtful_values(segmentation: Segmentation, volume: CtVolume) -> Iterator[Flag]:
    """Returns flags for all segments, one for each correction of the image's values or doubt about them."""
    values = tuple(segment.value for segment in segmentation.segments)
    return (Flag(note.code, note.text, values) for note in volume.notes if values)


def flag_implausible_size(bone: WholeBone, whole: bool) -> Iterator[Flag]:
    """Yields flags for sizes outside the plausible range; a bone that is not `whole` may be too small."""
    known = bone.label.structure if bone.label else None
    ranges = {"ml": known.plausible_ml, "mm": known.plausible_mm} if known else {}
    for unit, limits in ranges.items():
        if not limits:
            continue
        size = bone.volume_ml if unit == "ml" else bone.diameter_mm
        least, greatest = limits
        if size > greatest or (whole and size < least):
            name = f"{bone.name}: {'a volume' if unit == 'ml' else 'a diameter'}"
            text = f"{name} of {size:.0f} {unit}, where {least:g} to {greatest:g} are plausible."
            yield Flag(IMPLAUSIBLE, text, bone.values)


def left_right_pairs(bones: list[WholeBone]) -> Iterator[tuple[WholeBone, WholeBone]]:
    """Yields pairs of a bone of the left side and the same bone of the right."""
    for left, right in permutations(bones, 2):
        a, b = left.segments[0], right.segments[0]
        if a.region == b.region and (side_of(a), side_of(b)) == ("left", "right"):
            yield left, right


def side_of(segment: Segment) -> str | None:
    """Returns the side of a segment: 'left', 'right' or None."""
    return SIDES.get(segment.laterality.value) if segment.laterality else None


def flag_uneven_sides(bones: list[WholeBone], greatest_ratio: float) -> Iterator[Flag]:
    """Yields a flag for a left and a right bone of very different volumes; none if `greatest_ratio` is 0."""
    for one, other in left_right_pairs(bones):
        ratio = max(one.volume_ml, other.volume_ml) / min(one.volume_ml, other.volume_ml)
        if 0 < greatest_ratio < ratio:
            text = f"{one.name} and {other.name}: one has {ratio:.1f} times the volume of the other."
            yield Flag(IMPLAUSIBLE, text, one.values + other.values)


def flag_swapped_sides(bones: list[WholeBone]) -> Iterator[Flag]:
    """Yields a flag for a left bone to the right of its counterpart: a network read the image mirrored."""
    for left, right in left_right_pairs(bones):
        if left.to_left_mm < right.to_left_mm:
            text = f"{left.name} lies to the right of {right.name}: left and right may be swapped."
            yield Flag(SIDES_SWAPPED, text, left.values + right.values)


def flag_levels(bones: list[WholeBone], meanings: Mapping[str, str]) -> Iterator[Flag]:
    """Yields a flag for a row of bones of uncertain levels, and one for each bone that is not shown."""
    named = [(bone, level) for bone in bones if (level := bone.segments[0].level) is not None]
    uncertain = [(bone, level) for bone, level in named if not level.is_certain]
    if uncertain:
        first, last = uncertain[0][1], uncertain[-1][1]
        likeliest, next_likely = (
            " to ".join(dict.fromkeys(level_words(each, meanings) for each in pair))
            for pair in ((first.likeliest, last.likeliest), (first.runner_up, last.runner_up))
        )
        best = f"{likeliest} ({percent(first.probability)})"
        other = f"{next_likely} ({percent(first.runner_up_probability)})"
        text = f"Levels uncertain: likeliest {best}, next {other}."
        yield Flag(LEVEL_UNCERTAIN, text, tuple(value for bone, _ in uncertain for value in bone.values))
    for bone, level in named:
        evidence = bone.segments[0].evidence
        if level.missing_below or (evidence is not None and evidence.gap_below):
            yield Flag(MISSING, f"{bone.name}: the bone below it seems not to be outlined.", bone.values)


def flag_lost_height(bone: WholeBone) -> Iterator[Flag]:
    """Yields a flag for a vertebral body that is lower than its neighbours."""
    body = bone.rows[0].vertebral_body
    if body is not None and isinstance(body.loss, HeightLoss) and body.loss.grade:
        what = "as in a compression fracture" if is_compressed(body) else "too little to call it a fracture"
        text = f"{bone.name}: {percent(body.loss.share)} of height lost against neighbours, {what}."
        yield Flag(HEIGHT_LOST, text, bone.values)


def flag_suspected_fracture(bone: WholeBone) -> Iterator[Flag]:
    """Yields a flag for a fracture that is not shown, but hardly less likely than not, or likelier."""
    first = bone.segments[0]
    broken = first.fracture_probability
    if first.fragment is None and broken is not None and broken >= WORTH_SAYING:
        text = f"{bone.name}: no fracture outlined, though a fracture has a probability of {percent(broken)}."
        yield Flag(SUSPECTED, text, bone.values)


def flag_low_confidence(bone: WholeBone) -> Iterator[Flag]:
    """Yields a flag for fragments barely more likely than not; without calibration there is none.

    Fragments less likely than not are not shown in the first place.
    """
    sure = {each: each.confidence for each in bone.segments if each.fragment is not None}
    weak = {each: share for each, share in sure.items() if share is not None and share <= 1 - WORTH_SAYING}
    if weak:
        listed = ", ".join(f"fragment {each.fragment} ({percent(share)})" for each, share in weak.items())
        text = f"{bone.name}: {listed} barely more likely than not to be a separate fragment."
        yield Flag(DOUBTFUL, text, tuple(each.value for each in weak))
