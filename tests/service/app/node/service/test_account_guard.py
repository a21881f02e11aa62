"""Metrics and STOW-RS ask for accounts if the settings say so; health never does."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from app.node.accounts.accounts import Accounts, hasher
from app.node.service.account_guard import AccountGuard, credentials
from tests.support.node.node_cases import node_settings

PASSWORD = "correct horse battery"


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{name}:{password}".encode()).decode()}


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    tmp_path.joinpath("data").mkdir()
    found = Accounts(node_settings(tmp_path / "data"))
    for name, role in (("ann", "administrator"), ("op", "operator"), ("view", "viewer")):
        found.add(name, role, PASSWORD)  # type: ignore[arg-type]
    return found


@pytest.fixture
def client(accounts: Accounts) -> TestClient:
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    def answered(request: Request) -> dict[str, Any]:
        return {"path": request.url.path}

    return TestClient(AccountGuard(app, accounts, lambda: 0.0))


def test_each_path_needs_its_role_and_health_needs_none(client: TestClient) -> None:
    for path, allowed in (("/metrics", "ann op view"), ("/studies", "ann op"), ("/studies/1.2", "ann op")):
        assert client.get(path).status_code == 401
        assert client.get(path).headers["www-authenticate"].startswith("Basic")
        statuses = {
            name: client.post(path, headers=basic(name)).status_code for name in ("ann", "op", "view")
        }
        assert {name for name, status in statuses.items() if status == 200} == set(allowed.split())
        assert set(statuses.values()) <= {200, 403}
    for path in ("/health", "/live"):
        assert client.get(path).status_code == 200


def test_wrong_passwords_are_refused_and_soon_slowed_down(client: TestClient) -> None:
    wrong = [client.get("/metrics", headers=basic("ann", f"wrong {n}")).status_code for n in range(12)]
    assert wrong == [401] * 10 + [429] * 2


def test_a_password_is_checked_once_for_many_requests_and_again_after_a_change(
    client: TestClient, accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = list[str]()
    verify = accounts.verified

    def counted(name: str, password: str) -> Any:
        checked.append(name)
        return verify(name, password)

    monkeypatch.setattr(accounts, "verified", counted)
    assert [client.get("/metrics", headers=basic("view")).status_code for _ in range(5)] == [200] * 5
    assert checked == ["view"]
    accounts.change("view", password="another long password")
    assert client.get("/metrics", headers=basic("view")).status_code == 401
    accounts.remove("view")
    assert client.get("/metrics", headers=basic("view", "another long password")).status_code == 401


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!", "Bearer YTpi", "Basic YWI=", "Basic /w=="])
def test_any_other_header_names_nobody(header: str) -> None:
    assert credentials(header) == ("", "")


def test_passwords_are_hashed_by_argon2id_with_64_mb() -> None:
    found = hasher()
    assert (found.memory_cost, found.hash(PASSWORD)[:10]) == (65536, "$argon2id$")
