"""Names the bones of a row by their levels, or numbers them where these are uncertain: a row of NAMES."""

from __future__ import annotations

from dataclasses import replace

from operators.measure.levels.naming_a_row import Naming, name_row
from operators.measure.measured_bone import MeasuredBone, Rows
from operators.packages.levels import LevelRules
from operators.packages.packages import Label, ModelPackage
from operators.packages.structures import Structure
from operators.segmentation.colours import fragment_colour
from operators.segmentation.segmentation import LevelName, Segment, Segmentation


def vertebral_levels(bone: MeasuredBone, rows: Rows) -> list[Segment]:
    """Returns the segments of a bone with the name of its level, from the evidence on all bones of its row.

    Where the naming of the whole row is less likely than the package demands, bones are numbered from the end
    of the row that is in view, or else from the top. Bones without evidence stay as they are.
    """
    del rows
    segments = [segment for segment, _ in bone.fragments]
    rules = None if bone.package is None else bone.package.levels
    row = bone.row
    if rules is None or bone.package is None or segments[0].bone not in row:
        return segments
    naming = name_row(tuple(row.values()), rules)
    number = list(row).index(segments[0].bone)
    known = {label.name: label for label in bone.package.labels}
    name = level_name(naming, number, rules)
    is_last = next(reversed(row.values())).is_last
    place = f"{len(row) - number} from the bottom" if is_last else f"{number + 1} from the top"
    return [named(segment, name, naming.levels[number], place, known, rules) for segment in segments]


def numbered(segmentation: Segmentation) -> Segmentation:
    """Returns a segmentation whose bones of a row are numbered from the top, for one that is not measured.

    Until they are named, they have the names of the first levels, in their order.
    """
    row = list(dict.fromkeys(each.bone for each in segmentation.segments if each.evidence is not None))
    segments = (
        with_number(each, row.index(each.bone) + 1, segmentation.package.maker_of(each.bone))
        if each.bone in row
        else each
        for each in segmentation.segments
    )
    return replace(segmentation, segments=tuple(segments))


def with_number(segment: Segment, number: int, package: ModelPackage) -> Segment:
    """Returns a segment of the bone of a row that has this number from the top."""
    if package.levels is None:
        return segment
    known = {label.name: label for label in package.labels}
    nothing = LevelName("", False, 0.0, 0.0, "", 0.0)
    shown = named(segment, nothing, (), f"{number} from the top", known, package.levels)
    return replace(shown, level=None)


def level_name(naming: Naming, number: int, rules: LevelRules) -> LevelName:
    """Returns how one bone is named; certain where the row is, names no two alike and fits what is seen."""
    likely = naming.probability >= rules.least_probability and naming.contradiction <= rules.contradicted
    return LevelName(
        likeliest="+".join(naming.levels[number]),
        is_certain=naming.is_regular and likely,
        probability=naming.probability,
        own_probability=naming.own[number],
        runner_up="+".join(naming.runner_up[number]),
        runner_up_probability=naming.runner_up_probability,
        missing_below=number in naming.missed,
    )


def named(
    segment: Segment,
    name: LevelName,
    levels: tuple[str, ...],
    place: str,
    known: dict[str, Label],
    rules: LevelRules,
) -> Segment:
    """Returns a segment with the identity of its level; of no level where that is uncertain."""
    unnamed = known[rules.unnamed].structure
    if not name.is_certain:
        shown = f"{unnamed.meaning} {place}, level uncertain"
        return identified(segment, f"{rules.unnamed} {place}", shown, unnamed, name, known)
    structures = [known[level].structure for level in levels]
    shown = ", fused with ".join(each.meaning for each in structures)
    structure = structures[0] if len(structures) == 1 else unnamed
    return identified(segment, name.likeliest, shown, structure, name, known)


def identified(
    segment: Segment, bone: str, shown: str, structure: Structure, name: LevelName, known: dict[str, Label]
) -> Segment:
    """Returns a segment that is a bone, or a fragment of one, with that name and the codes of a structure."""
    changed = replace(
        segment,
        bone=bone,
        label=shown,
        region=structure.region or structure.type,
        level=replace(name, shown=shown),
    )
    if segment.fragment is None:
        return replace(changed, category=structure.category, type=structure.type, rgb=structure.rgb)
    colour = fragment_colour(tuple(known.values()), structure.name, segment.fragment)
    return replace(changed, label=f"{shown} fragment {segment.fragment}", rgb=colour)
