"""Downloads an archive over HTTP: with progress, resumed where it broke off, and verified."""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from operators.dicom.elements.atomic_file import make_folder, unwritable_folder
from operators.errors import ModelError, TransientError, reason
from operators.importing.catalogue.listing import CatalogueNetwork

Tell = Callable[[str, float | None, str], None]
STAGE, ROOM = "download", "room for a download"
CHUNK_BYTES = 1 << 20
# Tries without a single new byte between them, and the pause before each further one
TRIES, PAUSE_S = 4, 2.0
SILENCE_S = 60.0
# The answers after which a later try may succeed (RFC 9110 15.5.9, RFC 6585 4, RFC 9110 15.6)
LATER = {408, 429, 500, 502, 503, 504}
PARTIAL, BEYOND_END = 206, 416
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to another scheme."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Returns the request for the new address. Raises ModelError if it is less protected."""
        if urlsplit(newurl).scheme not in {"https", urlsplit(req.full_url).scheme} - {"file", "ftp"}:
            text = f"expected a redirect to https, got one to {urlsplit(newurl).scheme or newurl}"
            raise ModelError(text, code="redirect_refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


Open = Callable[[urllib.request.Request], Any]


def open_url(request: urllib.request.Request) -> Any:
    """Returns the answer to a request, after redirects. Raises HTTPError, OSError, HTTPException."""
    return urllib.request.build_opener(SafeRedirects).open(request, timeout=SILENCE_S)


@dataclass(frozen=True)
class Download:
    """A download in progress: its file, and beside it what the server said of the archive's version."""

    network: CatalogueNetwork
    part: Path

    @property
    def note(self) -> Path:
        """Returns the path of the file that says which version of the archive the part belongs to."""
        return self.part.with_suffix(".json")

    @property
    def have_bytes(self) -> int:
        """Returns how many bytes of the archive are there."""
        return self.part.stat().st_size if self.part.is_file() else 0

    def version(self) -> str:
        """Returns the server's version of what is there; '' if it named none: nothing can be resumed."""
        try:
            return str(json.loads(self.note.read_text())["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def discard(self) -> None:
        """Removes what is there."""
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def download(
    network: CatalogueNetwork,
    folder: Path,
    tell: Tell,
    open_: Open = open_url,
    sleep: Callable[[float], object] = time.sleep,
) -> Path:
    """Returns the archive of a network, in `folder`, where an interrupted download is resumed.

    Raises TransientError if the transfer breaks off again and again, ModelError for an archive that is not
    the listed one, OutputError if it cannot be written. What has arrived stays for the next call, unless it
    is wrong.
    """
    make_folder(folder, "a folder for downloads")
    name = hashlib.sha256(network.url.encode()).hexdigest()[:16]
    task, tries = Download(network, folder / f"{name}.part"), 0
    while True:
        before = task.have_bytes
        try:
            total = transfer(task, tell, open_)
            if task.have_bytes == total:
                break
            failure = f"{task.have_bytes} of {total} bytes arrived"
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            failure = failure_text(error, task)
        tries = 0 if task.have_bytes > before else tries + 1
        if tries >= TRIES:
            there = f"{task.have_bytes / 1e6:.1f} MB are there, and the same command goes on from them"
            text = f"expected {network.archive}, but {failure}; {there}"
            raise TransientError(text, code="download_broken")
        tell(STAGE, None, f"{failure}; trying again")
        sleep(PAUSE_S * tries)
    require_listed(task)
    return task.part


def transfer(task: Download, tell: Tell, open_: Open) -> int:
    """Appends what is missing, and returns the size of the whole. Raises OSError, HTTPException."""
    have, version = task.have_bytes, task.version()
    headers = {"User-Agent": "osteon", "Accept-Encoding": "identity"}
    if have and version:
        headers |= {"Range": f"bytes={have}-", "If-Range": version}
    elif have:
        task.discard()
        have = 0
    with open_(urllib.request.Request(task.network.url, headers=headers)) as answer:  # noqa: S310 (http and https)
        goes_on = answer.status == PARTIAL
        have = have if goes_on else 0
        total = size_of(answer, have, goes_on)
        require_size(task, total)
        require_room(task.part.parent, total - have, ROOM)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        task.note.write_text(json.dumps({"version": version}))
        with task.part.open("ab" if goes_on else "wb") as file:
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                file.flush()
                have += len(chunk)
                tell(STAGE, have / total if total else None, sizes_text(task.network.archive, have, total))
    return total or have


def sizes_text(name: str, have: int, total: int) -> str:
    """Returns how much has arrived, in words."""
    return f"{name}: {have / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{name}: {have / 1e6:.1f} MB"


def size_of(answer: Any, have: int, goes_on: bool) -> int:
    """Returns the size of the whole archive, 0 if unknown. Raises OSError for another part than requested."""
    if not goes_on:
        return int(answer.headers.get("Content-Length") or 0)
    said = str(answer.headers.get("Content-Range") or "")
    start, _, rest = said.removeprefix("bytes ").partition("-")
    if start != str(have) or not rest.partition("/")[2].isdecimal():
        raise OSError(f"expected the part from byte {have}, got {said or 'another'}")
    return int(rest.partition("/")[2])


def require_size(task: Download, total: int) -> None:
    """Raises ModelError if the server offers an archive of another size than the catalogue lists."""
    listed = task.network.bytes
    if listed and total and total != listed:
        task.discard()
        raise ModelError(
            f"expected {task.network.archive} of {listed} bytes as listed, the server offers {total}: the "
            "archive was changed; check it and install it with --from",
            code="archive_altered",
        )


def require_room(folder: Path, missing_bytes: int, purpose: str) -> None:
    """Raises OutputError, which names the `purpose`, if the disk has less free space."""
    free = shutil.disk_usage(folder).free
    if free < missing_bytes:
        full = OSError(errno.ENOSPC, f"{missing_bytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
        raise unwritable_folder(folder, purpose, full)


def failure_text(error: Exception, task: Download) -> str:
    """Returns what interrupted a transfer, if a later one may succeed. Raises OutputError, ModelError."""
    if isinstance(error, urllib.error.HTTPError):
        return answer_text(error, task)
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        raise unwritable_folder(task.part.parent, ROOM, error) from error
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return f"the transfer broke off: {reason(inner) if isinstance(inner, Exception) else inner}"


def answer_text(error: urllib.error.HTTPError, task: Download) -> str:
    """Returns the answer of a server that may answer differently later. Raises ModelError for others."""
    said = f"the server answers {error.code} {error.reason}"
    if error.code == BEYOND_END:
        task.discard()
        return said
    if error.code in LATER:
        return said
    text = f"expected the archive at {error.url}, {said}; fetch it by hand and install it with --from"
    raise ModelError(text, code="archive_missing") from error


def require_listed(task: Download) -> None:
    """Raises ModelError, after removing it, for an archive with another checksum than the listed one."""
    listed = task.network.sha256
    if listed and sha256_of(task.part) != listed:
        task.discard()
        raise ModelError(
            f"expected {task.network.archive} with SHA-256 {listed[:12]}..., got another: it was removed",
            code="archive_altered",
        )


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
