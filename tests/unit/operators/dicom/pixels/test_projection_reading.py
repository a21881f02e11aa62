"""Grey values of radiographs: the same image however its values are stored, and refusals."""

import base64
import io
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from operators.dicom.pixels.encoded_size import has_whole_segments
from operators.dicom.pixels.projection_reader import read_projection
from operators.dicom.read.scan import scan
from operators.errors import OsteonError, UnreadableError, UnsuitableError
from operators.geometry.value_notes import VALUE_MEANINGS
from tests.support.radiographs.projection_files import (
    CR,
    DX_RAW,
    SC,
    SHAPE,
    grey_of,
    picture,
    radiograph,
    read,
    save,
    save_compressed,
    series_of,
)

DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
JPEG = "1.2.840.10008.1.2.4."
NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DEFLATED]
LOSSLESS = [RLE, f"{JPEG}57", f"{JPEG}70", f"{JPEG}80", f"{JPEG}90"]
EXACT = 1e-6
EXTENDED = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoK"
    "CgoKBggLDAsKDAkKCgr/wQALDABAAEABAREA/8QAGAABAQEBAQAAAAAAAAAAAAAADA0HCwb/xAA4EAAAAAkJBgUEAwEAAAAAAAAA"
    "AQIDBQcIERUEBgkKDBITQmILFkFkZbINFENHYTFEUWMhJbFF/9oACAEBAAA/AIC+xwbxFuIonmyP9EHZ92HDMLeBrZWJGBeekpHw"
    "1Eg+BsZ8yoNL1/CiMLhz3rsmtk5owFp4qCTF96qGMcjhPsEhMnTzYBLPEuBi51cyVuOE+jKMnyMBIm0UGS4YxJP05DHOREpyaBgQ"
    "m29mrTdxfK0ifL3bsslnDUUHAxpOjOC0CnSXffnO4YeEYrIxFwokl33hH+iDtxbBzmDH2wVWEYF68k5Hw1EhQQbF3MqDS1fhoiTk"
    "Ne9dU1snNGAtXVQMYvvVQljkcJ9gkJk6ebAJd4lyMXXa5grj+p9GUZPkYCEdpJMlwxhdYJyGOch5Vk0FANttBWrPd1oFa5Pl7t2W"
    "y3hqKA9xSmmcFolPku+iQO9wwz9h8jEXOiCedN9wg7pGwA5hbwNmqnIwLz0pIuGskKIFYp5lWL19SiEODRr3romrk5owFr8qAzF9"
    "6qDMcDGifYJCZOnmwCX+JdDFzq5crgcJ9CUZPkYB3tprMlwtglYhwSMc5CyrJoKAVraKNWm7rRC3CfL3bsul3DUUBz6lhM4LSE4C"
    "XfRIne4YZ4wmbvrsQwvzLjfcIO9ZZ5WYW8DbCoyMC89KyHhrJCjh2JNZVi9fHogDkNfeXPNTJzJgLZ9s/wDYvvVQNjccJ9gUJk6e"
    "bAJh4l1sXOrliuRwn0JRk+RgGr2oyyWNGUfqyC4Y5yEleTQUAfy0jatN3Wj1wk+Xuul8u4aigNi0uhnCaYnGT+Ekd7hhnDAxGIvJ"
    "CE88b7hAgSs5NMKPtxqeIwbz0tIeGskKUHYfxlSMV7mh8OQ171zTUycyYC2/7P5YvvVQBjYcJ9gUHk6ebAJl4l3sXOrlSuf6n0JR"
    "k+RgF42q4yXDKO9ZhwSMc5BSv+bn6ygCiWmTVpu60uuYny910vl/DUWBkumHNYLUE5CfwkjvcMM0o+iMRe6DJ5833CBDvZreYW8D"
    "dymSMG89MSDhrICmiWGsZUi9esoeDkNe9ck08nMmAt4Oz82L71T8Y2HCfYBB5OnmwCZ+JebFzq5QrocJ9CUZPkYBRdrPslwyjiWe"
    "XDHOQMsyfrKAEZagtWm7rTy6ifL3bqQSHDUWBdGmaM4LU85ifwkz3eMMvo7TeIv1BE9QN9wgRu2ZImDvA3ypQjAvPTKP4ayAqAlh"
    "XGVIvXnqHQ4JGveuOaeTmTAXATZ9jF16p8sajhPsAg8nTzYBNPEvdi51clV0OE/byjJ8jAIlteJkuGUai1C4Y5yAluT9ZQT9O1Qa"
    "sxTdalXgT5a7dSKR4aiwKsU1xnBavnQS7/qHu8YZZRwm77QSBF1A33CBKDZdmYW8FIIpAjAvPTSO4ayAqYthDGVItXkKG85DXvXD"
    "NLJzJgLiLs+Vi+9U9mNBjRPsAg8nTzYBNvEvpi51ckV2OE/byjJ8jAHBtiVkuGUY61y4Y503pbk/WUE8atX2rTdxqxehPl7t1JJH"
    "hqLAm9TgmcJredRLvolT3eMP///Z"
)


