"""`osteon export`: a DICOM SEG as surfaces and label maps, and one of Osteon's own as contours."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from app.export_files import FORMATS, parts_of_seg, write_files
from operators.dicom.rtstruct_writer import write_structures
from operators.dicom.seg_making import read_making
from operators.errors import UsageError

STRUCTURES = "rtstruct"


def export_command(seg: Path, output: Path | None, formats: list[str] | None) -> int:
    """Writes the files, and says which. Raises UsageError without a file or a folder."""
    if not seg.is_file() or output is None:
        raise UsageError("expected a DICOM SEG and an output folder; try: osteon export SEG -o OUT")
    label_map, parts = parts_of_seg(seg)
    wanted = [each for each in formats or FORMATS if each in FORMATS]
    names = [output / name for name in write_files(label_map, parts, wanted, output)]
    if formats and STRUCTURES in formats:
        names.append(write_structures(*read_making(seg), output / "structures.dcm"))
    for name in names:
        Console().print(str(name), highlight=False, soft_wrap=True, markup=False)
    return 0
