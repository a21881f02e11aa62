"""[[labels]] of a package.toml: what is delivered, and how each kind of package finds it."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from operators.package_files.tables import Table
from operators.packages.long_bones import Colour
from operators.packages.packages import Detection, Label
from operators.packages.structures import (
    ANATOMY,
    Code,
    Side,
    Structure,
    Structures,
    pale_colour,
    structure_named,
)


class LabelTable(Table):
    """[[labels]]: a structure that is delivered, of structures.toml or with a code of its own."""

    name: str = ""
    """Its name in results; that of the structure with its side where it is left out."""
    structure: str = ""
    """A structure that structures.toml names."""
    side: Side | None = None
    """left or right, of a paired structure."""
    meaning: str = ""
    """Display name of a label without `structure`; the next five keys describe such a label too."""
    category: Code = ANATOMY
    """PS3.16 CID 7150."""
    type: Code | None = None
    """The structure's code (SNOMED CT)."""
    laterality: Code | None = None
    """PS3.16 CID 244."""
    rgb: Colour | None = None
    """Its colour, 0 to 255."""
    plausible_ml: tuple[float, ...] = ()
    """Least and greatest volume that it can have as a whole."""
    plausible_mm: tuple[float, ...] = ()
    """Least and greatest diameter that it can have as a whole."""

    def identity(self, structures: Structures) -> Structure:
        """The structure. Raises ValueError where it is neither known nor described."""
        if self.structure:
            known = structure_named(structures, self.structure, self.side)
            return replace(
                known,
                name=self.name or known.name,
                rgb=self.rgb or known.rgb,
                plausible_ml=self.plausible_ml or known.plausible_ml,
                plausible_mm=self.plausible_mm or known.plausible_mm,
            )
        if not (self.name and self.meaning and self.type):
            raise ValueError(f"labels.{self.name or '?'}: expected a structure, or a name, meaning and type")
        return Structure(
            self.name,
            self.meaning,
            self.category,
            self.type,
            self.laterality,
            self.rgb or pale_colour(self.name),
            self.plausible_ml,
            self.plausible_mm,
        )


class FoundLabelTable(LabelTable):
    """[[labels]] of the coarse-to-fine pipeline."""

    first_value: int
    """The label value of the intact bone, or of its first fragment."""
    last_value: int
    """The label value of its last fragment."""
    coarse_class: str
    """The class of the coarse network that shows it."""
    fine_class: str
    """The class of the fine network that outlines it."""
    minimum_ml: float
    """Least volume; a structure with less counts as not found."""
    instances: Literal["by_class", "by_side", "by_bone"] | None = None
    """Which voxels of its classes it is; by_side where it has a side, else by_class, if left out."""

    def label(self, structures: Structures) -> Label:
        """The label; one of a pair without a side is for bones whose side is not known."""
        structure = self.identity(structures)
        if self.instances == "by_bone" and structure.laterality is None:
            structure = replace(structure, meaning=f"{structure.meaning} (side unknown)")
        instances = self.instances or ("by_class" if structure.laterality is None else "by_side")
        detection = Detection(self.coarse_class, self.fine_class, self.minimum_ml, instances)
        return Label(structure, self.first_value, self.last_value, detection)


class WrittenLabelTable(LabelTable):
    """[[labels]] of a network whose classes are the labels."""

    value: int
    """The value that the network writes."""

    def label(self, structures: Structures) -> Label:
        """The label under the same value."""
        return Label(self.identity(structures), self.value, self.value)


class SplitLabelTable(WrittenLabelTable):
    """[[labels]] of an anatomy network whose bones a second network splits."""

    fragments: tuple[int, int]
    """First and last label value of its fragments; equal ones leave it whole."""

    def label(self, structures: Structures) -> Label:
        """The label under the values of its fragments."""
        first, last = self.fragments
        return Label(self.identity(structures), first, last)