def wanted(bits: int) -> np.ndarray:
    """What is read where values from 0 to the highest are grey from 0 to 1."""
    return picture(bits) / ((1 << bits) - 1)


def codes(folder: Path) -> list[str]:
    found = [note.code for note in read(folder).notes]
    assert set(found) <= VALUE_MEANINGS.keys()
    return found


def refusal(folder: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> UnsuitableError:
    with pytest.raises(UnsuitableError) as raised:
        grey_of(folder, dataset, syntax)
    assert str(raised.value).startswith("expected ")
    return raised.value


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS])
@pytest.mark.parametrize("bits", [5, 7, 8, 10, 12, 16])
def test_grey_is_the_same_in_every_lossless_transfer_syntax(tmp_path: Path, syntax: str, bits: int) -> None:
    assert np.abs(grey_of(tmp_path, radiograph(bits=bits), syntax) - wanted(bits)).max() < EXACT


@pytest.mark.parametrize(
    ("syntax", "bits"),
    [
        (f"{JPEG}50", 8), (f"{JPEG}51", 8), (f"{JPEG}81", 8), (f"{JPEG}81", 12),
        (f"{JPEG}91", 8), (f"{JPEG}91", 12),
    ],
)  # fmt: skip
def test_grey_is_nearly_the_same_in_every_lossy_transfer_syntax(
    tmp_path: Path, syntax: str, bits: int
) -> None:
    assert np.abs(grey_of(tmp_path, radiograph(bits=bits), syntax) - wanted(bits)).max() < 0.02


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("syntax", NATIVE)
def test_monochrome1_is_the_inverse_of_monochrome2(tmp_path: Path, syntax: str, bits: int) -> None:
    inverse = ((1 << bits) - 1) - picture(bits)
    dataset = radiograph(
        inverse, bits=bits, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"
    )
    assert np.abs(grey_of(tmp_path, dataset, syntax) - wanted(bits)).max() < EXACT
    assert codes(tmp_path) == []


def test_a_shape_that_contradicts_the_photometric_interpretation_is_told(tmp_path: Path) -> None:
    grey = grey_of(tmp_path, radiograph(PresentationLUTShape="INVERSE"))
    assert np.abs(grey - wanted(12)).max() < EXACT
    assert codes(tmp_path) == ["polarity"]


def test_signed_values_and_a_high_bit_above_the_stored_ones(tmp_path: Path) -> None:
    signed = radiograph(picture() - 2048, PixelRepresentation=1)
    assert np.abs(grey_of(tmp_path / "signed", signed) - wanted(12)).max() < EXACT
    left = radiograph(picture() << 4, HighBit=15)
    assert np.abs(grey_of(tmp_path / "left", left) - wanted(12)).max() < EXACT
    assert codes(tmp_path / "left") == ["left_aligned"]
    odd = radiograph(HighBit=3)
    assert np.abs(grey_of(tmp_path / "odd", odd) - wanted(12)).max() < EXACT
    assert codes(tmp_path / "odd") == ["high_bit"]


