"""The page in a real browser: live, by keyboard, without scripts, and over a slow network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.node.accounts.openid import Provider
from app.node.queue.jobs.job_state import JobState
from app.node.send.message_events import put_urgent
from app.node.send.message_outbox import write_status
from app.node.settings.messages import MessageSettings
from app.node.studies.user_actions import Acting, act
from app.web.site import Site
from tests.service.app.node.studies.test_retention import Node
from tests.service.app.web.test_openid import openid_of
from tests.support.browsers.browser import Page, chromium
from tests.support.browsers.visits import colours, leads_to
from tests.support.node.openid_provider import openid_provider
from tests.support.node.page_site import PASSWORD, made_site, node_with_peers, receive, served, work_off

FINDING = {"finding": {"code": "fracture", "probability": 0.93}}
REFUSED = {"state": "refused", "code": "no_anatomy", "sentence": "expected bones, got none"}
PATIENT = {"AccessionNumber": "ACC-4711", "PatientID": "PAT-0815"}
# Windows' key codes
TAB, ENTER = 9, 13


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as tab:
        yield tab


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """A node with an ended study and a queued one."""
    targets = {
        "desk": {"url": "json://127.0.0.1:1/"},
        "pager": {"url": "json://127.0.0.1:1/", "events": ["urgent"]},
    }
    messages = MessageSettings.model_validate({"targets": targets, "quiet_hours": "22:00-07:00"})
    node = node_with_peers(tmp_path_factory.mktemp("node"), messages=messages)
    put_urgent(node.settings, JobState("1.2-0123456789abcdef", "queued"))
    write_status(node.settings.data, "desk", datetime.now(UTC), "failed", "expected desk to take a message")
    receive(node, 1, **PATIENT)
    work_off(node, REFUSED)
    receive(node, 2, AccessionNumber="ACC-9", PatientID="PAT-9")
    return node


@pytest.fixture(scope="module")
def site(here: Node) -> Site:
    made = made_site(here)
    made.trail.rejected("STRANGER", "OSTEON", "192.0.2.9", "unknown_calling_title")
    return made


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    with served(site) as address:
        yield address


@pytest.fixture
def page(browser: Page) -> Page:
    browser.requests.clear()
    browser.errors.clear()
    browser.resize(1280, 800)
    colours(browser, "light")
    return browser


def rows(page: Page) -> int:
    return int(page.run("document.querySelectorAll('tbody tr').length"))


def first_study(site: Site) -> str:
    """The address of the ended study."""
    return f"/jobs/{site.index.fresh()[0].job_id.rpartition('-')[2]}"


def addresses(site: Site) -> tuple[str, ...]:
    pages = (
        "/",
        "/queue",
        "/peers",
        "/messages",
        "/rules",
        "/models",
        "/models/pelvis",
        "/settings",
        "/users",
    )
    return (*pages, first_study(site))


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_of(page: Page, url: str, site: Site) -> None:
    for address in addresses(site):
        page.open(url + address)
        assert page.errors == [], address
    assert {request for request in page.requests if not request.startswith(url)} == set()


def test_a_user_logs_in_by_a_provider_on_another_site_and_out_again(page: Page, here: Node) -> None:
    with openid_provider("localhost") as provider:
        site = made_site(here, openid=openid_of(provider))
        assert site.web.openid is not None
        with served(site) as url:
            site.provider = Provider(site.web.openid.model_copy(update={"address": url}))
            page.open(url)
            leads_to(page, "location.pathname === '/login'")
            page.run("document.querySelector('a.button').click()")
            # The cookie of the session is SameSite=Strict, and the step before came from another site
            leads_to(
                page, f"location.href === '{url}/' && document.body.innerText.includes('ann (localhost)')"
            )
            page.run("[...document.querySelectorAll('button')].find(b => b.innerText === 'Log out').click()")
            leads_to(page, "location.pathname === '/login'")
            page.open(url)
            leads_to(page, "location.pathname === '/login'")
            assert page.errors == []


def test_the_colours_follow_the_system_until_the_user_chooses(page: Page, url: str) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    page.open(url)
    light = page.run(paper)
    colours(page, "dark")
    dark = page.run(paper)
    assert light != dark
    choose = (
        "const s = document.getElementById('scheme'); s.value = '{}'; s.dispatchEvent(new Event('change'))"
    )
    page.run(f"(() => {{ {choose.format('light')} }})()")
    page.open(f"{url}/queue")
    assert page.run(paper) == light
    page.run(f"(() => {{ {choose.format('system')} }})()")
    assert page.run(paper) == dark


def test_the_list_changes_by_itself_and_keeps_the_focus(page: Page, url: str, here: Node, site: Site) -> None:
    page.open(url)
    page.wait_for("document.body.textContent.includes('queued')")
    focused = page.run("document.querySelector('tbody a').focus(), document.activeElement.id")
    queued = site.index.fresh()[-1].job_id
    act(Acting(here.settings, here.client, "somebody else"), "hold", queued)
    page.wait_for("[...document.querySelectorAll('.state')].some(each => each.textContent === 'held')")
    assert page.run("document.activeElement.id") == focused
    act(Acting(here.settings, here.client, "somebody else"), "release", queued)
    page.wait_for("![...document.querySelectorAll('.state')].some(each => each.textContent === 'held')")


def test_a_slow_network_delays_pages_and_breaks_none(page: Page, url: str) -> None:
    slow = {"offline": False, "latency": 600, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
    page.ask("Network.emulateNetworkConditions", **slow)
    try:
        page.open(url)
        page.run("document.getElementById('group').value = 'refused'")
        page.run("document.getElementById('group').dispatchEvent(new Event('change', {bubbles: true}))")
        leads_to(page, "document.querySelectorAll('tbody tr').length === 1")
        assert page.errors == []
    finally:
        fast = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.ask("Network.emulateNetworkConditions", **fast)


def test_health_changes_by_itself(page: Page, url: str, site: Site) -> None:
    page.open(f"{url}/rules")
    before = site.board.read()
    # The stream has begun
    page.run("new Promise(done => setTimeout(done, 1500))")
    site.board.write(before | {"ill": ["disk"]})
    page.wait_for("document.getElementById('health').textContent.includes('not well: disk')")
    site.board.write(before)
    page.wait_for("document.getElementById('health').textContent.includes('all parts work')")


def test_a_search_shows_what_matches_and_leaves_the_patient_out_of_every_address(
    page: Page, url: str, site: Site
) -> None:
    site.identities.keep([job.job_id for job in site.index.fresh()], 100)
    page.open(url)
    assert rows(page) == 2
    page.run("document.getElementById('text').focus()")
    for letter in "pat-0815":
        page.press(letter, text=letter)
    page.wait_for("document.querySelectorAll('tbody tr').length === 1")
    assert "ACC-4711" in page.run("document.getElementById('table').textContent")
    assert [each for each in page.requests if "0815" in each or "4711" in each] == []
    assert page.run("Object.values({...localStorage}).join() + location.href").count("0815") == 0


def test_a_study_is_held_and_released_by_keyboard_alone(page: Page, url: str, site: Site) -> None:
    page.open(f"{url}/jobs/{site.index.fresh()[-1].job_id.rpartition('-')[2]}")
    page.press("Tab", TAB)
    assert page.run("document.activeElement.className") == "skip"
    for name, expected in (("do-hold", "held"), ("do-release", "queued")):
        while page.run("document.activeElement.id") != name:
            page.press("Tab", TAB)
        # The page may show the new state by itself before the answer of the form replaces it
        page.run("window.former = true")
        page.press("Enter", ENTER, "\r")
        leads_to(page, f"!window.former && document.querySelector('h1 .state')?.textContent === '{expected}'")
        page.run("document.body.focus()")


def test_a_deletion_asks_first(page: Page, url: str, site: Site) -> None:
    page.open(url + first_study(site))
    page.run("document.getElementById('do-delete').click()")
    leads_to(page, "document.getElementById('sure') !== null")
    assert page.run("document.querySelector('h1').textContent") == "Delete the study?"
    page.run("document.querySelector('main a').click()")
    leads_to(page, "document.getElementById('do-delete') !== null")


def test_without_scripts_the_list_is_still_filtered(page: Page, url: str) -> None:
    page.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        page.open(url)
        page.press("Tab", TAB)
        page.open(f"{url}/?group=refused")
        assert rows(page) == 1
    finally:
        page.ask("Emulation.setScriptExecutionDisabled", value=False)


def test_two_users_act_at_once_and_the_second_is_told(page: Page, url: str, here: Node, site: Site) -> None:
    queued = site.index.fresh()[-1].job_id
    page.open(f"{url}/jobs/{queued.rpartition('-')[2]}")
    # A page that is not refreshed, as its computer was asleep
    page.run("document.getElementById('study').removeAttribute('hx-get'), htmx.process(document.body), 0")
    act(Acting(here.settings, here.client, "somebody else"), "hold", queued)
    page.run("document.getElementById('do-hold')?.click()")
    leads_to(page, "document.querySelector('.messages')?.textContent.includes('Not done')")
    act(Acting(here.settings, here.client, "somebody else"), "release", queued)


def test_with_accounts_a_user_logs_in_and_out(page: Page, tmp_path: Path) -> None:
    site = made_site(node_with_peers(tmp_path))
    site.accounts.add("ann", "administrator", PASSWORD)
    with served(site) as url:
        page.open(f"{url}/queue")
        assert page.run("location.pathname") == "/login"
        for field, text in (("name", "ann"), ("password", PASSWORD)):
            page.run(f"document.getElementById('{field}').value = '{text}'")
        page.run("document.querySelector('form[action=\"/login\"] button').click()")
        leads_to(page, "document.querySelector('h1')?.textContent === 'Studies'")
        assert page.run("document.cookie") == ""
        page.run("document.querySelector('form[action=\"/logout\"] button').click()")
        leads_to(page, "document.querySelector('h1')?.textContent === 'Log in'")
        assert page.errors == []


def test_another_site_can_neither_frame_nor_change_anything(
    page: Page, url: str, site: Site, tmp_path: Path
) -> None:
    queued = site.index.fresh()[-1].job_id
    target = f"{url}/jobs/{queued.rpartition('-')[2]}/cancel"
    evil = tmp_path / "evil.html"
    form = f'<form method=post action="{target}"><input name=sure value=yes></form>'
    evil.write_text(f"<iframe src='{url}'></iframe>{form}<script>document.forms[0].submit()</script>")
    page.errors.clear()
    page.open(evil.as_uri())
    page.wait_for("document.body !== null && document.readyState === 'complete'")
    assert [job.state for job in site.index.look() if job.job_id == queued] == ["queued"]
    assert page.errors
