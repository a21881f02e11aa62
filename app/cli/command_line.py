"""The parts that all command lines of Osteon share: version, exit codes, and how a command ends."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import signal
import sys
from io import TextIOWrapper
from typing import Any

import structlog
from cyclopts import App, CycloptsError

from app.library_messages import silence_libraries
from app.node.settings.redaction import redacted
from app.printable import printable
from operators.errors import OsteonError, OutputError, UsageError


def new_app(name: str, text: str) -> App:
    """A command line whose functions return exit codes."""
    return App(name=name, help=text, version=software_version, suppress_keyboard_interrupt=False)


def software_version() -> str:
    """Asked for only by --version."""
    from app.settings import SOFTWARE_VERSION

    return SOFTWARE_VERSION


def execute(application: App, arguments: list[str] | None) -> None:
    """Runs a command and exits with its published code (operators/errors.py); tracebacks are for defects."""
    # At its end Python would search through all that the libraries made, for a second and a half
    atexit.register(gc.freeze)
    silence_libraries(say_defect)
    # What a command logs is no output of its own
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that knows few letters shows ? for others
            stream.reconfigure(errors="replace")
    try:
        code = application(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output, such as `head`, has enough; Python would complain of it at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except SystemExit as ended:
        # rich ends a command so when its output is closed
        sys.exit(128 + signal.SIGPIPE if ended.code == 1 else ended.code)
    except (OsteonError, CycloptsError, KeyboardInterrupt, OSError) as error:
        code, sentence = ending(error)
        print(f"osteon: {printable(redacted(sentence))}", file=sys.stderr)
        sys.exit(code)
    sys.exit(code if isinstance(code, int) else 0)


def ending(error: BaseException) -> tuple[int, str]:
    """Exit code and sentence of what ended a command; raises it again where it is a defect."""
    if isinstance(error, OsteonError):
        return error.exit_code, str(error)
    if isinstance(error, CycloptsError):
        return UsageError.exit_code, f"{' '.join(str(error).split())} See --help"
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT, "interrupted"
    if isinstance(error, OSError) and (error.filename is not None or error.errno == errno.ENOSPC):
        place = error.filename or "the disk"
        return OutputError.exit_code, f"expected {place} to be readable and writable, got: {error.strerror}"
    raise error


def say_defect(event: str, values: dict[str, Any]) -> None:
    """Prints a library's log event only where it ends the command or one of its threads."""
    if "traceback" in values:
        print(f"osteon: a {event} in Osteon\n{values['traceback']}", file=sys.stderr, end="")
