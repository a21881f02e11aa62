"""Builds labels of packages."""

from operators.packages.packages import Detection, Label
from operators.packages.structures import ANATOMY, Code, Structure

BONE = Code("272673000", "SCT", "Bone")


def made_label(
    name: str,
    meaning: str,
    first: int,
    last: int,
    laterality: Code | None = None,
    *,
    type_: Code = BONE,
    rgb: tuple[int, int, int] = (1, 2, 3),
    detection: Detection | None = None,
) -> Label:
    """Returns a label with its own structure."""
    return Label(Structure(name, meaning, ANATOMY, type_, laterality, rgb), first, last, detection)
