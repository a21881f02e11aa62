"""A missing database or data folder is reported, and no command creates another one in its place."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from app.cli.node.jobs import jobs_command
from app.node.queue.database import prepare_database
from app.node.service import check
from app.node.settings.configuration import NodeSettings
from app.settings import read_settings
from operators.errors import OutputError, TransientError


@pytest.fixture
def lost(tmp_path: Path) -> NodeSettings:
    """A node's data folder with a job, whose database is gone."""
    settings = NodeSettings(data=tmp_path / "data")
    prepare_database(settings)
    (settings.data / "jobs" / "1.2-0123456789abcdef" / "in").mkdir(parents=True)
    for path in settings.data.glob("osteon.sqlite*"):
        path.unlink()
    return settings


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_node_does_not_start_without_the_database_of_its_jobs(lost: NodeSettings) -> None:
    before = files(lost.data)
    with pytest.raises(
        OutputError, match="it is missing: restore it, or move the folder jobs away"
    ) as raised:
        prepare_database(lost)
    assert (raised.value.code, files(lost.data)) == ("database_lost", before)
    (lost.data / "jobs").rename(lost.data / "former-jobs")
    prepare_database(lost)


def test_check_names_a_lost_database_and_makes_none(lost: NodeSettings) -> None:
    before = files(lost.data)
    finding = check.database(lost)
    assert finding.code == OutputError.exit_code
    assert "it is missing" in finding.sentence
    assert check.disk(lost).code == 0
    assert files(lost.data) == before


def test_check_makes_no_data_folder(tmp_path: Path) -> None:
    settings = NodeSettings(data=tmp_path / "away" / "data", minimum_free_mb=0)
    for finding in (check.disk(settings), check.database(settings)):
        assert finding.code == 0
        assert "when the node starts" in finding.sentence
    assert files(tmp_path) == []


def test_jobs_names_a_lost_database_and_makes_none(lost: NodeSettings) -> None:
    with pytest.raises(OutputError, match="it is missing"):
        jobs_command(read_settings(node={"data": lost.data}), "list", None, False)
    assert not list(lost.data.glob("osteon.sqlite*"))


@pytest.mark.parametrize("command", ["jobs", "check"])
def test_a_database_that_takes_connections_and_says_nothing_is_waited_for_once(
    tmp_path: Path, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # Two seconds are the least that libpq takes
        url = f"postgresql://osteon@127.0.0.1:{silent.getsockname()[1]}/osteon?connect_timeout=2"
        settings = read_settings(node={"data": tmp_path, "database": url})
        if command == "check":
            finding = check.database(settings.node)
            assert (finding.code, "got no connection" in finding.sentence) == (TransientError.exit_code, True)
        else:
            with pytest.raises(TransientError, match="to answer, got no connection"):
                jobs_command(settings, "list", None, False)
        silent.setblocking(False)
        silent.accept()
        with pytest.raises(BlockingIOError):
            silent.accept()
