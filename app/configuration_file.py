"""Which configuration file counts, and where in it a setting stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from operators.errors import UsageError

FILE_NAME = "app.yaml"
SECTION = "osteon"
# The nearest to the user first; the image of a MAP always sets the second
VARIABLES = ("OSTEON_CONFIG", "HOLOSCAN_CONFIG_PATH")
SECTION_LINE = re.compile(rf"^[{{\s]*[\"']?{SECTION}[\"']?\s*:", re.MULTILINE)


def configuration_file(
    given: Path | None, environment: Mapping[str, str], folder: Path, application: Path
) -> Path | None:
    """The file that was `given`, else the environment's, else app.yaml of `folder`, else the application's.

    None where there is none of them. Raises UsageError where one that is named is no file.
    """
    if given is not None:
        return require_file(given, "--config")
    for name in VARIABLES:
        if named := environment.get(name):
            return require_file(Path(named), name)
    here, shipped = folder / FILE_NAME, application / FILE_NAME
    if has_section(here):
        return here
    return shipped if shipped.is_file() else None


def require_file(path: Path, name: str) -> Path:
    """Raises UsageError where `path`, which `name` gave, is no file."""
    if not path.is_file():
        got = "which is a folder" if path.is_dir() else "which does not exist"
        raise UsageError(f"expected a configuration file at {name}, got {path}, {got}")
    return path


def has_section(path: Path) -> bool:
    """Whether it is a file for Osteon; another program's app.yaml is left alone.

    One that cannot be parsed counts where a line of it begins the section: its fault is then named.
    """
    if not path.is_file():
        return False
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"expected to read {path}, got: {error.strerror}") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return bool(SECTION_LINE.search(text))
    return isinstance(content, dict) and SECTION in content


def line_of(path: Path, location: Sequence[int | str]) -> int | None:
    """The line, from 1, of the entry at `location` of a YAML file; None where it has none there."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    line = None
    for part in location:
        found = entry_of(node, part)
        if found is None:
            return None
        line, node = found
    return line


def entry_of(node: yaml.Node | None, part: int | str) -> tuple[int, yaml.Node] | None:
    """Line and value of one entry of a mapping or a sequence."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def value_at(path: Path, location: Sequence[int | str]) -> object:
    """Returns the value at `location` in the file, or None where there is none."""
    try:
        value: object = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part in location:
            value = value[part]  # type: ignore[index]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return value
