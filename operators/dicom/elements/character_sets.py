"""Decodes the text of a header by its SpecificCharacterSet, and detects text that does not fit it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from pydicom.charset import (
    CODES_TO_ENCODINGS,
    STAND_ALONE_ENCODINGS,
    convert_encodings,
    decode_bytes,
    default_encoding,
    handled_encodings,
    python_encoding,
)
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import TEXT_VR_DELIMS

CHARACTER_SET = "SpecificCharacterSet"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ESCAPE = b"\x1b"
# After these characters the first encoding applies again (PS3.5 6.1.2.5.3)
_DELIMITERS = re.compile(b"[\t\n\f\r]")
# Control codes at the places of Windows' additional letters, and an escape character of no known sequence
_CONTROL_CODES = re.compile("[\x1b\x80-\x9f]")
_LATIN_1 = (default_encoding, "latin_1")
# Common misspellings of the defined terms of PS3.3 C.12.1.1.2
_MISSPELT = re.compile(r"ISO[ _-]*(2022[ _-]*)?IR[ _-]*(\d+)", re.IGNORECASE)
_UTF_8 = re.compile(r"UTF[ _-]?8", re.IGNORECASE)


class CharacterSet:
    """The Python `encodings` of a SpecificCharacterSet; `is_known` unless a value is no defined term."""

    def __init__(self, values: Sequence[str]) -> None:
        terms = [_defined_term(value.strip()) for value in values]
        known = [term for term in terms if term is not None]
        if len(known) > 1:  # PS3.3 C.12.1.1.2: some must not be combined
            extensions = [term for term in known if term not in STAND_ALONE_ENCODINGS]
            known = known[:1] if known[0] in STAND_ALONE_ENCODINGS else extensions
        self.is_known = known == [value.strip() for value in values]
        self.encodings = convert_encodings(known) if known else [default_encoding]

    def decode(self, content: bytes) -> tuple[str, bool]:
        """Returns the text and whether it fits this character set; undecodable bytes become REPLACEMENT."""
        if self._fits(content):
            return decode_bytes(content, self.encodings, TEXT_VR_DELIMS), True
        if content.isascii() and _ESCAPE not in content:
            return content.decode("ascii"), True
        try:
            return content.decode("utf-8"), False  # hardly any other text is UTF-8 by chance
        except UnicodeDecodeError:
            return self._otherwise(content), False

    def _fits(self, content: bytes) -> bool:
        """Returns whether the bytes strictly fit; `decode_bytes` would warn and replace characters."""
        first, *extended = re.split(rb"(?=\x1b)", content)
        try:
            if self.encodings[0] == default_encoding and not first.isascii():
                return False
            if _CONTROL_CODES.search(first.decode(self.encodings[0])):
                return False
            return all(self._extension_fits(part) for part in extended)
        except (UnicodeDecodeError, LookupError):
            return False

    def _extension_fits(self, part: bytes) -> bool:
        """Returns whether the bytes after an escape sequence fit its encoding. Raises like `decode`."""
        length = 4 if part.startswith((b"\x1b$(", b"\x1b$)")) else 3
        encoding = CODES_TO_ENCODINGS.get(part[:length], "")
        if encoding not in (*self.encodings, default_encoding):
            return False
        if encoding in handled_encodings:  # Python reads the escape sequence itself
            part.decode(encoding)
            return True
        body, *behind = _DELIMITERS.split(part[length:], maxsplit=1)
        body.decode(encoding)
        return all(rest.decode(self.encodings[0]) is not None for rest in behind)

    def _otherwise(self, content: bytes) -> str:
        """Decodes by the character set, or as Windows-1252 if that is Latin-1 or none is named."""
        encoding = self.encodings[0]
        text = content.decode("cp1252" if encoding in _LATIN_1 else encoding, "replace")
        return _CONTROL_CODES.sub(REPLACEMENT, text)


def character_set_of(header: Dataset) -> CharacterSet:
    """Returns the character set of a header, DICOM's default repertoire if it names none."""
    element = header.get_item(CHARACTER_SET)
    value = "" if element is None or element.value is None else element.value
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = "\\".join(map(str, value)) if isinstance(value, MultiValue | list | tuple) else str(value)
    return _named(text.strip("\0 "))


@lru_cache(maxsize=64)
def _named(text: str) -> CharacterSet:
    return CharacterSet(text.split("\\") if text else [])


def _defined_term(value: str) -> str | None:
    """Returns a defined term with its spelling corrected; None for any other text."""
    if value in python_encoding:
        return value
    if _UTF_8.fullmatch(value):
        return "ISO_IR 192"
    if found := _MISSPELT.fullmatch(value):
        mended = f"{'ISO 2022 IR' if found[1] else 'ISO_IR'} {int(found[2])}"
        return mended if mended in python_encoding else None
    return None
