"""The image's entry point: `show`, `env`, `extract`, `health`, `help`, a command of osteon, or a run.

The words are those of holoscan-cli's entry point /var/holoscan/tools, which, however, does not return the
application's exit code.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from app import platform_layout as layout
from app.map.supervision import run_supervised
from operators.errors import OsteonError, OutputError, UsageError, reason

HELP = f"""{layout.ENTRY_POINT} [COMMAND] [ARGUMENTS]

  show [app|pkg]   print the manifests
  env              print the environment
  extract          copy the application, manifests, models and documents to {layout.EXPORT}; if folders
                   named app, config, models or docs exist there, copy only those parts
  health           exit with 0 while this container works
  help             print this text
  serve, check, jobs, send, models, config
                   commands of osteon: see `COMMAND --help`
  anything else    run the application with these arguments: -i IN -o OUT -m MODELS

Exit codes: 0 done, 1 a defect, 2 usage, 3 nothing suitable, 4 unreadable input, 5 model, 6 output or
delivery, 124 time limit (HOLOSCAN_TIMEOUT, in seconds), 128 plus the number of the signal that ended the run
"""
COMMANDS = frozenset({"serve", "check", "jobs", "send", "models", "config"})
# The parts that can be extracted, with the variables that name their paths
PARTS = {"app": "HOLOSCAN_APPLICATION", "models": "HOLOSCAN_MODEL_PATH", "docs": "HOLOSCAN_DOCS_PATH"}
CONFIG = ("HOLOSCAN_APP_MANIFEST_PATH", "HOLOSCAN_PKG_MANIFEST_PATH", "HOLOSCAN_CONFIG_PATH")
HEALTH_S = 5.0
INIT_COMMAND = Path("/proc/1/cmdline")


def enter(arguments: list[str], given: Mapping[str, str]) -> int:
    """Runs the command in `arguments` in the environment `given`, and returns its exit code."""
    environment = layout.ENVIRONMENT | dict(given)
    word = arguments[0] if arguments else ""
    if word == "show":
        return show(arguments[1:], environment)
    if word == "extract":
        return extract(environment, Path(layout.EXPORT))
    if word == "env":
        print("\n".join(f"{name}={value}" for name, value in sorted(environment.items())))
        return 0
    if word == "help":
        print(HELP)
        return 0
    if word == "health":
        return health(environment)
    return run(arguments, environment)


def run(arguments: list[str], environment: dict[str, str]) -> int:
    """Runs the application under its time limit, or another command of osteon without one."""
    if arguments and arguments[0] in COMMANDS:
        os.execvpe("osteon", ["osteon", *arguments], environment)  # noqa: S606 (replaces this process)
    manifest = read_manifest(environment["HOLOSCAN_APP_MANIFEST_PATH"])
    command = json.loads(manifest["command"])
    limit = environment.get("HOLOSCAN_TIMEOUT") or environment.get("MONAI_TIMEOUT") or manifest["timeout"]
    return run_supervised([*command, *arguments], environment, seconds(limit))


def seconds(text: str | int) -> float:
    """Parses a time limit in seconds. Raises UsageError."""
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if limit < 0:
        raise UsageError(f"expected HOLOSCAN_TIMEOUT in seconds, 0 for none, got {text!r}")
    return limit


def read_manifest(path: str) -> dict[str, str]:
    """Reads a manifest. Raises UsageError if it is missing or invalid."""
    try:
        manifest: dict[str, str] = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"expected a manifest at {path}, got: {reason(error)}") from error
    return manifest


def show(names: list[str], environment: dict[str, str]) -> int:
    """Prints app.json, pkg.json or both."""
    paths = {"app": environment[CONFIG[0]], "pkg": environment[CONFIG[1]]}
    for name in [name for name in names if name in paths] or list(paths):
        print(f"{f' {name}.json ':=^70}")
        print(json.dumps(read_manifest(paths[name]), indent=2))
    return 0


def extract(environment: dict[str, str], export: Path) -> int:
    """Copies the parts that have a folder in `export`, or all parts. Raises UsageError, OutputError."""
    if not export.is_dir():
        raise UsageError(f"expected a folder mounted at {export}")
    known = ("config", *PARTS)
    wanted = [name for name in known if (export / name).is_dir()] or known
    try:
        for name in wanted:
            (export / name).mkdir(exist_ok=True)
            copy(name, environment, export / name)
    except OSError as error:
        text = f"expected a folder that can be written at {export}, got: {reason(error)}"
        raise OutputError(text) from error
    return 0


def copy(name: str, environment: dict[str, str], target: Path) -> None:
    """Copies one part; missing models or documents are skipped."""
    if name == "config":
        for variable in CONFIG:
            shutil.copyfile(environment[variable], target / Path(environment[variable]).name)
        for manifest in (layout.APP_MANIFEST_0, layout.PKG_MANIFEST_0):
            old = target.parent / layout.EXTRACTED[manifest]
            old.parent.mkdir(exist_ok=True)
            shutil.copyfile(manifest, old)
    elif (source := Path(environment[PARTS[name]])).is_dir():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, target, dirs_exist_ok=True, copy_function=shutil.copyfile, ignore=ignored)


def health(environment: dict[str, str]) -> int:
    """Returns 0 for a healthy node, 1 otherwise; a run is healthy as long as its container exists."""
    if b"serve" not in INIT_COMMAND.read_bytes().split(b"\0"):
        return 0
    port = environment.get("OSTEON_NODE__HTTP_PORT", "9112")
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=HEALTH_S) as answer:
            return int(answer.status != 200)
    except (URLError, OSError):
        return 1


def main() -> None:
    """Runs the program /var/holoscan/tools."""
    try:
        code = enter(sys.argv[1:], os.environ)
    except OsteonError as error:
        print(f"osteon: {error}", file=sys.stderr)
        code = error.exit_code
    sys.exit(code)


if __name__ == "__main__":
    main()
