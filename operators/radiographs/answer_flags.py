"""Flags: why the answer for a radiograph may be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

from operators.geometry.projection import Projection
from operators.packages.confidence import percent
from operators.packages.radiograph import RadiographPackage
from operators.radiographs.answer import LIKELY, OTHER, RadiographOutput
from operators.segmentation.radiograph_answer import RadiographAnswer, Recognised
from operators.segmentation.segmentation import Flag

OTHER_BODY_PART, OTHER_IMAGE_KIND, HARDWARE = "other_body_part", "other_image_kind", "hardware"
SEVERAL_EXPOSURES, CONTRADICTION = "several_exposures", "body_part_contradiction"
UPSIDE_DOWN, ON_ITS_SIDE, MIRRORED = "upside_down", "on_its_side", "mirrored"
# The flag and its sentence by the attribute of the image
SHOWN = {
    "multiscan": (
        SEVERAL_EXPOSURES,
        "Several exposures in one image: each is smaller than the networks expect.",
    ),
    "upside_down": (UPSIDE_DOWN, "The image seems to be upside down: the body part may be another one."),
}
# PS3.3 C.7.6.1.1.1: towards the head; along the body; towards the right and the feet, and that turned
UPWARDS, LENGTHWAYS = "H", "HF"
FROM_BEHIND = (("R", "F"), ("F", "L"), ("L", "H"), ("H", "R"))


def flag_answer(
    said: RadiographAnswer, image: Projection, found: RadiographOutput, package: RadiographPackage
) -> tuple[Flag, ...]:
    """Returns the flags of an answer; each applies to all its findings."""
    values = tuple(each.value for each in said.findings)
    first: dict[str, str] = {}
    for code, text in reasons(said, image, found, package):
        # Of two reasons with one code the first counts: a header is surer than a network
        first.setdefault(code, text)
    return tuple(Flag(code, text, values) for code, text in first.items())


def reasons(
    said: RadiographAnswer, image: Projection, found: RadiographOutput, package: RadiographPackage
) -> Iterator[tuple[str, str]]:
    """Yields the code and sentence of each flag."""
    limit = package.decision.typical_distance
    recognised = dict(zip(package.attributes, found.attributes, strict=True))
    if package.body_parts:
        yield from body_part_reasons(said.body_part, image, package)
    if found.distance > limit:
        yield (
            OTHER_IMAGE_KIND,
            f"Unlike the radiographs that the networks were trained on: {found.distance:.3f} times the usual "
            f"deviation of their features, at most {limit:.3f} expected.",
        )
    if said.hardware >= LIKELY:
        yield HARDWARE, f"Metal in the image ({percent(said.hardware)}): it can hide or mimic fractures."
    if said.body_part.name not in package.either_way_up:
        yield from direction_reasons(image)
    for attribute, (code, sentence) in SHOWN.items():
        if recognised.get(attribute, 0.0) >= LIKELY:
            yield code, sentence


def direction_reasons(image: Projection) -> Iterator[tuple[str, str]]:
    """Yields a flag where the image, by its header, is not shown upright and from the front."""
    if not image.directions:
        return
    named = "\\".join(image.directions)
    across, down = (each[0] for each in image.directions)
    if down == UPWARDS:
        yield (
            UPSIDE_DOWN,
            f"The image is upside down by its header (Patient Orientation {named}): "
            "the body part may be another one.",
        )
    elif across in LENGTHWAYS:
        yield ON_ITS_SIDE, f"The image lies on its side by its header (Patient Orientation {named})."
    if (across, down) in FROM_BEHIND:
        yield (
            MIRRORED,
            f"By its header (Patient Orientation {named}) the image is shown from behind or mirrored: "
            "left and right may be exchanged.",
        )


def body_part_reasons(
    part: Recognised, image: Projection, package: RadiographPackage
) -> Iterator[tuple[str, str]]:
    """Yields the flag where header, image and the body parts that the networks know do not agree."""
    known, named = ", ".join(package.body_parts), named_parts(image, package)
    if other := other_part(image, package):
        yield OTHER_BODY_PART, f"The header names {other}; the networks were trained only on {known}."
    elif part.name == OTHER:
        yield OTHER_BODY_PART, f"None of the body parts that the networks were trained on: {known}."
    elif named and part.name not in named:
        yield (
            CONTRADICTION,
            f"The header names {' or '.join(named)}, the image looks like {part.name} "
            f"({percent(part.probability)}): one of them may be of another examination.",
        )


def other_part(image: Projection, package: RadiographPackage) -> str:
    """Returns what the header names that the networks do not know: its body part, or a word of the procedure,
    unless the procedure names a known part, too; '' if nothing.
    """
    letters, others = letters_of(image.body_part), package.other_body_part_terms
    known = any(term in letters for term in package.accepts.body_parts)
    if letters and (not known or any(term in letters for term in others)):
        return image.body_part
    words = words_of(image.procedure)
    named = [term for term in others if term in words]
    is_known = any(words & set(terms) for terms in package.body_part_terms.values())
    return named[0] if named and not is_known else ""


def named_parts(image: Projection, package: RadiographPackage) -> tuple[str, ...]:
    """Returns the package's body parts in the header, or the procedure's if its body part names none.

    Terms may stand within a body part, such as TIBFIB, but are whole words of the procedure, plural or not.
    """
    letters, terms = letters_of(image.body_part), package.body_part_terms
    words = words_of(image.procedure)
    found = tuple(part for part in terms if any(term in letters for term in terms[part]))
    return found or tuple(part for part in terms if words & set(terms[part]))


def words_of(text: str) -> set[str]:
    """Returns the words of a text in capital letters, those that end with S without it, too."""
    words = re.findall(r"[^\W\d_]+", text.upper())
    return {*words, *(word.removesuffix("S") for word in words)}


def letters_of(named: str) -> str:
    """Returns a body part in capital letters and digits only."""
    return "".join(filter(str.isalnum, named.upper()))
