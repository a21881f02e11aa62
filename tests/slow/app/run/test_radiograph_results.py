"""The results of a run for radiographs: report.json, HTML report, mask; none holds the patient's name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.node.peers.destination import Outgoing
from app.node.send.sender import fallbacks
from app.node.settings.peer import Peer
from app.run.html.writer import page_of
from app.run.record import SeriesRecord
from app.run.report import report
from app.run.results import RESULTS, Written, names_in_report
from operators.process.monai_import import import_monai_alone
from operators.results.attempts import Attempts
from operators.results.image_kinds import IMAGE_KINDS, kind_of
from operators.results.png_files import write_mask_png, write_png
from operators.results.result_paths import ResultPaths
from operators.segmentation.radiograph_answer import Verdict
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import blobs, bone, grid, segmentation
from tests.support.radiographs.radiograph_result_cases import (
    MADE_AT,
    ODD,
    made,
    projection,
    provenance,
    series,
)

KINDS = ("seg", "sr", "summary", "pdf", "text", "sc", "kos", "turntable", "labelmap", "rtstruct")


def record(found: Segmentation | None, uid: str = "1.2.1") -> SeriesRecord:
    names = {"sr": ("measurements.dcm",), "sc": ("pictures/1.dcm", "pictures/2.dcm")}
    if found and found.segments:
        names["seg"] = ("segmentation.dcm",)
    return SeriesRecord(
        uid, "1.2.2", "", "CR", 1, "selected", "segmented", segmentation=found, names=names if found else {}
    )


def content(*records: SeriesRecord) -> dict[str, Any]:
    made_of = report(records, made_at=MADE_AT, software_versions={}, exit_code=0)
    read: dict[str, Any] = json.loads(json.dumps(made_of, allow_nan=False))
    return read


def test_an_answer_stands_in_its_row_and_the_study_is_summed_up() -> None:
    found = content(record(made(2)), record(made(0)), record(made(0, verdict=Verdict.UNCERTAIN), "1.2.9"))
    first, second, _ = found["series"]
    answer = first["answer"]
    assert (answer["verdict"], answer["probability"], answer["operating_point"]) == (
        "fracture",
        0.87,
        "balanced",
    )
    assert answer["uncertain"] == [0.26, 0.36]
    assert answer["body_part"] == {"name": "hand", "probability": 0.98}
    assert answer["laterality"] == "left"
    finding = answer["findings"][0]
    assert set(finding) == {"value", "probability", "box", "area_pixels", "area_mm2"}
    assert (second["result"], second["answer"]["findings"]) == ("measurements.dcm", [])
    assert names_in_report(second)
    studies = found["studies"]
    assert [(each["verdict"], each["views"]) for each in studies] == [("fracture", 2), ("uncertain", 1)]
    assert (
        studies[0]["sentence"]
        == "Fracture in 1 of 2 radiographs (highest probability 87%; balanced threshold 31%)."
    )


def test_a_ct_has_neither_answer_nor_studies() -> None:
    ct = segmentation(blobs(), grid(), bone(11), bone(12))
    found = content(record(ct), record(None))
    assert "studies" not in found
    assert not any("answer" in row for row in found["series"])


def test_sizes_are_left_out_where_nothing_says_them() -> None:
    row = content(record(made(1, projection(spacing=None))))["series"][0]
    assert row["answer"]["findings"][0]["area_mm2"] is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_page_begins_with_the_verdict_and_draws_no_surfaces(tmp_path: Path, count: int) -> None:
    image = projection(spacing=None)
    found = IMAGE_KINDS["projection"].measure_and_flag(image, made(count, image))
    preview = write_png(kind_of(found).draw_preview(image, found), tmp_path / "preview.png")
    page = page_of(record(found), found, [preview], MADE_AT, "0.1.0")
    verdict = "Fracture (87%;" if count else "No fracture found (4%;"
    assert page.index(verdict) < page.index("Findings") < page.index("What may be wrong")
    assert page.count('<tr><th scope="row">') == count
    assert page.count("is outlined.") + page.count("are outlined.") >= 1
    assert "sizes are in pixels" in page
    assert "<canvas" not in page
    assert "<script" not in page
    assert 'alt="Outlined findings"' in page


def test_text_of_a_package_is_escaped() -> None:
    found = made(1)
    found = replace(found, package=replace(found.package, title="<b>bones</b>"))
    assert "<b>bones</b>" not in page_of(record(found), found, [], MADE_AT, "0.1.0")


@pytest.mark.parametrize(("highest", "dtype"), [(3, np.uint8), (300, np.uint16)])
def test_a_mask_holds_the_label_values_at_the_images_size(tmp_path: Path, highest: int, dtype: type) -> None:
    found = made(3)
    labels = found.label_map.labels.astype(np.uint16)
    labels[labels == 3] = highest
    found = replace(found, label_map=replace(found.label_map, labels=labels))
    mask = np.asarray(Image.open(write_mask_png(found, tmp_path / "mask.png")))
    assert mask.shape == ODD
    np.testing.assert_array_equal(mask, labels[:, :, 0].T)
    assert mask.dtype.itemsize >= np.dtype(dtype).itemsize
    assert RESULTS["mask"].name == "mask.png"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_operators_write_each_result_and_name_what_a_radiograph_cannot_have(
    tmp_path: Path, count: int
) -> None:
    files = {kind: tmp_path / RESULTS[kind].name for kind in KINDS}
    attempts, image = Attempts(), projection()
    paths = ResultPaths(files, MADE_AT, "0.1.0", attempts=attempts)
    source = series()
    found = IMAGE_KINDS["projection"].measure_and_flag(image, made(count, image))
    shared = provenance(found, source)
    kind_of(found).write_seg(found, shared, files["seg"], "binary")
    host: Any = SimpleNamespace(work=SimpleNamespace(paths=paths), segmentation=None)
    selection: Any = SimpleNamespace(series=source)
    resampled: Any = SimpleNamespace(source=image)
    import_monai_alone()
    from operators.result_writers import (
        FallbackWriterOperator,
        PictureWriterOperator,
        ReportWriterOperator,
    )

    FallbackWriterOperator.run(host, selection, found)
    ReportWriterOperator.run(host, selection, found, files["seg"])
    PictureWriterOperator.run(host, selection, found, resampled)
    assert host.segmentation is found
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    pages = {"summary.dcm", "summary-pdf.dcm", "text-report.dcm"}
    always = {"measurements.dcm", "pictures/1.dcm", "pictures/2.dcm", *pages}
    assert there == always | ({"segmentation.dcm", "labelmap.dcm"} if count else set())
    assert [(each.kind, each.code) for each in attempts.missing] == [("rtstruct", "no_frame_of_reference")]
    assert not any("doe" in name.lower() or "p1" in name.lower() for name in there)
    seg = None
    for kind in ("seg", "labelmap", "sr", "summary", "pdf", "text", "sc"):
        row = RESULTS[kind]
        assert row.check is not None
        for path in sorted(files[kind].glob("*")) if not row.suffix else [files[kind]]:
            if path.is_file():
                name = row.check(Written(path, found, source, seg))
                seg = name if kind == "seg" else seg


def test_a_peer_gets_the_next_form_where_a_seg_has_no_rt_structure_set(tmp_path: Path) -> None:
    found = made(1)
    path = tmp_path / "segmentation.dcm"
    kind_of(found).write_seg(found, provenance(found), path, "binary")
    peer = Peer.model_validate(
        {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104, "receives": True}
    )
    segs = [Outgoing(path, "1.2", "1.3", "1.4", "seg")]
    assert fallbacks(peer, [], "rtstruct", segs) == []
    assert [each.kind for each in fallbacks(peer, [], "labelmap", segs)] == ["labelmap"]
