"""`osteon check` tells what is wrong with the page's settings before the page does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.node.accounts.accounts import Accounts
from app.node.service import page_check
from app.node.service.page_check import page_findings
from app.node.settings.configuration import NodeSettings
from tests.service.app.web.test_openid import openid_of
from tests.service.app.web.test_served_page import certificate
from tests.support.node.openid_provider import openid_provider
from tests.support.node.page_site import PASSWORD


def found(data: Path, **web: Any) -> dict[str, tuple[int, str]]:
    """The exit code and the sentence of each check."""
    node = NodeSettings.model_validate({"data": data, "web": web})
    rows = [(sentence.partition(": "), code) for code, sentence in page_findings(node)]
    return {name.removeprefix("web "): (code, said) for (name, _, said), code in rows}


def test_a_page_for_this_machine_alone_needs_nothing(tmp_path: Path) -> None:
    assert found(tmp_path) == {
        "libraries": (0, "installed"),
        "accounts": (0, "none: everybody on this machine is an administrator"),
    }
    assert list(page_findings(NodeSettings(data=tmp_path))) == []


def test_accounts_are_counted_and_missed_where_others_reach_the_page(tmp_path: Path) -> None:
    others = {"host": "0.0.0.0", "proxies": ["127.0.0.1"]}
    code, sentence = found(tmp_path, **others)["accounts"]
    assert (code, "expected accounts or openid for a page on 0.0.0.0" in sentence) == (2, True)
    Accounts(NodeSettings(data=tmp_path)).add("ann", "administrator", PASSWORD)
    assert found(tmp_path, **others)["accounts"] == (0, "1 local")
    (tmp_path / "accounts.json").write_text("{")
    assert found(tmp_path)["accounts"][0] == 2


def test_a_certificate_is_readable_fits_its_key_and_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, key), (other, _) = certificate(tmp_path, "one"), certificate(tmp_path, "other")
    code, sentence = found(tmp_path, certificate=one, key=key)["certificate"]
    assert (code, sentence.startswith("valid until 20")) == (0, True)
    for wrong in (other, tmp_path / "none", key):
        code, sentence = found(tmp_path, certificate=wrong, key=key)["certificate"]
        assert (code, sentence.startswith("expected ")) == (2, True)
    ended = page_check.certificate_end(one).replace(year=2020)
    monkeypatch.setattr(page_check, "certificate_end", lambda _: ended)
    assert "it ended on 2020" in found(tmp_path, certificate=one, key=key)["certificate"][1]


def test_the_identity_provider_is_asked_for_its_documents(tmp_path: Path) -> None:
    with openid_provider() as provider:
        given = openid_of(provider)
        code, sentence = found(tmp_path, openid=given)["openid"]
        assert (code, f"{provider.issuer} answers" in sentence) == (0, True)
        assert "http://127.0.0.1/openid/answer" in sentence
        provider.keys = []
        assert "keys for signatures" in found(tmp_path, openid=given)["openid"][1]
        provider.discovery = {"issuer": "https://other.example"}
        assert "another issuer" in found(tmp_path, openid=given)["openid"][1]
        missing = given | {"client_secret": "", "client_secret_file": str(tmp_path / "none")}
        assert "client_secret_file" in found(tmp_path, openid=missing)["openid"][1]
    code, sentence = found(tmp_path, openid=given)["openid"]
    assert (code, "is it running there?" in sentence) == (6, True)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_check, "find_spec", lambda name: None if name == "argon2" else True)
    code, sentence = found(tmp_path)["libraries"]
    assert (code, "['argon2'] are missing" in sentence) == (2, True)