def test_bits_beside_the_value_are_overlays(tmp_path: Path) -> None:
    stored = picture()
    stored[::7] |= 1 << 12
    assert np.abs(grey_of(tmp_path, radiograph(stored)) - wanted(12)).max() < EXACT


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ({"WindowCenter": 1024.5, "WindowWidth": 2048}, lambda x: (x - 1024) / 2047 + 0.5),
        (
            {"WindowCenter": 1024, "WindowWidth": 2048, "VOILUTFunction": "LINEAR_EXACT"},
            lambda x: (x - 1024) / 2048 + 0.5,
        ),
        (
            {"WindowCenter": 1024, "WindowWidth": 2048, "VOILUTFunction": "SIGMOID"},
            lambda x: 1 / (1 + np.exp(-4 * (x - 1024) / 2048)),
        ),
        ({"WindowCenter": [1024.5, 3000], "WindowWidth": [2048, 9]}, lambda x: (x - 1024) / 2047 + 0.5),
        (
            {"WindowCenter": 24.5, "WindowWidth": 2048, "RescaleSlope": 2, "RescaleIntercept": -1000},
            lambda x: (2 * x - 1000 - 24) / 2047 + 0.5,
        ),
    ],
)
def test_windows(
    tmp_path: Path, attributes: dict[str, Any], shown: Callable[[NDArray[np.int64]], NDArray[np.float64]]
) -> None:
    grey = grey_of(tmp_path, radiograph(**attributes))
    assert np.abs(grey - np.clip(shown(picture()), 0, 1)).max() < EXACT
    assert codes(tmp_path) == []


