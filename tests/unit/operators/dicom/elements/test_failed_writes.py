"""What is said of a file that cannot be written: the system's words alone."""

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest
from pydicom.tag import Tag, tag_in_exception

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import UnwritableError

FULL = os.strerror(errno.ENOSPC)


def test_a_full_disk_within_an_element_is_named_without_a_traceback(tmp_path: Path) -> None:
    def write(_: BinaryIO) -> None:
        with tag_in_exception(Tag("PixelData")), tag_in_exception(Tag("Rows")):
            raise OSError(errno.ENOSPC, FULL)

    with pytest.raises(UnwritableError) as raised:
        write_whole(tmp_path / "a.dcm", write)
    assert str(raised.value) == f"expected a writable folder for a.dcm, got: {FULL}"
    assert list(tmp_path.iterdir()) == []
