"""DICOM TLS according to PS3.15 B.12: at least TLS 1.2, and both sides present a certificate."""

from __future__ import annotations

import ssl
from pathlib import Path

from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer, TlsFiles
from operators.errors import UsageError

# RFC 9325 4.2, which B.12 cites: forward secrecy and authenticated encryption, as always in TLS 1.3.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Returns the TLS context of the listener. Raises UsageError if the files cannot be used."""
    return _context(files, ssl.PROTOCOL_TLS_SERVER)


def client_context(peer: Peer, settings: NodeSettings) -> ssl.SSLContext:
    """Returns the TLS context for sending to a peer, which is verified by its authority, not by host name.

    Raises UsageError if there are no certificates, or if they cannot be used.
    """
    if settings.tls is None:
        raise UsageError(
            f"expected the setting `tls` with certificate files, as {peer.name} has tls: true; got none"
        )
    return _context(settings.tls, ssl.PROTOCOL_TLS_CLIENT)


def trusting(authority: Path | None) -> ssl.SSLContext:
    """Returns a context that verifies host names, by an authority's certificates or the system's own.

    Raises UsageError if the file cannot be used.
    """
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:
        text = f"expected readable certificates in PEM in authority, got: {error.strerror or 'others'}"
        raise UsageError(text) from error


def _context(files: TlsFiles, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.certificate, files.key)
        context.load_verify_locations(files.authority)
    except OSError as error:
        raise UsageError(f"expected readable certificate files in PEM, got: {error.strerror}") from error
    return context
