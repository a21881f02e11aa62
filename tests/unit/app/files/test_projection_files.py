"""Radiographs from PNG and JPEG: grey, orientation, and what is refused."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from app.files.projection_files import is_projection_file, read_projection_file
from operators.errors import UnreadableError, UnsuitableError
from tests.support.radiographs.projection_files import SHAPE, picture

EIGHT = picture(8).astype(np.uint8)
WANTED = EIGHT / 255


def saved(folder: Path, image: Image.Image, name: str = "1.png", **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def of_mode(mode: str) -> Image.Image:
    """The picture in one of Pillow's modes."""
    return Image.fromarray(EIGHT).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA", "P"])
def test_grey_of_png(tmp_path: Path, mode: str) -> None:
    found = read_projection_file(saved(tmp_path, of_mode(mode)))
    assert np.abs(found.grey - WANTED).max() < 1e-6
    assert (found.spacing, found.laterality, found.view, found.body_part) == (None, "", "", "")
    assert [note.code for note in found.notes] == ["no_spacing"]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_of_jpeg(tmp_path: Path, mode: str) -> None:
    found = read_projection_file(saved(tmp_path, of_mode(mode), "1.jpg", quality=95))
    assert np.abs(found.grey - WANTED).max() < 0.02


def test_sixteen_bits_are_stretched(tmp_path: Path) -> None:
    stored = picture(12).astype(np.uint16)
    found = read_projection_file(saved(tmp_path, Image.fromarray(stored)))
    assert (found.grey.min(), found.grey.max()) == (0, 1)
    assert [note.code for note in found.notes] == ["no_spacing", "stretched"]


def test_a_density_of_print_is_no_spacing(tmp_path: Path) -> None:
    assert read_projection_file(saved(tmp_path, of_mode("L"), dpi=(72, 72))).spacing is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_camera_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_projection_file(saved(tmp_path, of_mode("L"), "1.jpg", quality=95, exif=exif))
    turns = {
        1: WANTED, 2: WANTED[:, ::-1], 3: WANTED[::-1, ::-1], 4: WANTED[::-1],
        5: WANTED.T, 6: np.rot90(WANTED, -1), 7: WANTED[::-1, ::-1].T, 8: np.rot90(WANTED),
    }  # fmt: skip
    assert np.abs(found.grey - turns[orientation]).max() < 0.02


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[:20] = 0
    image = Image.merge("LA", (Image.fromarray(EIGHT), Image.fromarray(alpha)))
    found = read_projection_file(saved(tmp_path, image))
    assert (found.grey[:20] == 0).all()
    assert np.abs(found.grey[20:] - WANTED[20:]).max() < 1e-6


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_colours_are_refused(tmp_path: Path, name: str) -> None:
    photograph = np.stack([EIGHT, EIGHT // 2, EIGHT], axis=-1)
    with pytest.raises(UnsuitableError) as raised:
        read_projection_file(saved(tmp_path, Image.fromarray(photograph), name))
    assert raised.value.code == "colour_image"


@pytest.mark.parametrize(
    ("shape", "code"), [((20, 80), "image_size"), ((70, 17000), "image_size"), ((96, 80), "no_contrast")]
)
def test_small_large_and_black_pictures_are_refused(
    tmp_path: Path, shape: tuple[int, int], code: str
) -> None:
    with pytest.raises(UnsuitableError) as raised:
        read_projection_file(saved(tmp_path, Image.fromarray(np.zeros(shape, np.uint8))))
    assert raised.value.code == code


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9])
def test_a_truncated_file_is_unreadable(tmp_path: Path, name: str, share: float) -> None:
    rng = np.random.default_rng(0)
    path = saved(tmp_path, Image.fromarray(rng.integers(0, 255, SHAPE).astype(np.uint8)), name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UnreadableError) as raised:
        read_projection_file(path)
    assert str(raised.value).startswith("expected ")


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("size", [(16384, 16384), (100000, 100000), (2**31 - 1, 64)])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, size: tuple[int, int]) -> None:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    path = tmp_path / "1.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    with pytest.raises(UnsuitableError) as raised:
        read_projection_file(path)
    assert raised.value.code in ("image_size", "unreadable_picture")


def test_a_text_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "0" * (1 << 24), zip=True)
    with pytest.raises(UnreadableError):
        read_projection_file(saved(tmp_path, of_mode("L"), pnginfo=info))


def test_a_moving_picture_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, of_mode("L"), save_all=True, append_images=[of_mode("L").rotate(90)])
    with pytest.raises(UnsuitableError) as raised:
        read_projection_file(path)
    assert raised.value.code == "multi_frame"


def test_another_format_under_the_name_is_unreadable(tmp_path: Path) -> None:
    content = io.BytesIO()
    of_mode("L").save(content, "BMP")
    path = tmp_path / "1.png"
    path.write_bytes(content.getvalue())
    with pytest.raises(UnreadableError):
        read_projection_file(path)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("a.PNG", True), ("a.jpeg", True), ("a.jpg", True), ("a.dcm", False), ("a.nii", False)],
)
def test_files_are_known_by_their_names(tmp_path: Path, name: str, wanted: bool) -> None:
    (tmp_path / name).write_bytes(b"")
    assert is_projection_file(tmp_path / name) is wanted
    assert not is_projection_file(tmp_path / f"missing-{name}")
