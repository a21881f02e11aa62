"""Keeps a result that cannot be made from holding back the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from operators.errors import DEFECT, OsteonError, TransientError, UnwritableError, as_osteon_error

# Codes of results that do not exist for a type of image; to request one is not a failure
NOT_APPLICABLE = ("no_frame_of_reference", "no_surface", "no_such_format")
# Some file systems note the time of a change to two seconds
CLOCK_TOLERANCE_S = 2.0


@dataclass(frozen=True)
class MissingResult:
    """A kind of result that was not made: its code, which may leave the machine, and the reason in words."""

    kind: str
    code: str
    sentence: str

    @property
    def has_failed(self) -> bool:
        """Returns whether the result could have been made of such an image."""
        return self.code not in NOT_APPLICABLE

    def __str__(self) -> str:
        return f"no {self.kind} was made ({self.code}): {self.sentence}"


@dataclass(frozen=True, eq=False)
class Attempts:
    """Collects a series' results that could not be made; `errors` are the exceptions of `missing`."""

    missing: list[MissingResult] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @contextmanager
    def attempt(self, kind: str, *paths: Path) -> Iterator[None]:
        """Runs a block that makes a `kind` of result, notes any error it raises, and then removes the files
        at `paths`.

        Errors that may go away, such as a full disk, are raised again, so that all results are tried again
        later.
        """
        try:
            yield
        except Exception as error:
            if isinstance(as_osteon_error(error), TransientError | UnwritableError):
                raise
            for path in paths:
                remove(path)
            self.missing.append(missing_result(kind, error))
            self.errors.append(error)

    def has_failed(self, kind: str) -> bool:
        """Returns whether a kind of result has been noted as missing."""
        return any(each.kind == kind for each in self.missing)


def missing_result(kind: str, error: Exception) -> MissingResult:
    """Describes a missing result by the error that prevented it."""
    if isinstance(error, OsteonError):
        return MissingResult(kind, error.code, str(error))
    return MissingResult(kind, "defect", DEFECT)


def remove_written_since(paths: Iterable[Path], seconds: float) -> None:
    """Removes the files at the paths that were written since a time of the clock, in seconds."""
    for path in paths:
        for each in path.glob("*.dcm") if path.is_dir() else (path,):
            if each.is_file() and each.stat().st_mtime >= seconds - CLOCK_TOLERANCE_S:
                each.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Removes a file, or all DICOM files in a folder."""
    for each in path.glob("*.dcm") if path.is_dir() else (path,):
        each.unlink(missing_ok=True)
