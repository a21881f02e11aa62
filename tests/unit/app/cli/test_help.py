"""What --help says: every argument and option in words, within 80 columns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from io import StringIO

import pytest
from cyclopts import App
from rich.console import Console

from app.cli.commands import app, serve
from app.cli.map_commands import config_app
from app.cli.models_commands import models_app
from app.node.settings.configuration import NodeSettings


def commands() -> Iterator[tuple[str, App]]:
    """Name and application of every command."""
    for group in (app, models_app, config_app):
        for name, command in group.resolved_commands().items():
            if not name.startswith("-") and command not in (models_app, config_app):
                yield f"{'' if group is app else group.name[0] + ' '}{name}", command


@pytest.mark.parametrize("words", dict(commands()))
def test_every_argument_has_a_description(words: str) -> None:
    command = dict(commands())[words]
    silent = [
        argument.name
        for argument in command.assemble_argument_collection(parse_docstring=True)
        if argument.show and not argument.parameter.help
    ]
    assert silent == []
    output = StringIO()
    app.help_print(words.split(), console=Console(file=output, width=80))
    assert max(map(len, output.getvalue().splitlines())) <= 80


def test_the_nodes_options_say_what_the_settings_say() -> None:
    text = inspect.getdoc(serve) or ""
    for name in inspect.signature(serve).parameters:
        if name in NodeSettings.model_fields and name not in ("data", "database"):
            assert f"{name}\n    {NodeSettings.model_fields[name].description}.\n" in f"{text}\n", name
