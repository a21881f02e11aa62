"""What the one-page summary of a result says of fractures: sentences, table and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from operators.packages.confidence import percent
from operators.render.fracture_pictures import FracturePicture
from operators.render.page.sheet import Captioned, Table
from operators.render.projection_pictures import ProjectionPicture
from operators.render.surface_view import Picture
from operators.segmentation.body_words import is_compressed
from operators.segmentation.measurements import Gap, Measured, SegmentMeasurements
from operators.segmentation.segmentation import Segment, Segmentation
from operators.segmentation.summary import (
    NOT_RULED_OUT,
    answer_sentences,
    area,
    body_of,
    bone_name,
    finding_name,
    fragment_name,
    in_words,
    sentence,
)

# More pictures than these would be too small on one page
MOST_PICTURES = 4
HEAD = ("Bone, fragment", "Volume", "Gap: mean, greatest", "Rotation", "Translation", "Probability")
SHARES = (0.27, 0.10, 0.22, 0.145, 0.145, 0.12)
NOTE = (
    "Probability: of a bone, that it is fractured; of a fragment, that it is a separate piece. Rotation and "
    "translation: relative to the largest fragment. ±: error of voxels and fits. Step-off is not measured."
)
FINDING_HEAD, FINDING_SHARES = ("Finding", "Area", "Probability"), (0.4, 0.3, 0.3)
DISPLACEMENT, NOTHING = "displacement", "–"
# The code of the flag of a bone that is shown whole although a fracture is not unlikely
SUSPECTED = "suspected_fracture"


def page_sentences(made: Segmentation) -> tuple[str, ...]:
    """Returns the findings and suspicions first, then the intact bones in one sentence, flags, warnings."""
    found = answer_sentences(made.answer) if made.answer else bones_in_short(made)
    flags = (flag.sentence for flag in made.flags)
    return tuple(dict.fromkeys((*found, *flags, *made.warnings)))


def bones_in_short(made: Segmentation) -> tuple[str, ...]:
    """Returns a sentence for each bone with a finding or a suspicion, and one for all others."""
    bones = [list(group) for _, group in groupby(made.segments, key=lambda segment: segment.bone)]
    suspicions = [flag for flag in made.flags if flag.code == SUSPECTED]
    doubted = {value for flag in suspicions for value in flag.values}
    intact = [bone[0] for bone in bones if is_intact(bone[0], made) and bone[0].value not in doubted]
    told = [sentence(bone, made) for bone in bones if not is_intact(bone[0], made)]
    told += [flag.sentence for flag in suspicions]
    if intact:
        names = ", ".join(bone_name(segment).replace(", ", " ") for segment in intact)
        told.append(f"No fracture found in: {names}. {NOT_RULED_OUT}")
    return tuple(told) or (f"No bone was found. {NOT_RULED_OUT}",)


def is_intact(first: Segment, made: Segmentation) -> bool:
    """Returns whether nothing was found at a bone, whose first segment is given."""
    return first.fragment is None and not is_compressed(body_of(first, made))


def page_table(made: Segmentation) -> Table | None:
    """Returns the table of broken bones and their fragments, or of a radiograph's findings; None without."""
    if made.answer is not None:
        findings = made.answer.findings
        rows = tuple((finding_name(each), area(each), percent(each.probability)) for each in findings)
        return Table(FINDING_HEAD, FINDING_SHARES, rows) if rows else None
    broken = [segment for segment in made.segments if segment.fragment is not None]
    measured = {row.value: row for row in made.measurements}
    lines, marked = list[tuple[str, ...]](), set[int]()
    for _, group in groupby(broken, key=lambda segment: segment.bone):
        fragments = list(group)
        marked.add(len(lines))
        lines.append(bone_row(fragments))
        lines += [fragment_row(each, measured.get(each.value), made) for each in fragments]
    return Table(HEAD, SHARES, tuple(lines), frozenset(marked), NOTE) if lines else None


def bone_row(fragments: Sequence[Segment]) -> tuple[str, ...]:
    """Returns the row of a broken bone."""
    first, volume_ml = fragments[0], sum(each.volume_ml for each in fragments)
    count = f"{len(fragments)} fragment{'' if len(fragments) == 1 else 's'}"
    probability = percent(first.fracture_probability)
    return (f"{bone_name(first)}: {count}", f"{volume_ml:.1f} ml", "", "", "", probability)


def fragment_row(segment: Segment, row: SegmentMeasurements | None, made: Segmentation) -> tuple[str, ...]:
    """Returns the row of a fragment."""
    gap = gap_words(row.gap) if row and row.gap else NOTHING
    return (
        fragment_name(segment, row),
        f"{segment.volume_ml:.1f} ml",
        gap,
        *displacement_words(segment, row, made),
        percent(segment.confidence),
    )


def gap_words(gap: Gap) -> str:
    """Returns the mean and the greatest gap; the error is that of each."""
    return f"{gap.mean_mm:.1f}, {in_words(Measured(gap.greatest_mm, gap.uncertainty_mm), ' mm')}"


def displacement_words(
    segment: Segment, row: SegmentMeasurements | None, made: Segmentation
) -> tuple[str, str]:
    """Returns rotation and translation with their errors, or why there are none."""
    if segment.fragment == 1:
        return "largest", ""
    if row is None or row.displacement is None:
        is_asked = DISPLACEMENT in made.package.maker_of(segment.bone).measurements
        word = "not measurable" if is_asked else "not measured"
        return word, word
    return in_words(row.displacement.rotation_deg, "°"), in_words(row.displacement.translation_mm, " mm")


def fracture_figures(
    pictures: Sequence[FracturePicture] | None, preview: Picture | None
) -> tuple[Captioned, ...]:
    """Returns the first pictures of fractures of a CT, and its preview."""
    shown = [Captioned(each.rgb, each.title) for each in (pictures or ())[: MOST_PICTURES - 1]]
    return (*shown, *([] if preview is None else [Captioned(preview, "Bones that were found")]))


def radiograph_figures(
    pictures: Sequence[ProjectionPicture] | None, preview: Picture | None
) -> tuple[Captioned, ...]:
    """Returns the picture of the outlined findings of a radiograph."""
    del preview
    return tuple(Captioned(each.rgb, each.title) for each in (pictures or ())[:1])
