"""Command lines whose options are a function's parameters."""

from __future__ import annotations

from collections.abc import Callable

from cyclopts import App, Parameter

# For an option that takes all values up to the next option
MANY = Parameter(consume_multiple=True, negative="")


def run(main: Callable[..., object], text: str | None) -> None:
    """Calls `main` with the options of the command line; `--help` shows `text` and the options."""
    application = App(help=text, help_format="plaintext", version_flags=())
    application.default(main)
    application()
