"""Finds the configuration file in use, and the line of a setting in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from operators.errors import UsageError

FILE_NAME = "app.yaml"
SECTION = "osteon"
# In order of precedence; the image of a MAP always sets the second
VARIABLES = ("OSTEON_CONFIG", "HOLOSCAN_CONFIG_PATH")
SECTION_LINE = re.compile(rf"^[{{\s]*[\"']?{SECTION}[\"']?\s*:", re.MULTILINE)


def configuration_file(
    given: Path | None, environment: Mapping[str, str], folder: Path, application: Path
) -> Path | None:
    """Returns the configuration file to read, or None if there is none.

    In order of precedence: the file `given`, the one that an environment variable names, app.yaml in
    `folder`, app.yaml beside the application. Raises UsageError if a named file is not a file.
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
    """Returns `path`. Raises UsageError if it is not a file; `name` says which option or variable gave it."""
    if not path.is_file():
        got = "which is a folder" if path.is_dir() else "which does not exist"
        raise UsageError(f"expected a configuration file at {name}, got {path}, {got}")
    return path


def has_section(path: Path) -> bool:
    """Returns whether the file has a section for Osteon; the app.yaml of another program is ignored.

    A file that cannot be parsed counts if one of its lines begins the section, so that its fault is reported.
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
    """Returns the line, counted from 1, of the entry at `location` of a YAML file, or None without one."""
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
    """Returns the line and the value of one entry of a mapping or a sequence."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def value_at(path: Path, location: Sequence[int | str]) -> object:
    """Returns the value at `location` in the file, or None if there is none."""
    try:
        value: object = yaml.safe_load(path.read_text(encoding="utf-8"))
        for part in location:
            value = value[part]  # type: ignore[index]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return None
    return value
