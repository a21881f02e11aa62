"""Who may see and do what on the page: roles, sessions, forged and hostile requests, guessed passwords."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.node.accounts.accounts import ROLES, Role
from app.node.service.page_check import require_somebody
from app.node.watch.rate_limit import RateLimits
from app.web import application
from app.web.access import COOKIE
from app.web.pages import users
from app.web.site import Site
from operators.errors import UsageError
from tests.service.app.node.studies.test_retention import Node
from tests.support.node.page_site import PASSWORD, Browser, made_site, node_with_peers, receive, with_users

# The least role for each page and action; {job} is a queued study
PAGES: dict[str, Role] = {
    "/": "viewer",
    "/queue": "viewer",
    "/queue/now": "viewer",
    "/health-line": "viewer",
    "/peers": "viewer",
    "/messages": "viewer",
    "/rules": "viewer",
    "/models": "viewer",
    "/models/pelvis": "viewer",
    "/models/pelvis/reliability.svg": "viewer",
    "/jobs/{job}": "viewer",
    "/settings": "operator",
    "/users": "administrator",
}
ACTIONS: dict[str, Role] = {
    "/rules": "viewer",
    "/": "viewer",
    "/jobs/{job}/hold": "operator",
    "/jobs/{job}/release": "operator",
    "/jobs/{job}/raise": "operator",
    "/jobs/{job}/cancel": "operator",
    "/jobs/{job}/retry": "operator",
    "/jobs/{job}/send-now": "operator",
    "/jobs/{job}/accept": "operator",
    "/jobs/{job}/dismiss": "operator",
    "/jobs/{job}/withdraw": "operator",
    "/peers/nobody/echo": "operator",
    "/messages/nobody/test": "administrator",
    "/jobs/{job}/delete": "administrator",
    "/jobs/{job}/delete-patient": "administrator",
    "/users/remove": "administrator",
    "/users/add": "administrator",
    "/users/role": "administrator",
    "/users/password": "administrator",
}


@pytest.fixture
def here(tmp_path: Path) -> Node:
    return node_with_peers(tmp_path)


@pytest.fixture
def site(here: Node) -> Site:
    return made_site(here)


def test_each_role_sees_and_does_what_it_may_and_nothing_more(here: Node, site: Site) -> None:
    job = receive(here, 1)
    browsers = with_users(site)
    for address, least in PAGES.items():
        for role, browser in browsers.items():
            expected = 200 if ROLES.index(role) >= ROLES.index(least) else 403
            answer = browser.get(address.format(job=job))
            assert answer.status_code == expected, (address, role)
    for address, least in ACTIONS.items():
        for role in ROLES[: ROLES.index(least)]:
            answer = browsers[role].post(
                address.format(job=job), name="viewer-1", role="administrator", sure="yes"
            )
            assert answer.status_code == 403, (address, role)
    assert here.states() == ["queued"]
    assert {account.role for account in site.accounts.all().values()} == set(ROLES)


def test_nobody_sees_or_does_anything_without_logging_in(here: Node, site: Site) -> None:
    job = receive(here, 1)
    with_users(site)
    stranger = Browser(site)
    for address in PAGES:
        answer = stranger.get(address.format(job=job))
        assert (answer.status_code, answer.headers["location"]) == (303, "/login"), address
    for address in ACTIONS:
        answer = stranger.client.post(address.format(job=job), data={"csrf": "", "sure": "yes"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login"), address
    assert stranger.get("/", **{"HX-Request": "true"}).headers["hx-redirect"] == "/login"
    assert stranger.get("/events").status_code == 401
    assert here.states() == ["queued"]
    # What the login page itself needs
    assert stranger.get("/static/page.css").status_code == 200


def test_every_route_is_in_the_lists_of_these_tests(site: Site) -> None:
    known = {re.sub(r"\{.*?\}|nobody|pelvis|reliability.svg", "*", path) for path in (*PAGES, *ACTIONS)}
    others = {"/login", "/logout", "/events", "/jobs/*/pictures/*"}
    others |= {f"/openid/{step}" for step in ("login", "answer", "logout")}
    # test_viewer.py
    data = ("picture.png", "still.png", "first.nii", "ct.nii", "labels.nii", "surfaces.json", "places.json")
    viewer = ("", *(f"/{each}" for each in (*data, "corrections", "replace")))
    others |= {f"/jobs/*/series/*{path}" for path in viewer}
    for module in application.PAGES:
        for route in module.router.routes:
            path = re.sub(r"\{.*?\}", "*", str(getattr(route, "path", "")))
            assert path in others or any(re.fullmatch(path.replace("*", "[^/]+"), each) for each in known), (
                path
            )
    assert site.is_open


@pytest.mark.parametrize("token", ["", "wrong", "ü"])
def test_a_form_without_our_token_is_refused(here: Node, site: Site, token: str) -> None:
    job, browser = receive(here, 1), Browser(site)
    browser.get("/")
    answer = browser.client.post(f"/jobs/{job}/cancel", data={"csrf": token, "sure": "yes"})
    assert (answer.status_code, "too old" in answer.text) == (403, True)
    assert here.states() == ["queued"]


def test_a_token_of_another_session_is_refused(here: Node, site: Site) -> None:
    browsers = with_users(site)
    browsers["operator"].get("/")
    browsers["administrator"].get("/")
    stolen = browsers["administrator"].token
    answer = browsers["operator"].client.post("/rules", data={"csrf": stolen})
    assert answer.status_code == 403
    assert here


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(site: Site) -> None:
    browser = Browser(site)
    cookie = browser.get("/").headers["set-cookie"]
    assert all(part in cookie for part in (COOKIE, "HttpOnly", "SameSite=strict"))
    assert "Secure" not in cookie
    browser.client.base_url = "https://127.0.0.1"
    browser.client.cookies.clear()
    answer = browser.get("/")
    assert "Secure" in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_logging_in_makes_a_new_session_and_logging_out_ends_it(site: Site) -> None:
    site.accounts.add("ann", "administrator", PASSWORD)
    browser = Browser(site)
    browser.client.cookies.set(COOKIE, "chosen-by-somebody-else", domain="127.0.0.1", path="/")
    assert "Studies" in browser.log_in("ann").text
    token = browser.client.cookies[COOKIE]
    assert token != "chosen-by-somebody-else"
    assert "Log in" in browser.post("/logout").text
    browser.client.cookies.set(COOKIE, token)
    assert browser.get("/").status_code == 303


def test_wrong_passwords_and_names_are_told_alike_audited_and_soon_refused(site: Site) -> None:
    site.accounts.add("ann", "administrator", PASSWORD)
    site.logins = RateLimits(5, 20.0, lambda: 0.0)
    browser = Browser(site)
    answers = [
        browser.log_in(name, "wrong wrong wrong") for name in ("ann", "nobody", "ann", PASSWORD, "ann")
    ]
    assert [answer.status_code for answer in answers] == [401] * 5
    assert len({re.sub('value="[^"]*"', "", answer.text) for answer in answers}) == 1
    answer = browser.log_in("ann")
    assert (answer.status_code, "Too many attempts" in answer.text) == (429, True)
    audit = site.trail.path.read_text()
    assert audit.count('UserID="ann"') == 3
    assert audit.count('UserID="unknown"') == 2
    assert PASSWORD not in audit


def test_a_login_form_of_another_site_is_refused(site: Site) -> None:
    site.accounts.add("ann", "administrator", PASSWORD)
    browser = Browser(site)
    for cookie in ("", "x"):
        browser.client.cookies.set(users.LOGIN_COOKIE, cookie)
        answer = browser.client.post("/login", data={"name": "ann", "password": PASSWORD, "csrf": ""})
        assert answer.status_code == 403


def test_a_changed_or_removed_account_is_logged_out(site: Site) -> None:
    browsers = with_users(site)
    site.accounts.change("operator-1", role="viewer")
    site.accounts.remove("viewer-1")
    for role, status in (("operator", 303), ("viewer", 303), ("administrator", 200)):
        assert browsers[role].get("/").status_code == status  # type: ignore[index]


def test_an_administrator_manages_accounts_but_the_last_one_stays(site: Site) -> None:
    browser = Browser(site)
    browser.get("/users")
    assert "first" in browser.post("/users/add", name="bob", role="viewer", password=PASSWORD).text
    answer = browser.post("/users/add", name="ann", role="administrator", password=PASSWORD)
    # The page has accounts now, so that its local user has ended
    assert answer.headers["location"] == "/login"
    browser.log_in("ann")
    browser.get("/users")
    assert "add done" in browser.post("/users/add", name="bob", role="viewer", password=PASSWORD).text
    assert "12 to 256" in browser.post("/users/password", name="bob", password="short").text
    assert "letters, digits" in browser.post("/users/add", name="<b>", role="viewer", password=PASSWORD).text
    assert "at least one administrator" in browser.post("/users/role", name="ann", role="viewer").text
    assert "remove done" in browser.post("/users/remove", name="bob").text
    assert browser.post("/users/add", name="eve", role="root", password=PASSWORD).status_code == 400
    assert browser.post("/users/explode", name="eve").status_code == 404
    assert set(site.accounts.all()) == {"ann"}
    content = site.accounts.path.read_text()
    assert "$argon2id$" in content
    assert PASSWORD not in content
    assert site.accounts.path.stat().st_mode & 0o777 == 0o600


def test_a_session_ends_after_its_time_and_when_it_is_idle(here: Node) -> None:
    site, now_s = made_site(here), [0.0]
    site.sessions.now_s = lambda: now_s[0]
    browser = with_users(site)["viewer"]
    for now, status in ((3000.0, 200), (6000.0, 200), (6000.0 + 3601, 303)):
        now_s[0] = now
        assert browser.get("/").status_code == status
    now_s[0] = 10_000.0
    site.logins.known.clear()
    browser = Browser(site)
    browser.log_in("viewer-1")
    # An open page, which nobody looks at
    for now, status in ((13_000.0, 200), (13_590.0, 200), (13_601.0, 303)):
        now_s[0] = now
        answer = browser.get("/health-line", **{"HX-Request": "true"})
        assert answer.status_code == (200 if status == 200 else 401)
    now_s[0] = 20_000.0
    browser = Browser(site)
    site.logins.known.clear()
    browser.log_in("viewer-1")
    for number in range(1, 15):
        now_s[0] = 20_000.0 + number * 3400
        assert browser.get("/").status_code == (200 if number * 3400 < 12 * 3600 else 303)


FILE = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--x--\r\n'
FIELDS = b"&".join(b"a%d=1" % number for number in range(60))


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-length": "1000000"}, b"", 413),
        ({"content-length": "x"}, b"", 413),
        ({"transfer-encoding": "chunked"}, b"", 411),
        ({"content-type": "multipart/form-data; boundary=x"}, FILE, 400),
        ({"content-type": "application/x-www-form-urlencoded"}, FIELDS, 400),
    ],
)
def test_hostile_bodies_are_refused(site: Site, headers: dict[str, str], content: bytes, status: int) -> None:
    browser = Browser(site)
    browser.get("/")
    assert browser.client.post("/rules", headers=headers, content=content).status_code == status


HOSTILE = "\"><script>alert(1)</script>{{7*7}}${7*7}' OR 1=1 --%0d%0aSet-Cookie: a=b"


def test_hostile_text_stays_text_in_every_form(here: Node, site: Site) -> None:
    browser = Browser(site)
    receive(here, 1, AccessionNumber="<img src=x>")
    browser.get("/")
    for answer in (
        browser.post("/", text=HOSTILE, group=HOSTILE, go=HOSTILE, page=HOSTILE),
        browser.post("/rules", calling_ae=HOSTILE, modality=HOSTILE, description=HOSTILE, images=HOSTILE),
        browser.post("/users/add", name=HOSTILE, role="viewer", password=HOSTILE),
        browser.get("/"),
    ):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "<img src=x>" not in answer.text
        assert "49" not in re.sub(r"csrf.*?>|\d{2,}:\d+|[0-9a-f]{6,}", "", answer.text.partition("<main")[2])
    assert "&lt;img src=x&gt;" in browser.get("/").text


def test_too_many_changes_are_slowed_down(site: Site) -> None:
    site.changes = RateLimits(60, 1.0, lambda: 0.0)
    browser = Browser(site)
    browser.get("/rules")
    statuses = [browser.client.post("/rules", data={"csrf": browser.token}).status_code for _ in range(70)]
    assert statuses == [200] * 60 + [429] * 10


def test_an_address_that_others_reach_needs_accounts(here: Node) -> None:
    site = made_site(here, host="0.0.0.0", proxies=("192.0.2.1",))
    assert not site.is_open
    with pytest.raises(UsageError, match="expected accounts or openid for a page on"):
        require_somebody(site.node, site.web)
    assert Browser(site).get("/").status_code == 303
    site.accounts.add("ann", "administrator", PASSWORD)
    require_somebody(site.node, site.web)
