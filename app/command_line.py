"""What every command line of Osteon's has in common: its version, its exit codes, its end."""

from __future__ import annotations

import atexit
import gc
import signal
import sys
import traceback
from types import TracebackType

from cyclopts import App, CycloptsError, CycloptsPanel

from app.node.redaction import redacted
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
    sys.excepthook = print_without_passwords
    try:
        code = application(
            arguments, exit_on_error=False, result_action="return_value",
            error_formatter=lambda error: CycloptsPanel(redacted(str(error))),
        )  # fmt: skip
    except OsteonError as error:
        print(f"osteon: {redacted(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except CycloptsError:
        sys.exit(UsageError.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(code if isinstance(code, int) else 0)


def print_without_passwords(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A defect's traceback, as Python prints it."""
    sys.stderr.write(redacted("".join(traceback.format_exception(kind, error, trace))))
