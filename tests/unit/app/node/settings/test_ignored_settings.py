"""No setting is ignored silently: an impossible one is refused, one without effect is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.map.configuration import faults
from app.node.peers.destination import tls_of
from app.node.send.dicomweb_destination import trusted_context
from app.node.settings.configuration import NodeSettings
from app.node.settings.ignored import ignored_settings
from app.node.settings.peer import Peer, TlsFiles
from operators.errors import UsageError

TLS = {"certificate": "a", "key": "b", "authority": "c"}
PACS: dict[str, Any] = {"name": "pacs", "ae_title": "PACS", "host": "h", "receives": True}
WEB: dict[str, Any] = {"name": "web", "ae_title": "WEB", "stow": "https://h/x", "receives": True}


def node(*peers: dict[str, Any], **given: Any) -> NodeSettings:
    return NodeSettings.model_validate({"peers": peers} | given)


@pytest.mark.parametrize("peer", [PACS, WEB, {"name": "ct", "ae_title": "CT"}])
def test_tls_without_certificates_is_no_valid_setting(peer: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"expected the setting tls .* as .* has tls: true; got none"):
        node(peer | {"tls": True})
    assert node(peer | {"tls": True}, tls=TLS).peers[0].tls


def test_tls_over_an_address_without_it_is_no_valid_setting() -> None:
    with pytest.raises(ValidationError, match="expected an address with https"):
        node(WEB | {"stow": "http://h/x", "tls": True}, tls=TLS)


def test_a_peer_with_tls_never_goes_without() -> None:
    """Whatever was checked before."""
    for peer, make in ((PACS, tls_of), (WEB, trusted_context)):
        with pytest.raises(UsageError, match="has tls: true"):
            make(Peer.model_validate(peer | {"tls": True}), NodeSettings())


@pytest.mark.parametrize(
    ("peer", "names"),
    [
        (PACS | {"addresses": ["10.0.0.1"], "sends": False}, "addresses"),
        (WEB | {"port": 11112}, "port"),
        (PACS | {"receives": False, "results": ["seg"]}, "results"),
        (PACS | {"receives": False, "instead": ["sc"]}, "instead"),
        (PACS | {"instead": ["sc"], "results": ["sr"]}, "instead"),
        (PACS | {"receives": False, "commitment": True}, "commitment"),
        (WEB | {"receives": False}, "stow"),
        ({"name": "ct", "ae_title": "CT", "tls": True}, "tls"),
        ({"name": "ct", "ae_title": "CT", "port": 105}, "port"),
        (PACS | {"receives": False, "sends": False}, "sends"),
    ],
)
def test_what_has_no_effect_is_said(peer: dict[str, Any], names: str) -> None:
    (sentence,) = ignored_settings(node(peer, tls=TLS))
    assert sentence.startswith(f"{names} of peer {peer['name']} ")


def test_what_has_no_effect_in_the_node_is_said() -> None:
    said = ignored_settings(node(PACS, watch_settled_s=9, roles=["receive"], workers=2, stow=True))
    assert [sentence.split()[0] for sentence in said] == ["watch_settled_s", "workers"]


@pytest.mark.parametrize(
    "peer",
    [
        PACS,
        WEB,
        PACS | {"tls": True},
        WEB | {"tls": True},
        {"name": "ct", "ae_title": "CT"},
        PACS | {"commitment": True, "addresses": ["10.0.0.1"]},
        WEB | {"host": "h", "commitment": True, "port": 105},
        {"name": "ct", "ae_title": "CT", "host": "h", "port": 105, "tls": True},
    ],
)
def test_what_has_an_effect_is_not(peer: dict[str, Any]) -> None:
    assert ignored_settings(node(peer, tls=TLS)) == []
    saved = node(peer, tls=TLS).model_dump(mode="json")
    assert ignored_settings(NodeSettings.model_validate(saved)) == []


def test_the_check_of_a_file_says_both(tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text("osteon: {node: {peers: [{name: a, ae_title: A, host: h, receives: true, tls: true}]}}")
    assert "tls: true; got none" in faults(path)[0]
    path.write_text("osteon: {node: {peers: [{name: a, ae_title: A, sends: false, addresses: [10.0.0.1]}]}}")
    assert faults(path)[0].startswith("addresses of peer a ")


def test_certificates_are_known_by_their_names() -> None:
    assert set(TLS) == set(TlsFiles.model_fields)
