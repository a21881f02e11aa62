"""What cannot be read is refused once, with its cause; what can be read for certain is read."""

import gzip
import os
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import CTImageStorage

from operators.dicom.headers.headers import opened
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import grouped_by_reason, require_series, scan
from operators.errors import TransientError, UnreadableError
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import AFFINE, HU, LARGER, only, setting


def fault_of(folder: Path) -> tuple[str, str]:
    series = only(scan(folder))
    assert series.fault is not None
    return series.fault.code, series.fault.text


def refusal_of(folder: Path) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        require_series(scan(folder))
    return caught.value


@pytest.mark.parametrize("keyword", ["FloatPixelData", "DoubleFloatPixelData"])
def test_float_pixels_are_refused_as_such(tmp_path: Path, keyword: str) -> None:
    def edit(dataset: Dataset, _: int) -> None:
        kind = "<f4" if keyword == "FloatPixelData" else "<f8"
        setattr(dataset, keyword, np.zeros(48, kind).tobytes())
        del dataset.PixelData

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    error = refusal_of(tmp_path)
    name = "Float Pixel Data" if keyword == "FloatPixelData" else "Double Float Pixel Data"
    assert (error.code, str(error).endswith(f"expected Pixel Data, got {name}")) == ("float_pixels", True)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
def test_files_that_begin_with_their_file_meta_are_read(tmp_path: Path, syntax: str) -> None:
    for path in phantoms.write_ct(tmp_path, HU, AFFINE, transfer_syntax_uid=syntax):
        path.write_bytes(path.read_bytes()[132:])
    assert np.array_equal(read_volume(only(scan(tmp_path))).hu, HU)


def written_as(path: Path, *, implicit: bool, little_endian: bool) -> None:
    """Rewrites the data set in another encoding, under the file meta that it has."""
    dataset, head, body = dcmread(path), BytesIO(), BytesIO()
    meta, data = DicomFileLike(head), DicomFileLike(body)
    if not little_endian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    meta.is_implicit_VR, meta.is_little_endian = False, True
    data.is_implicit_VR, data.is_little_endian = implicit, little_endian
    write_file_meta_info(meta, dataset.file_meta)
    write_dataset(data, dataset)
    path.write_bytes(bytes(128) + b"DICM" + head.getvalue() + body.getvalue())


@pytest.mark.parametrize(
    ("said", "implicit", "little_endian", "name"),
    [
        ("1.2.840.10008.1.2.1", True, True, "Implicit VR Little Endian"),
        ("1.2.840.10008.1.2", False, True, "Explicit VR Little Endian"),
        ("1.2.840.10008.1.2.2", False, True, "Explicit VR Little Endian"),
        ("1.2.840.10008.1.2.2", True, True, "Implicit VR Little Endian"),
        ("1.2.840.10008.1.2.1", False, False, "Explicit VR Big Endian"),
        ("1.2.840.10008.1.2", False, False, "Explicit VR Big Endian"),
    ],
)
@pytest.mark.parametrize("preamble", [True, False])
def test_a_data_set_is_read_in_the_encoding_that_it_has(
    tmp_path: Path, said: str, implicit: bool, little_endian: bool, name: str, preamble: bool
) -> None:
    for path in phantoms.write_ct(tmp_path, HU, AFFINE):
        written_as(path, implicit=implicit, little_endian=little_endian)
        content = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", said.encode().ljust(20, b"\0"), 1)
        path.write_bytes(content if preamble else content[132:])
    series = only(scan(tmp_path))
    assert np.array_equal(read_volume(series).hu, HU)
    assert any(f"the data set is in {name} and is read as such" in text for text in series.warnings)


def with_syntax(path: Path, uid: bytes) -> None:
    """The file under another transfer syntax of the same length."""
    content = path.read_bytes()
    start = content.index(struct.pack("<HH2s", 2, 0x10, b"UI")) + 6
    (length,) = struct.unpack_from("<H", content, start)
    meta = content[start + 2 + length :]
    padded = uid + b"\0" * (len(uid) % 2)
    whole = content[:start] + struct.pack("<H", len(padded)) + padded + meta
    (group,) = struct.unpack_from("<I", whole, 140)
    path.write_bytes(whole[:140] + struct.pack("<I", group + len(padded) - length) + whole[144:])


def test_pixels_that_are_not_compressed_although_the_syntax_says_so_are_read(tmp_path: Path) -> None:
    for path in phantoms.write_ct(tmp_path, HU, AFFINE):
        with_syntax(path, b"1.2.840.10008.1.2.4.90")
    series = only(scan(tmp_path))
    assert np.array_equal(read_volume(series).hu, HU)
    assert any("not compressed and are read as such" in text for text in series.warnings)


def test_compressed_pixels_under_an_uncompressed_syntax_are_refused_as_such(tmp_path: Path) -> None:
    hu = phantoms.position_volume(LARGER, AFFINE)
    for path in phantoms.write_ct(tmp_path, hu, AFFINE, transfer_syntax_uid="1.2.840.10008.1.2.4.90"):
        with_syntax(path, b"1.2.840.10008.1.2.1")
    error = refusal_of(tmp_path)
    assert error.code == "other_transfer_syntax"
    assert "for compressed pixel data, got one for uncompressed data" in str(error)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_private_transfer_syntax_is_not_guessed_at(tmp_path: Path, implicit: bool) -> None:
    """GE's is implicit VR little endian with pixels in big endian."""
    for path in phantoms.write_ct(tmp_path, HU, AFFINE):
        written_as(path, implicit=implicit, little_endian=True)
        with_syntax(path, b"1.2.840.113619.5.2")
    with pytest.raises(UnreadableError) as caught:
        read_volume(only(scan(tmp_path)))
    assert caught.value.code == "unsupported_transfer_syntax"


