"""Sends one file to a peer, and prints the outcome and the additional memory as JSON.

python -m tests.support.faults.sending_process PEER_AS_JSON FILE
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from app.node.peers import destination
from app.node.peers.destination import Outgoing
from app.node.send import dicomweb_destination as stow_destination
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.dicom.elements.instance_identity import read_outgoing

STATUS = Path("/proc/self/status")


def kilobytes(name: str) -> int:
    """Returns a line of /proc/self/status: VmRSS, memory now; VmHWM, peak memory."""
    found = re.search(rf"{name}:\s+(\d+)", STATUS.read_text())
    assert found
    return int(found[1])


def main(peer: Peer, path: Path) -> None:
    """Sends the file and prints JSON."""
    file = Outgoing(path, *read_outgoing(path))
    before = kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
    way = stow_destination if peer.stow else destination
    refused = way.store([file], peer, NodeSettings(network_s=20))
    grown_mb = (kilobytes("VmHWM") - before) / 1000
    print(json.dumps({"refused": [each.error.code for each in refused], "grown_mb": grown_mb}))


if __name__ == "__main__":
    main(Peer.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
