"""What people of each role see and do on the page, in real browsers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.node.accounts.accounts import ROLES, Role
from app.node.queue.jobs.job_names import fingerprint
from app.node.queue.jobs.job_state import JobState
from app.node.settings.messages import MessageSettings
from app.node.studies.user_actions import ACTIONS, Acting
from app.web.pages import job as job_page
from app.web.rendering import PAGES
from app.web.site import Site
from tests.service.app.node.studies.test_retention import Node
from tests.support.browsers.browser import Page, chromium
from tests.support.browsers.visits import enter, leads_to, violations
from tests.support.node.node_processes import until
from tests.support.node.page_site import made_site, node_with_peers, receive, served, with_users
from tests.support.node.shown_jobs import ShownIndex, shown_jobs

JOBS = shown_jobs()
PATIENT = {"AccessionNumber": "ACC-4711", "PatientID": "PAT-0815"}
# What each role may not open, and what it may not do with a job that is queued
CLOSED: dict[Role, tuple[str, ...]] = {
    "viewer": ("/settings", "/users"),
    "operator": ("/users",),
    "administrator": (),
}
MAIN = "document.querySelector('main').innerText"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as tab:
        tab.resize(1280, 800)
        yield tab


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Node:
    messages = MessageSettings.model_validate({"targets": {"desk": {"url": "json://127.0.0.1:1/"}}})
    node = node_with_peers(tmp_path_factory.mktemp("node"), messages=messages)
    receive(node, 1, **PATIENT)
    receive(node, 2, PatientID="somebody else")
    return node


@pytest.fixture(scope="module")
def site(here: Node) -> Site:
    made = made_site(here)
    with_users(made)
    made.index = ShownIndex(made.index, JOBS)
    made.peers.ask = lambda *_: None
    return made


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with served(site) as address:
        yield address


def of_job(url: str, job: JobState) -> str:
    return f"{url}/jobs/{fingerprint(job.job_id)}"


def click(page: Page, selector: str) -> None:
    page.run(f"document.querySelector({selector!r}).click()")


@pytest.mark.parametrize("role", ROLES)
def test_each_role_is_offered_what_it_may_and_refused_the_rest(
    page: Page, url: str, site: Site, role: Role
) -> None:
    enter(page, site, url, role)
    page.open(url)
    offered = page.run("[...document.querySelectorAll('nav li')].map(each => each.innerText)")
    assert offered == [title for address, title, _ in PAGES if address not in CLOSED[role]]
    assert f"{role}-1 ({role})" in page.run("document.querySelector('header').innerText")
    for address in CLOSED[role]:
        page.open(url + address)
        assert "This needs the role" in page.run(MAIN)
        assert f"yours is {role}" in page.run(MAIN)
        assert violations(page) == []
    queued = next(job for job in site.index.fresh() if job.state == "queued" and job not in JOBS)
    page.open(of_job(url, queued))
    buttons = page.run("[...document.querySelectorAll('main button')].map(each => each.id)")
    everybody: dict[Role, list[str]] = {
        "viewer": [],
        "operator": ["do-raise", "do-hold", "do-cancel"],
        "administrator": ["do-raise", "do-hold", "do-cancel", "do-delete-patient"],
    }
    assert buttons == everybody[role]
    page.open(f"{url}/peers")
    assert page.run("document.querySelectorAll('form[action=\"/peers/pacs/echo\"]').length") == (
        role != "viewer"
    )
    page.open(f"{url}/messages")
    tests = page.run("document.querySelectorAll('form[action=\"/messages/desk/test\"]').length")
    assert tests == (role == "administrator")


@pytest.mark.parametrize("name", [name for name in ACTIONS])
def test_every_action_is_done_by_its_button_after_its_question(
    page: Page, url: str, site: Site, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str, str]] = []

    def act(acting: Acting, action: str, job_id: str) -> list[str]:
        done.append((acting.who, action, job_id))
        return [f"Done: {action}."]

    monkeypatch.setattr(job_page, "act", act)
    job = next(each for each in JOBS if ACTIONS[name].applies(each))
    enter(page, site, url, "administrator")
    page.open(of_job(url, job))
    click(page, f"#do-{name}")
    if name in job_page.CONFIRMED:
        leads_to(page, "document.getElementById('sure') !== null")
        assert job_page.CONFIRMED[name] in page.run(MAIN)
        assert violations(page) == []
        assert done == []
        click(page, "#sure")
    leads_to(page, f"document.querySelector('.messages')?.innerText === 'Done: {name}.'")
    assert done == [("administrator-1", name, job.job_id)]


FORMS = {
    "peer": ("/peers", {}, "form[action='/peers/pacs/echo'] button", "pacs: answers after"),
    "message": (
        "/messages",
        {},
        "form[action='/messages/desk/test'] button",
        "desk: expected the message target desk",
    ),
    "rules": ("/rules", {"modality": "MG"}, "main form button", "No package reads the modality MG"),
    "add": (
        "/users",
        {"new-name": "bob", "new-password": "correct horse battery"},
        "form[action='/users/add'] button",
        "bob: add done.",
    ),
    "role": ("/users", {}, "form[action='/users/role'] button", "administrator-1: role done."),
    "remove": ("/users", {}, "tr:nth-child(2) form[action='/users/remove'] button", "bob: remove done."),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_other_form_answers_with_a_sentence(page: Page, url: str, site: Site, name: str) -> None:
    address, fields, button, expected = FORMS[name]
    enter(page, site, url, "administrator")
    page.open(url + address)
    for field, value in fields.items():
        page.run(f"document.getElementById('{field}').value = '{value}'")
    click(page, button)
    leads_to(page, f"{MAIN}.includes({expected!r})")


def test_all_studies_of_a_patient_are_deleted_after_a_question(page: Page, tmp_path: Path) -> None:
    node = node_with_peers(tmp_path)
    name = receive(node, 1, **PATIENT)
    site = made_site(node)
    site.identities.keep([job.job_id for job in site.index.fresh()], 10)
    page.ask("Network.clearBrowserCookies")
    with served(site) as url:
        page.open(f"{url}/jobs/{name}")
        click(page, "#do-delete-patient")
        leads_to(page, "document.getElementById('sure') !== null")
        assert "All 1 studies of this patient" in page.run(MAIN)
        click(page, "#sure")
        leads_to(page, "document.querySelector('h1')?.innerText === 'Studies'")


def test_a_wrong_password_is_told_and_too_many_are_refused(page: Page, url: str, site: Site) -> None:
    site.logins.known.clear()
    page.ask("Network.clearBrowserCookies")
    for expected in ["Name or password is wrong."] * 5 + ["Too many attempts; wait a minute."]:
        page.open(f"{url}/login")
        for field in ("name", "password"):
            page.run(f"document.getElementById('{field}').value = 'viewer-1'")
        click(page, "form[action='/login'] button")
        leads_to(page, f"document.querySelector('[role=alert]')?.innerText === '{expected}'")
    assert violations(page) == []


def test_two_people_in_two_browsers_see_each_others_changes(
    page: Page, url: str, here: Node, site: Site, tmp_path: Path
) -> None:
    queued = next(job for job in site.index.fresh() if job.state == "queued" and job not in JOBS)
    page.errors.clear()
    with chromium(tmp_path / "profile") as other:
        for each, role in ((page, "operator"), (other, "administrator")):
            enter(each, site, url, role)  # type: ignore[arg-type]
            each.open(of_job(url, queued))
        click(page, "#do-hold")
        leads_to(page, "document.querySelector('h1 .state')?.innerText === 'held'")
        leads_to(other, "document.querySelector('h1 .state')?.innerText === 'held'")
        # Both press the same button, one of them on a page that has not heard of it yet
        other.run(
            "document.getElementById('study').removeAttribute('hx-get'), htmx.process(document.body), 0"
        )
        click(page, "#do-release")
        leads_to(page, "document.querySelector('h1 .state')?.innerText === 'queued'")
        click(other, "#do-release")
        leads_to(other, "document.querySelector('.messages')?.innerText.includes('Not done: expected a job')")
        assert until(lambda: here.states() == ["queued", "queued"])
        assert [page.errors, other.errors] == [[], []]
