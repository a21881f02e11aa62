"""--help describes every argument and option in words, within 80 columns."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path

import pytest
from cyclopts import App
from rich.console import Console

from app.cli.commands import COMMANDS, app
from app.cli.config import config_app
from app.cli.corrections import corrections_app
from app.cli.data import data_app
from app.cli.models.packages import models_app
from app.cli.node.options import OPTIONS
from app.cli.node.users import users_app
from app.node.settings.configuration import NodeSettings

GROUPS = (corrections_app, data_app, models_app, users_app, config_app)


def commands() -> Iterator[tuple[str, App]]:
    """Name and application of every command."""
    for group in (app, *GROUPS):
        for name, command in group.resolved_commands().items():
            if not name.startswith("-") and command not in GROUPS:
                yield f"{'' if group is app else group.name[0] + ' '}{name}", command


@pytest.mark.parametrize("words", dict(commands()))
def test_every_argument_has_a_description(words: str) -> None:
    arguments = dict(commands())[words].assemble_argument_collection(parse_docstring=True)
    shown = [argument for argument in arguments if argument.show]
    assert [argument.name for argument in shown if not argument.parameter.help] == []
    defaults = [argument.field_info.default for argument in shown]
    assert [each for each in defaults if isinstance(each, Path) and each.is_absolute()] == []
    output = StringIO()
    app.help_print(words.split(), console=Console(file=output, width=80))
    assert max(map(len, output.getvalue().splitlines())) <= 80


def test_the_nodes_options_say_what_the_settings_say() -> None:
    output = StringIO()
    app.help_print(["serve"], console=Console(file=output, width=400))
    text = output.getvalue()
    for name in OPTIONS:
        assert f"--{name.replace('_', '-')}" in text
        assert str(NodeSettings.model_fields[name].description) in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_commands_help_begins_with(name: str) -> None:
    place, text = COMMANDS[name]
    module, function = place.split(":")
    documented = inspect.getdoc(getattr(import_module(f"app.cli.{module}"), function)) or ""
    assert documented.partition("\n\n")[0] == text