def lut(entries: np.ndarray, first: int, bits: int, vr: str = "US") -> Dataset:
    """An item of a sequence of tables."""
    item = Dataset()
    item.add_new(0x00283002, vr, [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", entries.astype("<u2").tobytes())
    return item


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_voi_table_comes_before_a_window(tmp_path: Path, syntax: str) -> None:
    entries = np.rint((np.arange(2000) / 1999) ** 2 * 1023).astype(int)
    dataset = radiograph(VOILUTSequence=[lut(entries, 1000, 10)], WindowCenter=5, WindowWidth=3)
    expected = entries[np.clip(picture() - 1000, 0, 1999)] / 1023
    assert np.abs(grey_of(tmp_path, dataset, syntax) - expected).max() < EXACT


def test_a_table_of_bytes(tmp_path: Path) -> None:
    entries = np.rint(np.arange(4096) / 4095 * 255).astype(np.uint8)
    item = lut(np.zeros(4096), 0, 8)
    item.LUTData = entries.tobytes()
    grey = grey_of(tmp_path, radiograph(VOILUTSequence=[item]))
    assert np.abs(grey - entries[picture()] / 255).max() < EXACT


def test_a_table_that_begins_below_zero(tmp_path: Path) -> None:
    entries = np.arange(4096)
    dataset = radiograph(
        picture() - 2048, PixelRepresentation=1, VOILUTSequence=[lut(entries, -2048, 12, vr="SS")]
    )
    assert np.abs(grey_of(tmp_path, dataset) - wanted(12)).max() < EXACT


def test_a_modality_table_comes_before_the_window(tmp_path: Path) -> None:
    entries = 65535 - np.arange(4096) * 16
    dataset = radiograph(
        4095 - picture(),
        ModalityLUTSequence=[lut(entries, 0, 16)],
        WindowCenter=32767.5,
        WindowWidth=65535,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert np.abs(grey_of(tmp_path, dataset) - wanted(12)).max() < 1e-3


@pytest.mark.parametrize("sequence", [[lut(np.arange(7), 0, 12)], [lut(np.arange(4096), 0, 3)], [Dataset()]])
def test_a_damaged_table_is_told_and_not_used(tmp_path: Path, sequence: list[Dataset]) -> None:
    if "LUTData" in sequence[0]:
        sequence[0].LUTDescriptor = [4096, 0, sequence[0].LUTDescriptor[2]]
    grey = grey_of(tmp_path, radiograph(VOILUTSequence=sequence))
    assert np.abs(grey - wanted(12)).max() < EXACT
    assert codes(tmp_path) == ["lut_ignored"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": 60000, "WindowWidth": 10},
        {"WindowCenter": -60000, "WindowWidth": 10},
        {"WindowCenter": 500, "WindowWidth": 1},
        {"WindowCenter": 2000, "WindowWidth": 1e7},
    ],
)
def test_an_absurd_window_gives_way_to_percentiles(tmp_path: Path, attributes: dict[str, Any]) -> None:
    grey = grey_of(tmp_path, radiograph(**attributes))
    assert np.ptp(np.percentile(grey, (2, 98))) > 0.5
    assert codes(tmp_path) == ["window_ignored"]


def test_a_window_of_no_width_is_told(tmp_path: Path) -> None:
    grey = grey_of(tmp_path, radiograph(WindowCenter=5, WindowWidth=0))
    assert np.abs(grey - wanted(12)).max() < EXACT
    assert codes(tmp_path) == ["window_ignored"]


def test_values_without_window_or_shape_are_stretched(tmp_path: Path) -> None:
    dataset = radiograph(
        picture() // 4 + 900, bits=16, SOPClassUID=CR, Modality="CR", PresentationLUTShape=None
    )
    grey = grey_of(tmp_path, dataset)
    assert (grey.min(), grey.max()) == (0, 1)
    assert codes(tmp_path) == ["stretched"]


def raw(stored: np.ndarray, sign: int | None, relationship: str = "LOG", **attributes: Any) -> Dataset:
    """A DX for processing."""
    more: dict[str, Any] = {} if sign is None else {"PixelIntensityRelationshipSign": sign}
    return radiograph(
        stored,
        bits=14,
        SOPClassUID=DX_RAW,
        PresentationIntentType="FOR PROCESSING",
        PixelIntensityRelationship=relationship,
        **more,
        **attributes,
    )


def test_values_of_a_detector_look_like_an_image_for_presentation(tmp_path: Path) -> None:
    density = picture(12)
    linear = np.rint(16383 * np.exp(-density / 4095 * 4)).astype(int)
    cases = {
        "log": raw(3000 + density, -1),
        "inverse": raw(9000 - density, 1),
        "linear": raw(linear, 1, "LIN"),
        "linear_inverse": raw(16383 - linear, -1, "LIN"),
        "by_photometric": raw(9000 - density, None, PhotometricInterpretation="MONOCHROME1"),
    }
    grey = {name: grey_of(tmp_path / name, dataset) for name, dataset in cases.items()}
    for name, found in grey.items():
        assert np.abs(found - grey["log"]).max() < 0.02, name
        assert np.corrcoef(found.ravel(), density.ravel())[0, 1] > 0.98
    assert codes(tmp_path / "log") == ["stretched"]


@pytest.mark.parametrize("border", [0, 16383])
def test_borders_do_not_rule_the_percentiles(tmp_path: Path, border: int) -> None:
    plain = grey_of(tmp_path / "plain", raw(3000 + picture(12), -1))
    rng = np.random.default_rng(1)
    framed = np.clip(border + rng.integers(-20, 20, (200, 180)), 0, 16383)
    framed[52:148, 50:130] = 3000 + picture(12)
    found = grey_of(tmp_path / "framed", raw(framed, -1))[52:148, 50:130]
    assert np.abs(found - plain).max() < 0.02


def test_padding_is_black_and_not_counted(tmp_path: Path) -> None:
    plain = grey_of(tmp_path / "plain", raw(3000 + picture(12), -1))
    stored = 3000 + picture(12)
    stored[:30, :20] = 16000
    grey = grey_of(tmp_path / "padded", raw(stored, -1, PixelPaddingValue=16000))
    assert (grey[:30, :20] == 0).all()
    assert np.abs(grey[30:] - plain[30:]).max() < 0.15


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
@pytest.mark.parametrize(
    ("syntax", "planar"),
    [(ExplicitVRLittleEndian, 0), (ExplicitVRLittleEndian, 1), (DEFLATED, 0), (DEFLATED, 1), (RLE, 0)],
)
def test_a_capture_in_equal_colours_is_grey(
    tmp_path: Path, photometric: str, planar: int, syntax: str
) -> None:
    grey = picture(8)
    other = grey if photometric == "RGB" else np.full(SHAPE, 128)
    stacked = np.stack([grey, other, other], axis=0 if planar else -1)
    dataset = capture(stacked, photometric, planar)
    assert np.abs(grey_of(tmp_path, dataset, syntax) - wanted(8)).max() < 0.01


def capture(stored: np.ndarray, photometric: str, planar: int = 0) -> Dataset:
    """A secondary capture in colours."""
    return radiograph(
        stored, bits=8, SOPClassUID=SC, Modality="CR", ConversionType="DF", SamplesPerPixel=3,
        PhotometricInterpretation=photometric, PlanarConfiguration=planar, Rows=SHAPE[0], Columns=SHAPE[1],
    )  # fmt: skip


def test_a_capture_in_jpeg_colours_is_grey(tmp_path: Path) -> None:
    stored = np.repeat(picture(8)[..., None], 3, axis=-1)
    stream = io.BytesIO()
    Image.fromarray(stored.astype(np.uint8)).save(stream, "JPEG", quality=95)
    dataset = capture(stored, "YBR_FULL_422")
    dataset.PixelData = encapsulate([stream.getvalue()])
    save_compressed(dataset, tmp_path, f"{JPEG}50")
    assert np.abs(read(tmp_path).grey - wanted(8)).max() < 0.02


def test_jpeg_extended_with_12_bits(tmp_path: Path) -> None:
    """The stream is DCMTK's (dcmcjpeg +ee +q 95), as gdcm writes 16 bits where the standard has 12."""
    dataset = radiograph(picture(12, (64, 64)) - 83)
    dataset.PixelData = encapsulate([base64.b64decode(EXTENDED)])
    save_compressed(dataset, tmp_path, f"{JPEG}51")
    grey = read(tmp_path).grey
    assert np.abs(grey - (picture(12, (64, 64)) - 83) / 4095).max() < 0.01


@pytest.mark.parametrize("place", ["tables", "frame header", "scan header"])
def test_bytes_between_the_segments_of_a_jpeg_are_refused_before_gdcm_aborts(
    tmp_path: Path, place: str
) -> None:
    stream = io.BytesIO()
    Image.fromarray(picture(8).astype(np.uint8)).save(stream, "JPEG", quality=95)
    content = stream.getvalue()
    at = content.index(
        {"tables": b"\xff\xdb", "frame header": b"\xff\xc0", "scan header": b"\xff\xda"}[place]
    )
    dataset = radiograph(bits=8)
    dataset.PixelData = encapsulate([content])
    save_compressed(dataset, tmp_path / "whole", f"{JPEG}50")
    assert np.abs(read(tmp_path / "whole").grey - wanted(8)).max() < 0.02
    dataset.PixelData = encapsulate([content[:at] + bytes(range(1, 15)) + content[at:]])
    save_compressed(dataset, tmp_path / "damaged", f"{JPEG}50")
    with pytest.raises(UnreadableError, match="JPEG segments") as refused:
        read(tmp_path / "damaged")
    assert refused.value.code == "damaged_pixels"


def test_the_segments_of_a_jpeg_are_followed_through_its_scans() -> None:
    header = b"\xff\xd8\xff\xff\xc3\x00\x04ab"
    scan = b"\xff\xda\x00\x04cd" + b"12\xff\x0034\xff\xd056"
    for whole in (b"\xff\xd9", b"\xff\xd9\x00", b"", b"\xff\xff\xda\x00\x04cd56\xff\xd9"):
        assert has_whole_segments(header + scan + whole)
    for broken in (b"", b"7\xff\xd9", b"\xff", b"\xff\xc4\xff\xff\xff\xd9"):
        assert not has_whole_segments(header + broken)
    assert not has_whole_segments(header + scan + b"\xff\xc4\x00\x04ef7\xff\xd9")
    for alone in (b"\xff\xd4", b"\xff\x01", b"\xff\xd8"):
        assert not has_whole_segments(header + alone + b"\x00\x04ef" + scan + b"\xff\xd9")


def test_a_jpeg_ls_stream_without_its_end_is_refused_before_charls_counts_to_2_32(tmp_path: Path) -> None:
    dataset = radiograph()
    head = "ffd8fff7000b0c0060005001011100ffda000801410000000019"
    dataset.PixelData = encapsulate([bytes.fromhex(head + "6047471cbbfae41cbbfae4")])
    save_compressed(dataset, tmp_path, f"{JPEG}80")
    with pytest.raises(UnreadableError, match="without its end") as refused:
        read(tmp_path)
    assert refused.value.code == "damaged_pixels"


def test_colours_are_refused(tmp_path: Path) -> None:
    stored = np.stack([picture(8), picture(8) // 2, picture(8)], axis=-1)
    assert refusal(tmp_path / "rgb", capture(stored, "RGB")).code == "colour_image"
    palette = radiograph(bits=8, PhotometricInterpretation="PALETTE COLOR")
    assert refusal(tmp_path / "palette", palette).code == "colour_image"


@pytest.mark.parametrize("value", [0, 1500, 4095])
def test_an_image_of_one_value_has_no_contrast(tmp_path: Path, value: int) -> None:
    error = refusal(tmp_path, radiograph(np.full(SHAPE, value)))
    assert (error.code, str(value) in str(error)) == ("no_contrast", True)


def test_a_black_or_saturated_image_has_no_contrast(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 4, SHAPE)
    assert refusal(tmp_path / "dark", radiograph(dark)).code == "no_contrast"
    burnt = np.full(SHAPE, 4095)
    burnt[:1, :30] = np.arange(30) * 100
    error = refusal(tmp_path / "burnt", radiograph(burnt))
    assert error.code == "no_contrast"
    assert "99.6%" in str(error)
    padded = radiograph(PixelPaddingValue=0, PixelPaddingRangeLimit=4095)
    assert refusal(tmp_path / "padded", padded).code == "no_contrast"


@pytest.mark.parametrize("shape", [(63, 80), (200, 20)])
def test_a_tiny_image_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    assert refusal(tmp_path, radiograph(picture(12, shape))).code == "image_size"


@pytest.mark.parametrize("size", [(20000, 64), (16384, 16384)])
def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    dataset = radiograph()
    dataset.PixelData = encapsulate([bytes(64)])
    dataset.Rows, dataset.Columns = size
    save_compressed(dataset, tmp_path, RLE)
    with pytest.raises(UnsuitableError) as raised:
        read(tmp_path)
    assert raised.value.code == "image_size"


def test_other_storage_is_refused(tmp_path: Path) -> None:
    wide = radiograph(np.repeat(picture(), 2, axis=1), BitsAllocated=16)
    wide.BitsAllocated, wide.Columns = 32, SHAPE[1]
    assert refusal(tmp_path / "wide", wide).code == "bad_bits_allocated"
    strange = radiograph(PhotometricInterpretation="HSV")
    assert refusal(tmp_path / "strange", strange).code == "bad_photometric_interpretation"


def test_a_damaged_stream_is_an_error(tmp_path: Path) -> None:
    path = save(radiograph(), tmp_path / "1.dcm", f"{JPEG}90")
    content = bytearray(path.read_bytes())
    content[-400:-100] = bytes(300)
    path.write_bytes(content)
    with suppress(UnreadableError):
        assert np.isfinite(read(tmp_path).grey).all()


def test_what_the_header_says_of_the_body(tmp_path: Path) -> None:
    save(radiograph(), tmp_path / "1.dcm")
    found = read(tmp_path)
    assert (found.laterality, found.view, found.body_part) == ("right", "PA", "HAND")
    assert found.procedure == ""
    (series,) = series_of(tmp_path)
    assert series.grid is not None
    assert series.grid.same_as(found.grid)


def code(meaning: str) -> Dataset:
    item = Dataset()
    item.CodeMeaning = meaning
    return item


def test_what_sequences_say_of_the_body(tmp_path: Path) -> None:
    dataset = radiograph(
        ImageLaterality="U", Laterality="L", ViewPosition=None, ViewCodeSequence=[code("postero-anterior")],
        BodyPartExamined="", AnatomicRegionSequence=[code("Hand")],
        StudyDescription="XR hand", ProcedureCodeSequence=[code("Radiography of wrist")],
    )  # fmt: skip
    save(dataset, tmp_path / "1.dcm")
    found = read(tmp_path)
    assert (found.laterality, found.view, found.body_part) == ("left", "postero-anterior", "HAND")
    assert found.procedure == "XR HAND; RADIOGRAPHY OF WRIST"


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "BitsStored": st.integers(0, 20),
            "HighBit": st.integers(0, 20),
            "PixelRepresentation": st.integers(0, 1),
            "PhotometricInterpretation": st.sampled_from(["MONOCHROME1", "MONOCHROME2", "RGB", "ODD", ""]),
            "SamplesPerPixel": st.sampled_from([1, 3, 4]),
            "WindowCenter": st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0]),
            "WindowWidth": st.floats(-10, 1e9) | st.sampled_from([0.0, 1.0, 1e-30]),
            "VOILUTFunction": st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "ODD"]),
            "RescaleSlope": st.floats(-1e4, 1e4),
            "RescaleIntercept": st.floats(-1e6, 1e6),
            "PixelPaddingValue": st.integers(0, 32767),
            "PixelPaddingRangeLimit": st.integers(0, 32767),
            "PresentationIntentType": st.sampled_from(["FOR PROCESSING", "FOR PRESENTATION", "ODD"]),
            "PresentationLUTShape": st.sampled_from(["IDENTITY", "INVERSE", "ODD"]),
            "PixelIntensityRelationship": st.sampled_from(["LIN", "LOG", "ODD"]),
            "PixelIntensityRelationshipSign": st.integers(-2, 2),
            "ImagerPixelSpacing": st.lists(st.floats(-1, 100), min_size=2, max_size=2),
            "EstimatedRadiographicMagnificationFactor": st.floats(-1, 9),
        },
    ),
    st.integers(0, 2**32 - 1),
)
def test_grey_is_finite_and_from_0_to_1_or_an_error_of_ours(attributes: dict[str, object], seed: int) -> None:
    rng = np.random.default_rng(seed)
    stored = rng.integers(0, int(rng.integers(1, 65536)) + 1, SHAPE)
    attributes = {
        name: f"{value:.9g}"[:16] if isinstance(value, float) else value for name, value in attributes.items()
    }
    dataset = radiograph(stored, bits=16)
    for name, value in attributes.items():
        setattr(dataset, name, [round(each, 6) for each in value] if isinstance(value, list) else value)
    with tempfile.TemporaryDirectory() as folder:
        save(dataset, Path(folder) / "1.dcm")
        found = scan(Path(folder)).series
        try:
            for series in found:
                grey = read_projection(series).grey
                assert grey.dtype == np.float32
                assert np.isfinite(grey).all()
                assert grey.min() >= 0
                assert grey.max() <= 1
        except OsteonError:
            return
