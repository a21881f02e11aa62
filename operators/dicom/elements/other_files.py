"""Names the kind of a file that is not a DICOM instance, by its first bytes."""

from __future__ import annotations

from pathlib import Path

# Offset, bytes, name. NIfTI-1 and -2: nifti1.h, nifti2.h; the rest are the formats' own signatures.
_MARKS = (
    (344, b"n+1\0", "a NIfTI image"),
    (344, b"ni1\0", "a NIfTI header"),
    (4, b"n+2\0", "a NIfTI image"),
    (0, b"NRRD", "an NRRD image"),
    (0, b"ObjectType", "a MetaImage"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%PDF", "a PDF"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"BM", "a bitmap"),
    (0, b"\x89HDF", "an HDF5 file"),
)
_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 352
# PS3.10 7.1; a DICOM file that is not an instance is a DICOMDIR.
_MAGIC, _MAGIC_AT = b"DICM", 128


def kind_of(path: Path) -> str:
    """Returns the kind of a file in words such as "a ZIP archive"; '' if it is unknown."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC:
        return "a DICOMDIR"
    if head.startswith(_GZIP):
        return "a compressed NIfTI image" if ".nii" in path.suffixes else "a gzip archive"
    return next((name for at, mark, name in _MARKS if head[at:].startswith(mark)), "")
