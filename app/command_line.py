"""What every command line of Osteon's has in common: its version, its exit codes, its end."""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import sys

from cyclopts import App, CycloptsError

from operators.errors import OsteonError, UsageError


def new_app(name: str, text: str) -> App:
    """A command line whose functions return exit codes."""
    return App(name=name, help=text, version=software_version)


def software_version() -> str:
    """Asked for only by --version."""
    from app.settings import SOFTWARE_VERSION

    return SOFTWARE_VERSION


def silence_libraries() -> None:
    """Keeps Python's warnings off stderr: those of pydicom quote values, which may be a patient's.

    What they tell of an input stands among its own warnings.
    """
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").propagate = False


def execute(application: App, arguments: list[str] | None) -> None:
    """Runs a command and exits with its published code (operators/errors.py); tracebacks are for defects."""
    silence_libraries()
    # At its end Python would search through all that the libraries made, for a second and a half
    atexit.register(gc.freeze)
    try:
        code = application(arguments, exit_on_error=False, result_action="return_value")
    except OsteonError as error:
        print(f"osteon: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except CycloptsError:
        sys.exit(UsageError.exit_code)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    sys.exit(code if isinstance(code, int) else 0)
