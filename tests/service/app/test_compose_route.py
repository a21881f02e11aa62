"""Routing script and button of deploy/compose in Debian's Orthanc: what is sent to the node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from app.settings import ROOT
from tests.service.app.node.peers.test_destination import storescp
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import Orthanc, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


def test_a_series_of_ct_that_has_come_whole_is_sent_and_others_by_the_button(tmp_path: Path) -> None:
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
            assert len(list((tmp_path / "node").iterdir())) == HU.shape[2]
            press(pacs, "study", next(each["ID"] for each in pacs.get("studies?expand") if is_mr(pacs, each)))
            until(lambda: [job["State"] for job in pacs.get("jobs?expand")] == ["Success"] * 2)
        finally:
            pacs.stop()
    assert len(list((tmp_path / "node").iterdir())) == 2 * HU.shape[2]


def is_mr(pacs: Orthanc, study: dict[str, Any]) -> bool:
    return bool(pacs.get(f"series/{study['Series'][0]}")["MainDicomTags"]["Modality"] == "MR")


def press(pacs: Orthanc, level: str, resource: str) -> None:
    """What Orthanc Explorer 2 does when the button is pressed, whose addresses are relative to /ui/app/."""
    content = json.loads((ROOT / "deploy/compose/explorer.json").read_text(encoding="utf-8"))
    (button,) = content["OrthancExplorer2"]["UiOptions"]["CustomButtons"][level]
    assert (button["HttpMethod"], button["Tooltip"]) == ("POST", "Run Osteon")
    path = urljoin("http://pacs/ui/app/", button["Url"]).removeprefix("http://pacs/")
    assert pacs.post(path, json.dumps(button["Payload"]).replace("{UUID}", resource).encode())
