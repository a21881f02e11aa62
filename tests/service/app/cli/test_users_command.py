"""`osteon users` adds, changes and removes accounts, and leaves no password anywhere."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.cli.commands import app
from app.node.accounts.accounts import Accounts
from operators.errors import OsteonError, UsageError
from tests.support.node.node_cases import node_settings

PASSWORD = "correct horse battery"


def command(monkeypatch: pytest.MonkeyPatch, data: Path, *words: str, password: str = PASSWORD) -> str:
    """The error of a command, or '' if there is none."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    try:
        app(["users", *words, "--data", str(data)], exit_on_error=False, result_action="return_value")
    except OsteonError as error:
        return str(error)
    return ""


def test_accounts_are_added_changed_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = Accounts(node_settings(tmp_path))
    assert "at least one administrator" in command(monkeypatch, tmp_path, "add", "bob", "viewer")
    assert "12 to 256" in command(monkeypatch, tmp_path, "add", "ann", "administrator", password="short")
    assert command(monkeypatch, tmp_path, "add", "ann", "administrator") == ""
    assert command(monkeypatch, tmp_path, "add", "bob", "viewer") == ""
    assert "has an account" in command(monkeypatch, tmp_path, "add", "bob", "viewer")
    assert command(monkeypatch, tmp_path, "change", "bob", "operator") == ""
    assert command(monkeypatch, tmp_path, "change", "bob", "--password", password="another long one") == ""
    assert (accounts.verified("bob", "another long one") or accounts.all()["ann"]).role == "operator"
    assert accounts.verified("bob", PASSWORD) is None
    assert command(monkeypatch, tmp_path, "list") == ""
    assert "ann: administrator\nbob: operator\n" in capsys.readouterr().out
    assert "got 'eve'" in command(monkeypatch, tmp_path, "remove", "eve")
    assert command(monkeypatch, tmp_path, "remove", "bob") == ""
    assert set(accounts.all()) == {"ann"}
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert PASSWORD not in written
    assert (tmp_path / "audit.xml").read_text().count("User Security Attributes Changed") == 5


def test_a_wrong_data_folder_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "which does not exist" in command(monkeypatch, tmp_path / "wrong", "list")
    assert not (tmp_path / "wrong").exists()


def test_a_refused_change_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = f"expected the name of an account (none in {tmp_path / 'accounts.json'}), got 'ann'"
    assert command(monkeypatch, tmp_path, "remove", "ann") == refused
    assert command(monkeypatch, tmp_path, "change", "ann", "viewer") == refused
    assert "at least one administrator" in command(monkeypatch, tmp_path, "add", "bob", "viewer")
    assert not [*tmp_path.iterdir()]


def test_no_account_is_lost_when_several_are_added_at_once(tmp_path: Path) -> None:
    Accounts(node_settings(tmp_path)).add("ann", "administrator", PASSWORD)
    with ThreadPoolExecutor(4) as threads:
        each = [
            threads.submit(Accounts(node_settings(tmp_path)).add, f"user-{number}", "viewer", PASSWORD)
            for number in range(6)
        ]
    assert [future.exception() for future in each] == [None] * 6
    assert len(Accounts(node_settings(tmp_path)).all()) == 7


def test_an_unreadable_file_lets_nobody_in(tmp_path: Path) -> None:
    accounts = Accounts(node_settings(tmp_path))
    accounts.path.write_text("{")
    with pytest.raises(UsageError, match="expected accounts in"):
        accounts.verified("ann", PASSWORD)
