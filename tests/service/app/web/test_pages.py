"""Every page, state and action of the node's page, asked without a network."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

from app.node.queue.jobs.job_search import GROUPS
from app.node.queue.jobs.job_state import JobState
from app.node.send.message_events import put_urgent
from app.node.settings.configuration import RoutingRule
from app.node.settings.messages import MessageSettings
from app.node.settings.peer import Peer
from app.node.settings.web import ViewerLink, WebSettings
from app.web.site import Sample, Site
from operators.dicom.capture.secondary_captures import write_pictures
from operators.errors import TransientError
from operators.render.fracture_pictures import FracturePicture
from tests.service.app.node.send.test_notices import Hook
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.service.app.run.test_page import case
from tests.support.dicom.seg_cases import grid, provenance, series
from tests.support.node.page_site import Browser, made_site, node_with_peers, receive, with_users, work_off
from tests.support.node.queue_cases import SEGMENTED

FRACTURE = SEGMENTED | {"finding": {"code": "fracture", "probability": 0.93}, "seconds": {"read": 1.5}}
REFUSED = {"state": "refused", "code": "no_anatomy", "sentence": "expected bones, got <b>none</b>"}
PAGES = (
    "/",
    "/queue",
    "/queue/now",
    "/peers",
    "/messages",
    "/rules",
    "/models",
    "/models/pelvis",
    "/settings",
    "/users",
)
PATIENT = {"AccessionNumber": "ACC-4711", "PatientID": "PAT-0815"}


@pytest.fixture
def here(tmp_path: Path) -> Node:
    return node_with_peers(tmp_path)


@pytest.fixture
def site(here: Node) -> Site:
    return made_site(here)


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


@pytest.mark.parametrize("address", PAGES)
def test_a_page_of_an_empty_node_opens_and_holds_no_script_of_its_own(browser: Browser, address: str) -> None:
    answer = browser.get(address)
    assert answer.status_code == 200
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_what_does_not_exist_is_said_in_a_sentence(browser: Browser) -> None:
    for address in (
        "/nothing",
        "/jobs/0123456789abcdef",
        "/models/%2e%2e",
        "/models/pelvis/package.toml",
        "/docs",
    ):
        answer = browser.get(address)
        assert answer.status_code == 404, address
        assert "There is no such" in answer.text


def test_a_study_is_listed_with_its_state_reason_sender_and_accession(here: Node, browser: Browser) -> None:
    name = receive(here, 1, **PATIENT)
    text = browser.get("/").text
    assert all(part in text for part in (name[:6], "queued", "ACC-4711", "1 to 1 of 1 study"))
    work_off(here, REFUSED)
    browser_site(browser).index.look()
    text = browser.get("/").text
    assert "expected bones, got &lt;b&gt;none&lt;/b&gt;" in text
    assert "no_anatomy" in text


def test_a_study_is_shown_while_it_is_received(tmp_path: Path) -> None:
    here = Node(tmp_path, quiet_s=30)
    here.receive(range(3))
    browser = Browser(made_site(here))
    text = browser.get("/").text
    assert "1 being received" in text
    assert f"{STUDY}: 3 instances, the last" in text
    here.dispatcher.tick(0)
    here.dispatcher.tick(30)
    browser_site(browser).index.look()
    assert "being received" not in browser.get("/").text


def browser_site(browser: Browser) -> Site:
    """The site that a browser looks at."""
    app: Any = browser.client.app
    site: Site = app.app.state.site
    return site


def test_a_list_is_searched_by_patient_without_the_patient_in_an_address(
    here: Node, browser: Browser
) -> None:
    receive(here, 1, **PATIENT)
    receive(here, 2, AccessionNumber="ACC-9", PatientID="PAT-9")
    browser.get("/")
    for text, number in (("pat-0815", 1), ("ACC-", 2), ("nobody", 0), ("1.2.826", 2)):
        browser.client.headers["HX-Request"] = "true"
        answer = browser.post("/", text=text, group="all")
        assert answer.text.count("<tr>") == number + bool(number), text
        assert "<html" not in answer.text
        assert "PAT" not in str(answer.url)
    del browser.client.headers["HX-Request"]
    assert "<html" in browser.post("/", text="ACC-9").text


def test_pages_of_the_list_follow_each_other_and_a_new_search_begins_with_the_first(
    here: Node, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tuple(
        JobState(f"1.2.{number}-{number:016x}", "delivered", created_ms=number, revision=1, calling_ae="CT1")
        for number in range(120)
    )
    monkeypatch.setattr(browser_site(browser).index, "fresh", lambda: jobs)
    assert "1 to 50 of 120" in browser.get("/").text
    kept = {"page": "1", "was_group": "all", "was_text": ""}
    assert "101 to 120 of 120" in browser.post("/", group="all", text="", go="3", **kept).text
    kept["page"] = "3"
    assert "101 to 120 of 120" in browser.post("/", group="all", text="", **kept).text
    assert "1 to 50 of 120" in browser.post("/", group="all", text="CT1", **kept).text
    assert "101 to 120 of 120" in browser.post("/", group="all", text="", go="999999", **kept).text
    assert "1 to 50 of 120" in browser.post("/", group="?", text="", go="-1").text
    assert here


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_of_the_list_opens(browser: Browser, group: str) -> None:
    assert browser.get("/", group=group).status_code == 200
    assert browser.get(f"/?group={group}&number=2").status_code == 200


def test_a_study_shows_results_log_audit_and_the_other_studies_of_its_patient(
    here: Node, browser: Browser
) -> None:
    name, other = receive(here, 1, **PATIENT), receive(here, 2, **PATIENT)
    work_off(here, FRACTURE, 2)
    browser.get("/")
    text = browser.get(f"/jobs/{name}").text
    expected = ("ACC-4711", "PAT-0815", "fracture found (probability 93%)", "seg.dcm", "decide", "segment")
    assert [part for part in expected if part not in text] == []
    assert f"/jobs/{other}" in text
    assert "Studies of the same patient" in text


def test_a_study_shows_the_pictures_of_its_results_to_users_only(
    here: Node, site: Site, browser: Browser, tmp_path: Path
) -> None:
    name = receive(here, 1)
    work_off(here, FRACTURE)
    assert browser.get(f"/jobs/{name}/pictures/0").status_code == 404
    output = next((here.settings.data / "jobs").glob("*")) / "out"
    output.mkdir()
    shown = (FracturePicture(np.full((60, 80, 3), 90, np.uint8), 2, "slice 2"),)
    (made,) = write_pictures(shown, provenance(case(), series(grid())), tmp_path / "pictures")
    made.rename(output / "sc.dcm")
    assert f'<img src="/jobs/{name}/pictures/0"' in browser.get(f"/jobs/{name}").text
    answer = browser.get(f"/jobs/{name}/pictures/0")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(answer.content)).size == (80, 60)
    for number in ("1", "-1", "x", "..%2f..%2fin"):
        assert browser.get(f"/jobs/{name}/pictures/{number}").status_code == 404
    with_users(site)
    assert Browser(site).get(f"/jobs/{name}/pictures/0").headers["location"] == "/login"


def actions(text: str) -> list[str]:
    """The actions that a page offers."""
    return [part.partition('"')[0] for part in text.split('id="do-')[1:]]


def test_a_queued_study_is_held_released_put_first_cancelled_tried_again_and_deleted(
    here: Node, browser: Browser
) -> None:
    name = receive(here, 1, **PATIENT)
    assert actions(browser.get(f"/jobs/{name}").text) == ["raise", "hold", "cancel", "delete-patient"]
    assert "waits until it is released" in (text := browser.post(f"/jobs/{name}/hold").text)
    assert actions(text)[:2] == ["release", "cancel"]
    assert "is in the queue again" in browser.post(f"/jobs/{name}/release").text
    assert "goes before all others" in browser.post(f"/jobs/{name}/raise").text
    assert "<h1>Cancel the job?</h1>" in browser.post(f"/jobs/{name}/cancel").text
    assert here.states() == ["queued"]
    assert "was cancelled" in browser.post(f"/jobs/{name}/cancel", sure="yes").text
    assert "was started again" in browser.post(f"/jobs/{name}/retry").text
    assert "Not done: expected a job that" in browser.post(f"/jobs/{name}/retry").text
    browser.post(f"/jobs/{name}/cancel", sure="yes")
    assert "removed from this node" in browser.post(f"/jobs/{name}/delete").text
    assert here.states() == ["cancelled"]
    assert "are removed" in browser.post(f"/jobs/{name}/delete", sure="yes").text
    assert here.states() == []
    audit = (here.settings.data / "audit.xml").read_text()
    assert audit.count('UserID="local"') == 7
    assert "PAT-0815" not in audit


def test_all_studies_of_a_patient_are_deleted_together(here: Node, browser: Browser) -> None:
    name = receive(here, 1, **PATIENT)
    receive(here, 2, **PATIENT)
    receive(here, 3, PatientID="somebody else")
    work_off(here, REFUSED, 3)
    browser.get("/")
    assert "All 2 studies of this patient" in browser.post(f"/jobs/{name}/delete-patient").text
    assert len(here.states()) == 3
    browser.post(f"/jobs/{name}/delete-patient", sure="yes")
    assert len(here.states()) == 1


def test_an_unknown_action_is_refused(here: Node, browser: Browser) -> None:
    name = receive(here, 1)
    browser.get("/")
    assert browser.post(f"/jobs/{name}/explode").status_code == 404


def test_the_queue_shows_parts_and_figures(here: Node, browser: Browser, site: Site) -> None:
    receive(here, 1)
    work_off(here, REFUSED)
    for at_ms in (0, 60_000):
        site.samples.append(Sample(at_ms, 5_000_000_000, 4))
    text = browser.get("/queue").text
    assert all(part in text for part in ("worker-0", "restarted 1 time", "41.0 GB", "at most 4", "5.0 GB"))
    assert '<rect class="refused"' in text
    site.board.write({"ill": ["disk"], "restarts": {}, "loops": {}, "disk": {}})
    assert "not well: disk" in browser.get("/health-line").text


def test_peers_show_whether_they_answer_and_who_was_rejected(site: Site, browser: Browser) -> None:
    outcomes: list[Callable[[], None]] = [lambda: None, unreachable]
    site.peers.ask = lambda *_: outcomes.pop(0)()
    site.trail.rejected("<EVIL>", "OSTEON", "192.0.2.9", "unknown_calling_title", 3)
    text = browser.get("/peers").text
    assert "not tested yet" in text
    assert all(part in text for part in ("&lt;EVIL&gt;", "192.0.2.9", "unknown_calling_title; 3 more"))
    assert "answers after" in (text := browser.post("/peers/pacs/echo").text)
    assert '<span class="state good">yes</span>' in text
    assert '<span class="state bad">no</span> expected pacs' in browser.post("/peers/pacs/echo").text
    assert browser.post("/peers/nobody/echo").status_code == 404


def unreachable() -> None:
    raise TransientError("expected pacs to answer, got none", code="unreachable")


def test_rules_are_told_in_words_and_a_tester_says_what_would_happen(tmp_path: Path) -> None:
    rules = (
        RoutingRule(calling_ae="ER-.*", description="trauma", urgency="urgent", complete_images=300),
        RoutingRule(modality="CT", urgency="low"),
    )
    pacs = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
    browser = Browser(made_site(node_with_peers(tmp_path, rules=rules, peers=(pacs,))))
    text = browser.get("/rules").text
    assert "sent by &#39;ER-.*&#39; and with &#39;trauma&#39; in a description is processed first" in text
    text = browser.post("/rules", calling_ae="PACS", modality="CT", description="x", images="5").text
    assert all(
        part in text for part in ("PACS may send, as peer pacs.", "Rule 2 applies.", "Results go to pacs")
    )
    text = browser.post("/rules", calling_ae="ER-1", modality="CT", description="Trauma", images="300").text
    assert all(part in text for part in ("may not send", "Rule 1 applies.", "Rules 2 match too", "at once"))
    assert "No package reads the modality MG" in browser.post("/rules", modality="MG", images="x").text


def test_models_show_their_cards_with_links_to_others(browser: Browser) -> None:
    assert "/models/pelvis" in browser.get("/models").text
    text = browser.get("/models/pelvis").text
    assert all(part in text for part in ("CC BY 4.0", "<table>", 'href="/models/fracture"', "<h2>"))
    picture = browser.get("/models/pelvis/reliability.svg")
    assert (picture.status_code, "sandbox" in picture.headers["content-security-policy"]) == (200, True)


def test_settings_hide_passwords(tmp_path: Path) -> None:
    stow = Peer.model_validate(
        {"name": "web", "ae_title": "WEB", "receives": True, "stow": "https://me:secret@pacs.example/dicom"}
    )
    browser = Browser(made_site(node_with_peers(tmp_path, peers=(stow,), notice_url="https://me:secret@h/x")))
    for address in ("/settings", "/peers", "/rules"):
        assert "secret" not in browser.get(address).text
    assert "https://***@pacs.example/dicom" in browser.get("/settings").text


def test_messages_show_what_waits_and_an_administrator_may_send_a_test(tmp_path: Path) -> None:
    hook = Hook()
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    urls = {"desk": f"json://127.0.0.1:{hook.server_port}/s3cret", "pager": "json://127.0.0.1:1/s3cret"}
    messages = MessageSettings.model_validate({"targets": {name: {"url": url} for name, url in urls.items()}})
    here = node_with_peers(tmp_path, messages=messages)
    put_urgent(here.settings, JobState("1.2-0123456789abcdef", "queued"))
    browser = Browser(made_site(here))
    text = browser.get("/messages").text
    assert '<td data-name="Waiting">1</td>' in text
    assert "desk: took a test message." in browser.post("/messages/desk/test").text
    assert hook.bodies[0]["title"] == "OSTEON: test"
    assert "expected the message target pager to take a message" in browser.post("/messages/pager/test").text
    assert browser.post("/messages/nobody/test").status_code == 404
    for address in ("/messages", "/settings"):
        assert "s3cret" not in browser.get(address).text
    assert "desk" in browser.get("/settings").text
    hook.shutdown()
    hook.server_close()


def test_without_messages_the_page_says_so(browser: Browser) -> None:
    assert "Nobody is told" in browser.get("/messages").text


def test_a_stream_tells_of_changes(here: Node, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.pages.queue.LOOK_S", 0.01)
    monkeypatch.setattr("app.web.pages.queue.STREAM_S", 0.1)
    versions: Iterator[int] = iter(range(100))

    def changing(_: float) -> tuple[JobState, ...]:
        site.index.version = next(versions)
        return ()

    monkeypatch.setattr(site.index, "fresh", changing)
    answer = Browser(site).get("/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.count("event: jobs") == 10
    assert here


def test_a_change_between_a_page_and_its_stream_is_told(
    site: Site, here: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.pages.queue.LOOK_S", 0.01)
    monkeypatch.setattr("app.web.pages.queue.STREAM_S", 0.01)
    browser = Browser(site)

    def shown() -> str:
        return re.findall(r'data-shown="([^"]+)"', browser.get("/").text)[0].replace("&amp;", "&")

    def told(shown: str, **headers: str) -> list[str]:
        text = browser.get(f"/events?{urlencode({'shown': shown})}", **headers).text
        return re.findall("event: (.+)", text)

    site.index.look()
    before = shown()
    assert told(before) == []
    receive(here, 1)
    site.board.write({"ill": ["disk"]})
    site.index.look()
    assert told(before) == ["jobs", "health"]
    assert told(before, **{"Last-Event-ID": shown()}) == []
    # Another start counts from the beginning, too
    monkeypatch.setattr(site, "start", "another")
    assert told(shown()) == []
    assert told(before.replace("-1", "-2")) == ["jobs", "health"]
    assert told("") == told("anything") == ["jobs", "health"]


def test_a_stream_ends_with_the_session(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.pages.queue.LOOK_S", 0.01)
    browser = with_users(site)["viewer"]

    def logged_out(_: float) -> tuple[JobState, ...]:
        site.sessions.known.clear()
        return ()

    monkeypatch.setattr(site.index, "fresh", logged_out)
    assert re.findall("event: (.+)", browser.get("/events").text) == ["jobs", "health"]


def test_a_study_opens_in_the_viewers_of_the_settings(here: Node) -> None:
    url = 'http://pacs/ohif/viewer?StudyInstanceUIDs={study_instance_uid}&"x"'
    browser = Browser(made_site(here, viewers=[{"name": "OHIF <3>", "url": url}]))
    text = browser.get(f"/jobs/{receive(here, 1)}").text
    opened = f"http://pacs/ohif/viewer?StudyInstanceUIDs={STUDY}&amp;&#34;x&#34;"
    assert f'<a href="{opened}" target="_blank" rel="noopener noreferrer">OHIF &lt;3&gt;</a>' in text


@pytest.mark.parametrize(
    "url", ["javascript:{study_instance_uid}", "http://pacs/", "file:///{study_instance_uid}"]
)
def test_a_link_that_opens_no_study_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected http"):
        WebSettings(viewers=(ViewerLink(name="OHIF", url=url),))
