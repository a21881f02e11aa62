"""What every command line of Osteon's has in common: its version, its exit codes, its end."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
from typing import Any

from cyclopts import App, CycloptsError, CycloptsPanel

from app.library_messages import silence_libraries
from app.node.redaction import redacted
from app.printable import printable
from operators.errors import OsteonError, UsageError


def new_app(name: str, text: str) -> App:
    """A command line whose functions return exit codes."""
    return App(name=name, help=text, version=software_version)


def software_version() -> str:
    """Asked for only by --version."""
    from app.settings import SOFTWARE_VERSION

    return SOFTWARE_VERSION


def execute(application: App, arguments: list[str] | None) -> None:
    """Runs a command and exits with its published code (operators/errors.py); tracebacks are for defects."""
    # At its end Python would search through all that the libraries made, for a second and a half
    atexit.register(gc.freeze)
    silence_libraries(say_defect)
    try:
        code = application(
            arguments, exit_on_error=False, result_action="return_value",
            error_formatter=lambda error: CycloptsPanel(redacted(str(error))),
        )  # fmt: skip
    except OsteonError as error:
        print(f"osteon: {printable(redacted(str(error)))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except CycloptsError:
        sys.exit(UsageError.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(code if isinstance(code, int) else 0)


def say_defect(event: str, values: dict[str, Any]) -> None:
    """Of what libraries say only what ends the command or a thread of it comes to the terminal."""
    if "traceback" in values:
        print(f"osteon: a {event} of Osteon's own\n{values['traceback']}", file=sys.stderr, end="")
