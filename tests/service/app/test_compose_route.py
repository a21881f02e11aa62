"""The routing script of deploy/compose in Debian's Orthanc: what it sends to the node by itself."""

from __future__ import annotations

from pathlib import Path

from app.settings import ROOT
from tests.service.app.node.peers.test_destination import storescp
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import Orthanc, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


def test_a_series_of_ct_that_has_come_whole_is_sent_and_nothing_else(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    phantoms.write_ct(tmp_path / "mr", HU, AFFINE, study=2, edit=setting(Modality="MR"))
    pacs = Orthanc(tmp_path / "pacs")
    with storescp(tmp_path / "node") as node:
        pacs.start(node.port, LuaScripts=[str(ROOT / "deploy/compose/route.lua")], StableAge=1)
        try:
            pacs.upload(tmp_path / "ct")
            pacs.upload(tmp_path / "mr")
            until(lambda: all(series["IsStable"] for series in pacs.get("series?expand")))
            until(lambda: [job["State"] for job in pacs.get("jobs?expand")] == ["Success"])
        finally:
            pacs.stop()
    assert len(list((tmp_path / "node").iterdir())) == HU.shape[2]
