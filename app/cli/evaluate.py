"""`osteon evaluate` and `osteon export`: compare results with ground truth, convert them to other formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from app.cli.arguments import Config, Formats, Json, Models, Output, Package
from app.evaluation.comparison import labels_of, run_evaluation
from app.evaluation.evaluation_report import as_json, show
from app.files.export_files import FORMATS, parts_of_file, write_files, write_projection_files
from app.run.results import RESULTS, RTSTRUCT
from app.settings import read_settings
from operators.dicom.read.scan import scan
from operators.dicom.rtstruct.rtstruct_reader import referenced_series
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.reencode import read_provenance
from operators.dicom.seg.seg_files import is_projection_seg, is_rtstruct
from operators.dicom.seg.seg_reader import read_seg
from operators.errors import UsageError
from operators.geometry.volume import Grid
from operators.package_files.package_reader import choose_packages


def evaluate(
    prediction: Path,
    truth: Path,
    /,
    *,
    output: Output = None,
    models: Models = None,
    package: Package = None,
    config: Config = None,
    json_: Json = False,
) -> int:
    """Compare PREDICTION with TRUTH: DICOM SEG or RTSTRUCT, NIfTI, NRRD, or folders of them.

    Parameters
    ----------
    prediction
        File or folder to compare.
    truth
        File or folder with the ground truth.
    """
    packages = choose_packages(read_settings(config, models=models).models, package)
    results = run_evaluation(prediction, truth, labels_of(packages), output)
    if json_:
        print(as_json(results))
    else:
        show(results, Console())
    return 0


def export(
    segments: Path,
    /,
    *,
    output: Output = None,
    files: Formats = None,
    images: Annotated[Path | None, Parameter(help="Folder of the CT that an RTSTRUCT was drawn on")] = None,
) -> int:
    """Write a SEG, RTSTRUCT or named NIfTI as surfaces and a label map; default: in all formats.

    With --files rtstruct, a SEG that Osteon wrote is also written as an RT Structure Set.

    Parameters
    ----------
    segments
        DICOM SEG, RTSTRUCT, or NIfTI with the names of its labels.
    """
    formats = None if files is None else list(files)
    if not segments.is_file() or output is None:
        raise UsageError("expected a file with segments and an output folder; try: osteon export SEG -o OUT")
    if is_projection_seg(segments):
        return export_projection(segments, formats, output)
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


def export_projection(seg: Path, formats: Sequence[str] | None, output: Path) -> int:
    """Writes the SEG of a radiograph as a label map, in pixels. Raises UnsuitableError, OutputError."""
    if formats and RTSTRUCT in formats:
        write_structures(*read_provenance(seg), output / RESULTS[RTSTRUCT].name)  # which refuses
    label_map, segments = read_seg(seg)
    for name in write_projection_files(label_map, segments, formats or ("nifti",), output):
        Console().print(str(output / name), highlight=False, soft_wrap=True, markup=False)
    return 0


def grid_of(rtstruct: Path, images: Path) -> Grid:
    """Returns the grid of the series that was contoured. Raises UsageError if `images` lacks the series."""
    uid = referenced_series(rtstruct)
    grids = [each.grid for each in scan(images).series if uid in each.frames_by_series() and each.grid]
    if len(grids) != 1:
        raise UsageError(f"expected the series {uid} in {images}, got {len(grids)} volumes")
    return grids[0]