def test_different_images_under_one_uid_are_refused_once(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=setting(SOPInstanceUID="1.2.3"))
    code, text = fault_of(tmp_path)
    assert code == "shared_uid"
    assert text == "expected one SOPInstanceUID for each image, got 1 for 10 different images"


def test_images_at_one_position_are_refused_once(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=setting(ImagePositionPatient=[1, 2, 3]))
    code, text = fault_of(tmp_path)
    assert code == "one_position"
    assert text == "expected a different position for each of 10 images, got one for all"


def test_one_position_that_is_looked_at_again_and_again_is_one_part(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    for n in range(20):
        again = setting(SOPInstanceUID=f"1.2.3.{n + 1}", InstanceNumber=100 + n)
        phantoms.write_ct(tmp_path / str(n), HU, AFFINE, keep=[4], edit=again)
    main, repeated = scan(tmp_path).series
    assert np.array_equal(read_volume(main).hu, HU)
    assert "20 slices repeat the position of another and were left out" in main.warnings
    assert (repeated.part, len(repeated.frames)) == ("repeated slices 1", 20)
    assert repeated.fault is not None
    assert repeated.fault.code == "one_position"


def frames_in_one_image(path: Path, *, groups: bool) -> None:
    """All slices as one CT Image Storage, with functional groups or without."""

    def edit(dataset: Dataset) -> None:
        dataset.SOPClassUID = CTImageStorage
        if not groups:
            del dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence
            single = phantoms.ct_slice(HU, AFFINE, 0)
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
                dataset[keyword] = single[keyword]

    phantoms.write_enhanced_ct(path, HU, AFFINE, edit=edit)


def test_many_frames_with_one_position_are_refused_as_such(tmp_path: Path) -> None:
    frames_in_one_image(tmp_path / "ct.dcm", groups=False)
    assert len(only(scan(tmp_path)).frames) == 10
    assert fault_of(tmp_path)[0] == "one_position"


def test_a_multi_frame_ct_image_with_a_position_for_each_frame_is_read(tmp_path: Path) -> None:
    frames_in_one_image(tmp_path / "ct.dcm", groups=True)
    assert np.array_equal(read_volume(only(scan(tmp_path))).hu, HU)


def nifti(folder: Path) -> None:
    (folder / "a.nii").write_bytes(bytes(344) + b"n+1\0" + bytes(100))


def compressed_nifti(folder: Path) -> None:
    (folder / "a.nii.gz").write_bytes(gzip.compress(bytes(344) + b"n+1\0"))


def zipped(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.dcm", b"x")


@pytest.mark.parametrize(
    ("make", "kind"),
    [(nifti, "a NIfTI image"), (compressed_nifti, "a compressed NIfTI image"), (zipped, "a ZIP archive")],
)
def test_what_was_given_instead_of_dicom_is_named(
    tmp_path: Path, make: Callable[[Path], None], kind: str
) -> None:
    make(tmp_path)
    (path,) = tmp_path.iterdir()
    error = refusal_of(tmp_path)
    text = f"expected DICOM files, got 1 other file ({path.name}): {kind}"
    assert (error.code, str(error)) == ("no_dicom", text)
    assert str(refusal_of(path)) == str(error)


def test_linked_folders_are_read_and_circles_end(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "elsewhere", HU, AFFINE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "patient").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "in" / "again").symlink_to(tmp_path / "in" / "patient", target_is_directory=True)
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "in", target_is_directory=True)
    series = only(scan(tmp_path / "in"))
    assert len(series.frames) == 10
    assert series.warnings == ()


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    error = refusal_of(tmp_path)
    assert (error.code, "gone: expected a file, got a broken link" in str(error)) == ("broken_link", True)


def test_a_file_that_the_system_does_not_open_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="can be opened, got: No such file") as caught:
        opened(tmp_path / "gone")
    assert caught.value.code == "file_not_opened"


@contextmanager
def no_more_files() -> Iterator[None]:
    """No file can be opened meanwhile by this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("part", ["", "1_000.dcm"])
def test_no_slice_is_left_out_for_lack_of_file_descriptors(tmp_path: Path, part: str) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    assert (tmp_path / part).exists()
    with no_more_files(), pytest.raises(TransientError) as caught:
        scan(tmp_path / part)
    assert caught.value.code == "out_of_files"


def test_files_of_one_reason_are_told_in_one_line(tmp_path: Path) -> None:
    for path in phantoms.write_ct(tmp_path, HU, AFFINE):
        path.write_bytes(path.read_bytes()[:-30])
    (line,) = grouped_by_reason(scan(tmp_path).unreadable)
    assert line[1] == "10 files, such as 1_000.dcm"


def test_nothing_is_warned_of_by_libraries_on_stderr(tmp_path: Path) -> None:
    for path in phantoms.write_ct(tmp_path, HU, AFFINE, edit=setting(PatientName="one component")):
        written_as(path, implicit=True, little_endian=True)
        content = path.read_bytes()
        path.write_bytes(content.replace(b"ISO_IR 192", b"ISO IR 192"))
    code = "from app.cli.commands import main; main()"
    command = [sys.executable, "-c", code, "series", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[5], capture_output=True, text=True, check=True)
    assert done.stderr == ""
