"""`osteon export`: a DICOM SEG as surfaces and label maps."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from app.export_files import FORMATS, parts_of_seg, write_files
from operators.errors import UsageError


def export_command(seg: Path, output: Path | None, formats: list[str] | None) -> int:
    """Writes the files, and says which. Raises UsageError without a file or a folder."""
    if not seg.is_file() or output is None:
        raise UsageError("expected a DICOM SEG and an output folder; try: osteon export SEG -o OUT")
    label_map, parts = parts_of_seg(seg)
    for name in write_files(label_map, parts, formats or list(FORMATS), output):
        Console().print(str(output / name), highlight=False, soft_wrap=True, markup=False)
    return 0
