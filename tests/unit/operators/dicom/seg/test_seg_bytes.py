"""The SEG whose frames are written as raw bytes is the very file that highdicom and pydicom would write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.dicom.headers.series import Series
from operators.dicom.seg.seg_writer import make_seg, write_seg
from operators.geometry.volume import Grid
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import blobs, bone, grid, multi_frame, provenance, segmentation, series

TURN = np.linalg.qr(np.array([[1.0, 0.2, 0.1], [-0.3, 1.0, 0.2], [0.1, -0.2, 1.0]]))[0]


def by_highdicom(made: Segmentation, source: Series, path: Path) -> bytes:
    """All frames made by highdicom's constructor, and written by pydicom."""
    labels = made.label_map.labels
    values = np.unique(labels[:, :, [round(frame.k) for frame in source.frames]])
    segments = [segment for segment in made.segments if segment.value in values]
    numbers = np.zeros(256, np.uint8)
    numbers[[segment.value for segment in segments]] = np.arange(1, len(segments) + 1)
    places = [n for n, frame in enumerate(source.frames) if numbers[labels[:, :, round(frame.k)]].any()]
    voxels = np.stack([numbers[labels[:, :, round(source.frames[n].k)]].T for n in places])
    dataset = make_seg(voxels, segments, places, provenance(made, source), made.label_map.grid)
    size = -(-dataset.NumberOfFrames * dataset.Rows * dataset.Columns // 8)
    if size % 2:
        dataset.PixelData = dataset.PixelData[:size] + b"\0"  # PS3.5 8.1.1; highdicom 0.28 pads with "0"
    dataset.save_as(path, enforce_file_format=True)
    return path.read_bytes()


def assert_same_bytes(folder: Path, labels: NDArray[np.uint8], on: Grid, source: Series) -> None:
    values = [value for value in np.unique(labels).tolist() if value]
    made = segmentation(labels, on, *(bone(value, fragment=n) for n, value in enumerate(values, start=1)))
    written = write_seg(made, provenance(made, source), folder / "ours.dcm").read_bytes()
    assert written == by_highdicom(made, source, folder / "theirs.dcm")


@pytest.mark.parametrize("shape", [(13, 9, 7), (16, 8, 5), (9, 13, 70), (8, 1, 3), (24, 11, 1)])
def test_frames_of_any_size_are_the_same_bytes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    labels = np.random.default_rng(1).integers(0, 4, shape).astype(np.uint8) * 60
    assert_same_bytes(tmp_path, labels, grid(shape), series(grid(shape)))


@pytest.mark.parametrize("axes", [np.diag([1.0, 1.0, -1.0]), TURN, np.eye(3)[:, [2, 0, 1]]])
def test_an_oblique_or_turned_series_gives_the_same_bytes(tmp_path: Path, axes: NDArray[np.float64]) -> None:
    on = grid(axes=axes * [0.75, 0.5, 2.5])
    assert_same_bytes(tmp_path, blobs(), on, series(on))


def test_a_series_with_gaps_or_uneven_slices_gives_the_same_bytes(tmp_path: Path) -> None:
    for ks in ((0.0, 1.0, 4.0, 5.0), (0.0, 1.2, 1.9, 4.4, 5.1)):
        assert_same_bytes(tmp_path, blobs(), grid(), series(grid(), ks=ks))


def test_a_multi_frame_source_gives_the_same_bytes(tmp_path: Path) -> None:
    labels = blobs()
    labels[10, 7, 1] = 12
    assert_same_bytes(tmp_path, labels, grid(), multi_frame(grid()))


def test_labels_in_any_order_of_memory_give_the_same_bytes(tmp_path: Path) -> None:
    assert_same_bytes(tmp_path, np.asfortranarray(blobs()), grid(), series(grid()))


@settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(data=st.data())
def test_random_labels_give_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    shape = data.draw(st.tuples(st.integers(3, 19), st.integers(3, 11), st.integers(1, 9)))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    labels = (random.random(shape) < data.draw(st.floats(0, 1))) * random.integers(1, 61, shape[2])
    labels[0, 0, 0] = 7
    assert_same_bytes(
        tmp_path_factory.mktemp("seg"), labels.astype(np.uint8), grid(shape), series(grid(shape))
    )
