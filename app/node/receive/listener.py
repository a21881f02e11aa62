"""The C-STORE and C-ECHO service; a C-STORE succeeds only once the instance is on the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, cast

import structlog
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event

from app.node.commitment.commitment import PUSH_MODEL, CommitmentService
from app.node.queue.job import Json
from app.node.receive.admission import ANSWERS, Admission, Reason, Rejected, log_rejected
from app.node.receive.association_request import AssociationRequest
from app.node.receive.reception import Reception, Store
from app.node.receive.transport import NodeServer, NodeSocket
from app.node.settings.configuration import NodeSettings
from app.node.settings.tls import server_context
from operators.dicom.elements.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

log = structlog.get_logger()

VERIFICATION = "1.2.840.10008.1.1"
POLL_S = 0.1
# Connections that have not yet requested an association; the oldest is closed to make room for a new one.
WAITING = 64
# An association whose peer has been silent for less is never aborted to make room.
SPARED_S = 5.0


class Listener:
    """A DICOM server for the node's settings."""

    def __init__(
        self,
        settings: NodeSettings,
        store: Store,
        owe: Callable[[Json], None],
        rejected: Callable[[Rejected], None] = log_rejected,
    ) -> None:
        configure_pynetdicom()
        self.settings, self.store, self.rejected = settings, store, rejected
        self.commitment = CommitmentService(settings, store.inbox, owe)
        entity = application_entity(settings)
        made = entity.make_server(
            (settings.host, settings.port),
            ssl_context=server_context(settings.tls) if settings.tls else None,
            evt_handlers=[
                (evt.EVT_REQUESTED, self._admit),
                (evt.EVT_CONN_CLOSE, forget_unfinished),
                (evt.EVT_C_ECHO, lambda _: 0x0000),
                *self.commitment.handlers,
            ],
            server_class=NodeServer,
            make_dimse=lambda association: Reception(association, store),
            admission=Admission(settings, rejected),
            waiting=WAITING,
            pdu_s=settings.network_s,
        )
        self.server = cast(NodeServer, made)

    @property
    def port(self) -> int:
        """Returns the port in use, also if the settings leave its choice to the system (0)."""
        return int(self.server.server_address[1])

    def serve(self) -> None:
        """Serves until `stop`."""
        self.server.serve_forever(POLL_S)

    def stop(self, grace_s: float) -> None:
        """Accepts no more connections, waits for associations to end, then aborts the remaining ones."""
        self.server.shutdown()
        deadline = time.monotonic() + grace_s
        while self.server.active_associations and time.monotonic() < deadline:
            time.sleep(POLL_S)
        for association in self.server.active_associations:
            association.abort()

    def _admit(self, event: Event) -> None:
        """Rejects an association if there are too many; unknown peers have been rejected before."""
        if not self._has_room():
            association = event.assoc
            asked = association.requestor.primitive
            assert asked is not None, "EVT_REQUESTED follows the request"
            request = AssociationRequest(
                asked.called_ae_title, asked.calling_ae_title, str(association.requestor.address)
            )
            self.rejected(Rejected(request, Reason.TOO_MANY))
            association.acse.send_reject(*ANSWERS[Reason.TOO_MANY])
            association.kill()

    def _has_room(self) -> bool:
        """Returns whether another association can be served; may abort the one that was silent longest."""
        served = established(self.server)
        if len(served) < self.settings.maximum_associations:
            return True
        longest = max(served, key=idle_s)
        if idle_s(longest) < SPARED_S:
            return False
        log.warning("association_aborted", reason="idle, and its place was needed")
        longest.abort(block=False)
        return True


def configure_pynetdicom() -> None:
    """Sets pynetdicom's global options: accept every storage class, and log nothing."""
    _config.UNRESTRICTED_STORAGE_SERVICE = True
    _config.LOG_HANDLER_LEVEL = "none"
    logger = logging.getLogger("pynetdicom")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def application_entity(settings: NodeSettings) -> AE:
    """Returns the application entity with its AE title, limits and time-outs."""
    entity = AE(settings.ae_title)
    entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    entity.implementation_version_name = IMPLEMENTATION_VERSION
    entity.require_called_aet = True
    entity.maximum_associations = 1_000_000
    entity.maximum_pdu_size = settings.maximum_pdu_bytes
    entity.network_timeout = settings.network_s
    entity.acse_timeout = min(settings.network_s, 30)
    entity.dimse_timeout = settings.network_s
    entity.add_supported_context(VERIFICATION)
    entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
    return entity


def established(server: NodeServer) -> list[Association]:
    """Returns the associations that were accepted and have not ended."""
    return [each for each in server.active_associations if each.is_established]


def idle_s(association: Association) -> float:
    """Returns the seconds for which a peer has been silent; 0 for an association that is closing."""
    connection = association.dul.socket
    return 0.0 if connection is None else cast(NodeSocket, connection).idle_s


def forget_unfinished(event: Event) -> None:
    """Removes the unfinished instance of an association that has ended."""
    dimse: Any = event.assoc.dimse
    dimse.end()
