"""DICOM TLS: both sides authenticate, or no data are exchanged."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer, TlsFiles
from app.node.settings.tls import client_context, server_context
from operators.errors import UsageError
from tests.support.dicom import phantoms
from tests.support.node.node_cases import dcmtk, listening, node_settings, storescu

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 16, 3), AFFINE)


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """Makes NAME.key and NAME.crt, which may sign others."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        2,
        "-subj",
        f"/CN={name}",
        "-keyout",
        key,
        "-out",
        certificate,
    )
    return certificate


def signed(folder: Path, name: str, by: str) -> TlsFiles:
    """A certificate NAME.crt signed by the authority `by`."""
    key, request, certificate = (folder / f"{name}.{suffix}" for suffix in ("key", "csr", "crt"))
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
    openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        folder / f"{by}.crt",
        "-CAkey",
        folder / f"{by}.key",
        "-CAcreateserial",
        "-days",
        2,
        "-out",
        certificate,
    )
    return TlsFiles(certificate=certificate, key=key, authority=folder / f"{by}.crt")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TlsFiles]:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("hospital", "stranger"):
        authority(folder, name)
    return {
        "node": signed(folder, "node", "hospital"),
        "ct": signed(folder, "ct", "hospital"),
        "thief": signed(folder, "thief", "stranger"),
    }


def options(files: TlsFiles, authority: TlsFiles) -> tuple[object, ...]:
    return ("+tls", files.key, files.certificate, "+cf", authority.authority)


def test_a_peer_with_a_certificate_of_the_authority_is_served(
    tmp_path: Path, certificates: dict[str, TlsFiles]
) -> None:
    paths = phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    with listening(node_settings(tmp_path / "data", tls=certificates["node"])) as node:
        code, text = storescu(node.port, *options(certificates["ct"], certificates["ct"]), *paths)
        assert code == 0, text
        assert len(node.stored()) == len(paths)


def test_peers_without_or_with_a_foreign_certificate_are_not(
    tmp_path: Path, certificates: dict[str, TlsFiles]
) -> None:
    with listening(node_settings(tmp_path / "data", tls=certificates["node"])) as node:
        assert dcmtk("echoscu", "-to", "3", "127.0.0.1", node.port)[0] != 0
        thief = options(certificates["thief"], certificates["ct"])
        assert dcmtk("echoscu", *thief, "127.0.0.1", node.port)[0] != 0
        ours = options(certificates["ct"], certificates["ct"])
        assert dcmtk("echoscu", *ours, "127.0.0.1", node.port)[0] == 0


def test_a_silent_tls_client_holds_up_no_other(tmp_path: Path, certificates: dict[str, TlsFiles]) -> None:
    settings = node_settings(tmp_path / "data", tls=certificates["node"])
    with listening(settings) as node, socket.create_connection(("127.0.0.1", node.port)):
        ours = options(certificates["ct"], certificates["ct"])
        assert dcmtk("echoscu", *ours, "127.0.0.1", node.port)[0] == 0


@pytest.mark.parametrize(
    ("version", "ciphers", "served"),
    [
        ("-tls1_2", "ECDHE-RSA-AES128-GCM-SHA256", True),
        ("-tls1_1", "ALL:@SECLEVEL=0", False),
        ("-tls1_2", "AES256-GCM-SHA384", False),
        ("-tls1_2", "ECDHE-RSA-AES256-SHA384", False),
        ("-tls1_2", "DHE-RSA-AES256-GCM-SHA384", False),
    ],
)
def test_old_versions_and_weak_ciphers_are_refused(
    tmp_path: Path, certificates: dict[str, TlsFiles], version: str, ciphers: str, served: bool
) -> None:
    ct = certificates["ct"]
    with listening(node_settings(tmp_path / "data", tls=certificates["node"])) as node:
        peer = ["-connect", f"127.0.0.1:{node.port}", "-cert", str(ct.certificate), "-key", str(ct.key)]
        done = subprocess.run(
            ["openssl", "s_client", *peer, version, "-cipher", ciphers],
            input=b"",
            capture_output=True,
            check=False,
            timeout=600,
        )
        assert (b"Cipher is (NONE)" not in done.stdout) == served, done.stdout


def test_a_tls_handshake_that_drips_is_cut_off(tmp_path: Path, certificates: dict[str, TlsFiles]) -> None:
    settings = node_settings(tmp_path / "data", tls=certificates["node"], network_s=1.0)
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    with listening(settings) as node, socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.settimeout(0.1)
        for sent in range(200):
            try:
                connection.sendall(hello[sent : sent + 1])
                if connection.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("expected the node to hang up within 20 s")


def test_tls_is_1_2_at_least(certificates: dict[str, TlsFiles]) -> None:
    sender = NodeSettings(tls=certificates["ct"])
    peer = Peer(name="pacs", ae_title="ARCHIVE", host="h", receives=True, tls=True)
    for context in (server_context(certificates["node"]), client_context(peer, sender)):
        assert context.minimum_version.name == "TLSv1_2"
        names = [cipher["name"] for cipher in context.get_ciphers()]
        assert all("GCM" in name or "CHACHA20" in name for name in names)


def test_files_that_are_no_certificates_are_named_at_the_start(tmp_path: Path) -> None:
    nothing = TlsFiles(certificate=tmp_path / "a", key=tmp_path / "b", authority=tmp_path / "c")
    with pytest.raises(UsageError, match="certificate"):
        server_context(nothing)
