"""Which annotation file belongs to which picture: those of the same name, in parallel folders."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from training.radiograph.datasets.entries import FaultError

# Folders that are not part of what a picture and its file have in common: images/train, labels/train
KINDS = ("images", "jpegimages", "labels", "annotations")


class Pairs:
    """The annotation files of pictures. `used` are the files of the pictures that were asked for."""

    def __init__(self, folder: Path, pictures: Iterable[Path], files: Iterable[Path]) -> None:
        self.folder = folder
        self.used = set[Path]()
        by_stem = defaultdict[str, list[Path]](list)
        for file in files:
            by_stem[file.stem].append(file)
        same = defaultdict[str, list[Path]](list)
        for picture in pictures:
            same[picture.stem].append(picture)
        self.found = {
            picture: found
            for stem, each in same.items()
            for picture, found in self.shared(each, by_stem[stem]).items()
        }
        self.owners = Counter(file for found in self.found.values() for file in found)

    def shared(self, pictures: list[Path], files: list[Path]) -> dict[Path, list[Path]]:
        """Returns each picture's files in parallel folders, else those parallel to none; all of one stem."""
        exact = {each: [file for file in files if self.place(file) == self.place(each)] for each in pictures}
        taken = {file for found in exact.values() for file in found}
        rest = [file for file in files if file not in taken]
        return {picture: found or rest for picture, found in exact.items()}

    def place(self, path: Path) -> tuple[str, ...]:
        """Returns the folders of a file without those of KINDS."""
        return tuple(part for part in path.relative_to(self.folder).parts[:-1] if part.lower() not in KINDS)

    def file_of(self, picture: Path) -> Path | FaultError | None:
        """Returns the file of a picture; None if it has none, a fault if several may be its file."""
        found = self.found[picture]
        self.used.update(found)
        if not found:
            return None
        if len(found) > 1:
            names = " and ".join(str(file.relative_to(self.folder)) for file in found)
            return FaultError("label_uncertain", f"expected one file of its name, got {names}")
        if self.owners[found[0]] > 1:
            return FaultError("label_uncertain", f"{found[0].name} is also the file of another picture")
        return found[0]
