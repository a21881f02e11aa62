"""What all command lines of Osteon share: version, exit codes, and how a command ends."""

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
    """Returns a command line whose functions return exit codes."""
    return App(name=name, help=text, version=software_version, suppress_keyboard_interrupt=False)


def software_version() -> str:
    """Returns Osteon's version; imported late, as only --version asks for it."""
    from app.settings import SOFTWARE_VERSION

    return SOFTWARE_VERSION


def execute(application: App, arguments: list[str] | None) -> None:
    """Runs a command and exits with its exit code (operators/errors.py); only a defect has a traceback."""
    # Without it the final garbage collection goes through all objects of the libraries, for 1.5 s
    atexit.register(gc.freeze)
    silence_libraries(say_defect)
    # Logs go to stderr, as stdout is for the command's output
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # characters that the terminal cannot encode show as ?
            stream.reconfigure(errors="replace")
    try:
        code = application(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, closed the pipe; without /dev/null Python fails when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except SystemExit as ended:
        # rich exits with 1 when its output is closed
        sys.exit(128 + signal.SIGPIPE if ended.code == 1 else ended.code)
    except (OsteonError, CycloptsError, KeyboardInterrupt, OSError) as error:
        code, sentence = ending(error)
        print(f"osteon: {printable(redacted(sentence))}", file=sys.stderr)
        sys.exit(code)
    sys.exit(code if isinstance(code, int) else 0)


def ending(error: BaseException) -> tuple[int, str]:
    """Returns the exit code and the sentence for an error that ended a command; raises a defect again."""
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
    """Prints an event of a library only if it ends the command or one of its threads."""
    if "traceback" in values:
        print(f"osteon: a {event} in Osteon\n{values['traceback']}", file=sys.stderr, end="")
