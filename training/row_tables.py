"""What all tables of training.toml share, and those for bones in a row, outlined and named one by one."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Range = tuple[float, float]


class Table(BaseModel):
    """A table of training.toml."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class ChangesTable(Table):
    """[deformed_rows.changes]: how a row is bent, and what becomes of its bones. Shares are of bodies."""

    sideways_deg: float = 25.0
    """Greatest turn of the row to one side; a curve to both sides has twice the angle."""
    forward_deg: float = 20.0
    """Greatest turn forward or back."""
    compressed: float = 0.3
    """Share of bodies in which one to three bones are compressed."""
    loss: Range = (0.15, 0.6)
    """Range of the share of height that a compressed bone loses."""
    burst: float = 0.1
    """Share in which a compressed bone is also burst: wider, with gaps."""
    slipped: float = 0.1
    """Share in which a bone has slipped on the next."""
    slip_mm: Range = (3.0, 12.0)
    """Range of how far it has slipped forward."""
    fused: float = 0.08
    """Share in which two neighbours are fused."""
    missing: float = 0.08
    """Share in which one of `missing_levels` is missing."""
    missing_levels: tuple[str, ...] = ()
    extra: float = 0.12
    """Share in which a bone is there twice, the second time as the level that only some people have."""
    extra_levels: dict[str, str] = {}
    """That level by the structure that it is made of."""
    spurs: float = 0.25
    """Share in which bones have spurs at their edges."""


class LabelMapTable(Table):
    """A whole-body label map."""

    path: str
    """A NIfTI file below the data folder."""
    names: str | dict[str, str]
    """The structure's name for each value, or a JSON file with them."""


class DeformedRowTable(LabelMapTable):
    """[[deformed_rows]]: bodies with a row of bones, made of a label map by bending it along the row."""

    count: int
    """Number of bodies; the first is as it is."""
    spacing_mm: float = 1.5
    around_mm: tuple[float, float] = (75.0, 85.0)
    """What is kept of the body beside the row, to either side and to front and back."""
    margin_mm: float = 40.0
    """Thickness of soft tissue over what is labelled, where the label map has none of its own."""
    changes: ChangesTable = ChangesTable()


class RegionTable(Table):
    """[[networks.NAME.row.regions]]: a region of the row, of the next so many classes."""

    levels: int = Field(ge=1)
    ribs: bool = False
    """Whether its bones bear ribs."""


class RowTable(Table):
    """[networks.NAME.row]: how the bones of a row are shown to a network that sees them one by one.

    Shares are of patches.
    """

    forgotten: float = 0.3
    """Share without the memory of bones that are outlined already (Lessmann et al. 2019)."""
    nothing_left: float = 0.1
    """Share in which all bones are outlined already."""
    known_below: float = 0.1
    """Share in which the bone below is outlined already, too."""
    cut: float = 0.25
    """Share in which the scan ends within the bone."""
    jitter_mm: float = 6.0
    """Standard deviation of the place of the patch about the bone."""
    cement: float = 0.04
    """Share with cement in a bone."""
    cage: float = 0.04
    """Share with a cage between two bones."""
    border_weight: float = 8.0
    """Weight of voxels at the border of the bone, beside 1 everywhere."""
    border_mm: float = 6.0
    """How far from the border that weight reaches."""
    regions: tuple[RegionTable, ...] = ()
    """The regions of the row from the top down, for a network that names its bones."""
    strays: Range = (0.1, 1.0)
    """Weight of voxels called the bone wrongly, at the beginning of the training and from its middle on."""
