"""Exports results for other programs: surfaces in mm in the patient's LPS space, label maps in RAS."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from scipy import ndimage

from operators.dicom.elements.atomic_file import make_folder, unwritable_folder, write_whole
from operators.dicom.seg.seg_reader import SegmentInfo
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.errors import UnsuitableError
from operators.geometry.meshes import Mesh, mesh_of
from operators.geometry.volume import Box, Grid, LabelMap
from operators.image_files.label_files import read_named, write_nifti
from operators.segmentation.segmentation import Segment, Segmentation

# 80 bytes that readers ignore, except for 3D Slicer, which reads the space from them
STL_HEADER = b"SPACE=LPS;UNIT=mm Osteon, for research, not for diagnosis".ljust(80)
NOTICE = "For research, not for diagnosis"
# glTF 2.0, 3.4: metres, Y up, Z forward; the patient's left becomes X, superior Y, anterior Z
LPS_TO_GLTF = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1000.0]]) / 1000.0


@dataclass(frozen=True, eq=False)
class ExportedPart:
    """A bone or fragment: its value in the label map, its name for files, its label, colour and surface."""

    value: int
    name: str
    label: str
    rgb: tuple[int, int, int]
    mesh: Mesh


# What a table of label values names
NamedPart = ExportedPart | Segment | SegmentInfo


def parts_of(segmentation: Segmentation) -> tuple[ExportedPart, ...]:
    """Returns the parts of a segmentation that were measured."""
    meshes = {row.value: row.mesh for row in segmentation.measurements}
    return tuple(
        ExportedPart(
            segment.value, tracking_identifier(segment), segment.label, segment.rgb, meshes[segment.value]
        )
        for segment in segmentation.segments
        if segment.value in meshes
    )


def parts_of_file(path: Path, grid: Grid | None = None) -> tuple[LabelMap, tuple[ExportedPart, ...]]:
    """Reads the parts of any file that names its segments; an RTSTRUCT needs `grid`.

    Raises UnreadableError, UsageError, or UnsuitableError if no segment has a voxel.
    """
    label_map, infos = read_named(path, grid)
    boxes = ndimage.find_objects(label_map.labels)
    parts = []
    for info in infos or ():
        if info.value <= len(boxes) and boxes[info.value - 1] is not None:
            block = Box.of(boxes[info.value - 1])
            mesh = mesh_of(label_map.labels[block.slices] == info.value, label_map.grid.crop(block))
            name = info.bone if info.fragment is None else f"{info.bone} fragment {info.fragment}"
            parts.append(ExportedPart(info.value, name, info.label, info.rgb, mesh))
    if not parts:
        raise UnsuitableError(
            "expected a named segment with at least one voxel, got none", code="nothing_found"
        )
    return label_map, tuple(parts)


def write_files(
    label_map: LabelMap, parts: Sequence[ExportedPart], formats: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """Writes `formats` (rows of FORMATS) into the folder and returns the file names. Raises OutputError."""
    try:
        make_folder(folder, "a folder")
        return tuple(path.name for each in formats for path in FORMATS[each](label_map, parts, folder))
    except OSError as error:
        raise unwritable_folder(folder, "a folder", error) from error


def write_result_files(segmentation: Segmentation, formats: Sequence[str], folder: Path) -> None:
    """Writes a result in `formats` into the folder. Raises as write_files and write_projection_files do."""
    if segmentation.package.reads == "volume":
        write_files(segmentation.label_map, parts_of(segmentation), formats, folder)
    else:
        write_projection_files(segmentation.label_map, segmentation.segments, formats, folder)


def write_projection_files(
    label_map: LabelMap, parts: Sequence[NamedPart], formats: Sequence[str], folder: Path
) -> tuple[str, ...]:
    """Writes outlines on a radiograph as a label map and returns the file names.

    Raises OutputError, and UnsuitableError (no_surface) for other formats once the label map is written.
    """
    written_names: list[str] = []
    if "nifti" in formats:
        make_folder(folder, "a folder")
        written_names += (path.name for path in write_label_map(label_map, parts, folder))
    surfaces = [each for each in formats if each != "nifti"]
    if surfaces:
        text = f"expected a CT for surfaces ({', '.join(surfaces)}), got a radiograph, which has none"
        raise UnsuitableError(text, code="no_surface")
    return tuple(written_names)


def write_stl(label_map: LabelMap, parts: Sequence[ExportedPart], folder: Path) -> list[Path]:
    """Writes one STL file for each part; the format has no colours."""
    del label_map
    return [
        written(folder / f"{file_stem(part)}.stl", STL_HEADER + surface(part).export(file_type="stl")[80:])
        for part in parts
    ]


def write_ply(label_map: LabelMap, parts: Sequence[ExportedPart], folder: Path) -> list[Path]:
    """Writes one coloured PLY file for each part."""
    del label_map
    return [
        written(folder / f"{file_stem(part)}.ply", surface(part).export(file_type="ply")) for part in parts
    ]


def write_glb(label_map: LabelMap, parts: Sequence[ExportedPart], folder: Path) -> list[Path]:
    """Writes one binary glTF file with all parts, named and coloured.

    The vertices stay in LPS mm; the nodes' transform makes the scene upright.
    """
    del label_map
    scene = trimesh.Scene(metadata={"notice": NOTICE})
    for part in parts:
        scene.add_geometry(
            paint_mesh(part), node_name=part.label, geom_name=file_stem(part), transform=LPS_TO_GLTF
        )
    return [written(folder / "bones.glb", scene.export(file_type="glb"))]


def write_label_map(
    label_map: LabelMap, parts: Sequence[NamedPart], folder: Path, name: str = "bones_dseg"
) -> list[Path]:
    """Writes the label map as NIfTI, and a BIDS table (dseg.tsv) of its values."""
    image, table = folder / f"{name}.nii.gz", folder / f"{name}.tsv"
    write_nifti(label_map, image)
    rows = [f"{part.value}\t{plain(part.label)}\t#{bytes(part.rgb).hex()}\n" for part in parts]
    return [image, written(table, "".join(["index\tname\tcolor\n", *rows]).encode())]


FORMATS: dict[str, Callable[[LabelMap, Sequence[ExportedPart], Path], list[Path]]] = {
    "stl": write_stl,
    "ply": write_ply,
    "glb": write_glb,
    "nifti": write_label_map,
}


def surface(part: ExportedPart) -> trimesh.Trimesh:
    """Returns the part's surface as a trimesh with its vertices unchanged."""
    colours = np.array([[*part.rgb, 255]] * len(part.mesh.vertices_lps), np.uint8)
    return trimesh.Trimesh(
        part.mesh.vertices_lps, part.mesh.faces, vertex_colors=colours, process=False, validate=False
    )


def paint_mesh(part: ExportedPart) -> trimesh.Trimesh:
    """Returns the surface with one coloured material, which is smaller than a colour for each vertex."""
    material = trimesh.visual.material.PBRMaterial(
        name=part.label, baseColorFactor=[*part.rgb, 255], metallicFactor=0.0, roughnessFactor=0.8
    )
    visual = trimesh.visual.TextureVisuals(material=material)
    return trimesh.Trimesh(
        part.mesh.vertices_lps, part.mesh.faces, visual=visual, process=False, validate=False
    )


def file_stem(part: ExportedPart) -> str:
    """Returns a unique file name of safe characters, as the segment names of other programs are arbitrary."""
    return f"{part.value}-{re.sub(r'[^A-Za-z0-9-]+', '_', part.name).strip('_')[:60]}"


def plain(label: str) -> str:
    """Returns a label as one cell of a table."""
    return " ".join(label.split())


def written(path: Path, content: bytes) -> Path:
    """Writes a file atomically and returns its path."""
    return write_whole(path, lambda file: file.write(content))
