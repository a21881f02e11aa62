"""`osteon export`: segments as surfaces and label maps, and a SEG of Osteon's own as contours."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from app.files.export_files import FORMATS, parts_of_file, write_files
from app.run.results import RESULTS, RTSTRUCT
from operators.dicom.read.scan import scan
from operators.dicom.rtstruct.rtstruct_reader import referenced_series
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.reencode import read_provenance
from operators.dicom.seg.seg_files import is_rtstruct
from operators.errors import UsageError
from operators.geometry.volume import Grid


def export_command(
    segments: Path, output: Path | None, formats: list[str] | None, images: Path | None = None
) -> int:
    """Writes the files, and says which; `images` is the folder of an RTSTRUCT's CT. Raises UsageError."""
    if not segments.is_file() or output is None:
        raise UsageError("expected a file with segments and an output folder; try: osteon export SEG -o OUT")
    grid = grid_of(segments, images) if images and is_rtstruct(segments) else None
    label_map, parts = parts_of_file(segments, grid)
    wanted = [each for each in formats or FORMATS if each in FORMATS]
    names = [output / name for name in write_files(label_map, parts, wanted, output)]
    if formats and RTSTRUCT in formats:
        row = RESULTS[RTSTRUCT]
        names.append(write_structures(*read_provenance(segments), output / f"{row.stem}{row.suffix}"))
    for name in names:
        Console().print(str(name), highlight=False, soft_wrap=True, markup=False)
    return 0


def grid_of(rtstruct: Path, images: Path) -> Grid:
    """Returns the grid of the series with the contours. Raises UsageError if the folder lacks it."""
    uid = referenced_series(rtstruct)
    grids = [each.grid for each in scan(images).series if uid in each.frames_by_series() and each.grid]
    if len(grids) != 1:
        raise UsageError(f"expected the series {uid} in {images}, got {len(grids)} volumes of it")
    return grids[0]
