"""The surfaces of the segments of a SEG, coarse enough for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from app.run.html.surfaces import FACES, packed, simplified
from operators.dicom.seg.seg_reader import SegmentInfo
from operators.geometry.meshes import Mesh, mesh_of
from operators.geometry.volume import Box, LabelMap

# Finer voxels cost time and are not seen: an edge of a face is about as long
VOXEL_MM = 1.5
LPS_TO_RAS = np.array([-1.0, -1.0, 1.0], np.float32)


def surfaces_of(labels: LabelMap, infos: Sequence[SegmentInfo]) -> list[dict[str, Any]]:
    """Returns vertices in RAS mm and faces of each segment with a voxel, little-endian, in base64."""
    i, j, k = (max(int(VOXEL_MM / spacing), 1) for spacing in labels.grid.spacing_mm)
    coarse, grid = labels.labels[::i, ::j, ::k], labels.grid.strided((i, j, k))
    boxes = ndimage.find_objects(coarse)
    shown = [info for info in infos if info.value <= len(boxes) and boxes[info.value - 1]]
    places = [(info.value, Box.of(boxes[info.value - 1])) for info in shown]
    meshes = [mesh_of(coarse[box.slices] == value, grid.crop(box)) for value, box in places]
    share = FACES / max(sum(mesh.area_mm2 for mesh in meshes), 1.0)
    return [drawn(info, simplified(mesh, share)) for info, mesh in zip(shown, meshes, strict=True)]


def drawn(info: SegmentInfo, mesh: Mesh) -> dict[str, Any]:
    """Returns one surface; the fragments of a bone share its name."""
    return {
        "value": info.value,
        "bone": info.bone,
        "colour": list(info.rgb),
        "vertices": packed((mesh.vertices_lps * LPS_TO_RAS).astype("<f4")),
        # Mirrored twice: the faces stay turned outwards
        "faces": packed(mesh.faces.astype("<u4")),
    }
