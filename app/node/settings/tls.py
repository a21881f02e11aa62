"""DICOM TLS as PS3.15 B.12 wants it: TLS 1.2 at least, and both sides show a certificate."""

from __future__ import annotations

import ssl

from app.node.settings.configuration import NodeSettings, Peer, TlsFiles
from operators.errors import UsageError

# RFC 9325 4.2, which B.12 names: forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For the listener. Raises UsageError where the files are not what they should be."""
    return _context(files, ssl.PROTOCOL_TLS_SERVER)


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """For sending. Peers are known by the authority that signed them, not by host names."""
    return _context(files, ssl.PROTOCOL_TLS_CLIENT)


def tls_files(peer: Peer, settings: NodeSettings) -> TlsFiles:
    """This node's certificates, for a peer with `tls`. Raises UsageError where there are none."""
    if settings.tls is None:
        raise UsageError(
            f"expected the setting `tls` with certificate files, as {peer.name} has tls: true; got none"
        )
    return settings.tls


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
