"""Keeps a result that cannot be made from holding back the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from operators.errors import DEFECT, OsteonError, TransientError, UnwritableError, as_osteon_error


@dataclass(frozen=True)
class MissingResult:
    """A kind of result that was not made: a code that may leave the machine, and why in words."""

    kind: str
    code: str
    sentence: str

    def __str__(self) -> str:
        return f"no {self.kind} was made ({self.code}): {self.sentence}"


@dataclass(frozen=True, eq=False)
class Attempts:
    """The results of one series that could not be made; `errors` are those of `missing`, in their order."""

    missing: list[MissingResult] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @contextmanager
    def attempt(self, kind: str, *paths: Path) -> Iterator[None]:
        """A block that makes a `kind` of result: whatever it raises is noted, and `paths` hold nothing half.

        What may work later, such as a full disk, is raised: then all of them are tried again.
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
        """Whether a kind of result is known to be missing."""
        return any(each.kind == kind for each in self.missing)


def missing_result(kind: str, error: Exception) -> MissingResult:
    """Describes a missing result from the error that it ended with."""
    if isinstance(error, OsteonError):
        return MissingResult(kind, error.code, str(error))
    return MissingResult(kind, "defect", DEFECT)


def remove(path: Path) -> None:
    """A file, or all DICOM files of a folder."""
    for each in path.glob("*.dcm") if path.is_dir() else (path,):
        each.unlink(missing_ok=True)
