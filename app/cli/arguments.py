"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

INPUT = Parameter(name=["--input", "-i"], help="Folder or file of DICOM")
OUTPUT = Parameter(name=["--output", "-o"], help="Folder for results")
Output = Annotated[Path | None, OUTPUT]
Models = Annotated[Path | None, Parameter(name=["--models", "-m"], help="Folder of model packages")]
Package = Annotated[str | None, Parameter(name="--package", help="Use this package only")]
Formats = Annotated[
    list[Literal["stl", "ply", "glb", "nifti", "rtstruct"]] | None,
    Parameter(name="--files", negative="", help="Also write surfaces, label maps or contours; repeatable"),
]
Device = Annotated[str | None, Parameter(help="Device for the networks: auto, cpu, cuda")]
Runtime = Annotated[str | None, Parameter(help="Inference runtime: auto, openvino, torch")]
Precision = Annotated[str | None, Parameter(help="Precision: auto, f32, bf16")]
Mode = Annotated[str | None, Parameter(help="How to run published networks: exact (like the original), fast")]
OperatingPoint = Annotated[
    str | None,
    Parameter(
        help="When a fracture is shown: auto, sensitive, balanced, specific, or a probability from 0 to 1"
    ),
]
Config = Annotated[
    Path | None, Parameter(name="--config", help="Configuration file; default: ./app.yaml or Osteon's own")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON")]
