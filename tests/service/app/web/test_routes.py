"""Each route of the page: who may use it, that a form needs its token, and that hostile values break none."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import pytest
from starlette.routing import Mount

from app.node.accounts.accounts import ROLES, Role
from app.node.settings.messages import MessageSettings
from app.node.studies.user_actions import ACTIONS
from app.node.watch.rate_limit import RateLimits
from app.web.access import COOKIE
from app.web.application import application
from app.web.site import Site
from tests.service.app.node.studies.test_retention import Node
from tests.support.node.page_site import Browser, made_site, node_with_peers, receive, with_users

# The least role for each route; None: for everybody, also before logging in
LEAST: dict[str, Role | None] = {
    "GET /": "viewer",
    "POST /": "viewer",
    "GET /events": "viewer",
    "GET /health-line": "viewer",
    "GET /jobs/{name}": "viewer",
    "GET /jobs/{name}/pictures/{number}": "viewer",
    "POST /jobs/{name}/{action}": "operator",
    "GET /jobs/{name}/series/{number}": "viewer",
    "GET /jobs/{name}/series/{number}/ct.nii": "viewer",
    "GET /jobs/{name}/series/{number}/first.nii": "viewer",
    "GET /jobs/{name}/series/{number}/labels.nii": "viewer",
    "GET /jobs/{name}/series/{number}/picture.png": "viewer",
    "GET /jobs/{name}/series/{number}/places.json": "viewer",
    "GET /jobs/{name}/series/{number}/still.png": "viewer",
    "GET /jobs/{name}/series/{number}/surfaces.json": "viewer",
    "POST /jobs/{name}/series/{number}/corrections": "operator",
    "POST /jobs/{name}/series/{number}/replace": "operator",
    "GET /login": None,
    "POST /login": None,
    "POST /logout": "viewer",
    "GET /messages": "viewer",
    "POST /messages/{name}/test": "administrator",
    "GET /models": "viewer",
    "GET /models/{name}": "viewer",
    "GET /models/{name}/{picture}": "viewer",
    "GET /openid/answer": None,
    "GET /openid/login": None,
    "GET /openid/logout": None,
    "GET /peers": "viewer",
    "POST /peers/{name}/echo": "operator",
    "GET /queue": "viewer",
    "GET /queue/now": "viewer",
    "GET /rules": "viewer",
    "POST /rules": "viewer",
    "GET /settings": "operator",
    "GET /users": "administrator",
    "POST /users/{change}": "administrator",
}
# The actions on a job that need more than an operator; the others are those of ACTIONS
MORE: dict[str, Role] = {"delete": "administrator", "delete-patient": "administrator"}
CHANGES = ("add", "role", "password", "remove")
NAMES = {"jobs": "{job}", "models": "pelvis", "peers": "pacs", "messages": "desk"}
HOSTILE = (
    "../../../../etc/passwd",
    "accounts.json%00.svg",
    "' OR '1'='1' --",
    "<script>alert(1)</script>",
    "{{7331*7331}}${7331*7331}",
    "x%0d%0aSet-Cookie:%20stolen=1",
    "-1",
    "9" * 40,
    "\u202e\u0661\u00b2",
    "$(id)`id`|id;id",
    "A" * 5000,
)
FIELDS = (
    "password",
    "text",
    "group",
    "go",
    "page",
    "sure",
    "calling_ae",
    "modality",
    "description",
    "images",
)
QUERY = ("group", "number", "state", "code", "error", "iss")
# Pages that read nothing of what they are asked with
PLAIN = tuple(
    f"GET {path}" for path in ("/messages", "/models", "/peers", "/queue", "/rules", "/settings", "/users")
)
METHODS = ("GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def routes() -> list[str]:
    """Method and path of each route, but for the files of /static."""
    app: Any = application(cast(Site, None))
    parts = app.app.routes
    assert [each.path for each in parts if isinstance(each, Mount)] == ["/static"]
    found = [route for part in parts if not isinstance(part, Mount) for route in part.original_router.routes]
    return [f"{method} {route.path}" for route in found for method in sorted(route.methods)]


@dataclass(frozen=True)
class Case:
    """A route with one value for each of its parameters; {job} is a queued one."""

    route: str
    values: dict[str, str]
    least: Role | None

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    def path(self, job: str, **changed: str) -> str:
        """The address, with other values of some parameters."""
        values = {key: value.format(job=job) for key, value in self.values.items()} | changed
        return re.sub(
            r"{(\w+)}", lambda found: quote(values[found[1]], safe="%"), self.route.partition(" ")[2]
        )

    def __str__(self) -> str:
        return " ".join(
            (self.route, *(self.values[key] for key in ("action", "change") if key in self.values))
        )


def cases() -> Iterator[Case]:
    for route in routes():
        kind = route.partition("/")[2].partition("/")[0]
        values = {"name": NAMES.get(kind, ""), "number": "0", "picture": "reliability.svg"}
        if "{action}" in route:
            for action in (*ACTIONS, *MORE.keys() - ACTIONS.keys()):
                yield Case(route, values | {"action": action}, MORE.get(action, LEAST[route]))
        elif "{change}" in route:
            yield from (Case(route, values | {"change": change}, LEAST[route]) for change in CHANGES)
        else:
            yield Case(route, values, LEAST.get(route))


CASES = tuple(cases())
GUARDED = tuple(case for case in CASES if case.least)
FORMS = tuple(case for case in GUARDED if case.method == "POST")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Node:
    messages = MessageSettings.model_validate({"targets": {"desk": {"url": "json://127.0.0.1:1/"}}})
    return node_with_peers(tmp_path_factory.mktemp("node"), messages=messages)


@pytest.fixture(scope="module")
def site(here: Node) -> Site:
    made = made_site(here)
    with_users(made)
    made.changes = made.logins = RateLimits(10_000, 0.001, time.monotonic)
    return made


@pytest.fixture(scope="module")
def job(here: Node, site: Site) -> str:
    name = receive(here, 1, PatientID="PAT-0815")
    site.index.look()
    return name


@pytest.fixture(autouse=True)
def nothing_happens(here: Node, site: Site, job: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No stream of events lasts, and no request of these tests changes a job or an account."""
    monkeypatch.setattr("app.web.pages.queue.STREAM_S", 0)
    audit = site.trail.path.read_bytes()
    yield
    assert here.states() == ["queued"]
    assert {each.name: each.role for each in site.accounts.all().values()} == {
        f"{role}-1": role for role in ROLES
    }
    done = site.trail.path.read_bytes().removeprefix(audit)
    assert b"Patient Record" not in done
    assert job


def user(site: Site, role: Role) -> Browser:
    """A browser of a user who has logged in."""
    browser = Browser(site)
    token, session = site.sessions.begin(site.accounts.all()[f"{role}-1"])
    browser.client.cookies.set(COOKIE, token)
    browser.token = session.csrf
    return browser


def asked(browser: Browser, method: str, path: str, **form: str) -> tuple[int, str, Any]:
    """The status, text and headers of an answer."""
    data = {"csrf": browser.token} | form if method == "POST" else None
    answer = browser.client.request(method, path, data=data)
    return answer.status_code, answer.text, answer.headers


def test_every_route_has_a_least_role_here() -> None:
    assert sorted(routes()) == sorted(LEAST)


@pytest.mark.parametrize("case", GUARDED, ids=str)
def test_strangers_have_to_log_in_and_lower_roles_are_refused(site: Site, job: str, case: Case) -> None:
    status, _, headers = asked(Browser(site), case.method, case.path(job))
    assert (status, headers.get("location")) in ((303, "/login"), (401, None))
    assert case.least is not None
    for role in ROLES:
        if ROLES.index(role) < ROLES.index(case.least):
            status, text, _ = asked(user(site, role), case.method, case.path(job), sure="yes", name="x")
            assert (status, "This needs the role" in text) == (403, True), role
        else:
            may_act(site, job, case, role)


def may_act(site: Site, job: str, case: Case, role: Role) -> None:
    """Checks that a role is admitted; what it posts names nothing that exists, so that nothing is done."""
    unknown = {"name": "0" * 16} if case.method == "POST" and "name" in case.route else {}
    path = case.path(job, **unknown)
    status, _, headers = asked(user(site, role), case.method, path, name="<nobody>")
    # The queued job has no results yet
    assert status == 404 if unknown or "{number}" in case.route else status in (200, 303)
    assert headers.get("location") != "/login" or path == "/logout"


@pytest.mark.parametrize("case", FORMS, ids=str)
def test_a_form_without_the_token_of_its_session_changes_nothing(site: Site, job: str, case: Case) -> None:
    browser, other = user(site, "administrator"), user(site, "administrator")
    own, path = browser.token, case.path(job)
    for token in ("", "wrong", own[:-1], own + "x", other.token, "\u00fc"):
        browser.token = token
        assert asked(browser, "POST", path, sure="yes", name="viewer-1")[0] == 403, token
    client = browser.client
    for answer in (
        client.post(path),
        client.post(f"{path}?csrf={own}&sure=yes"),
        client.post(path, json={"csrf": own, "sure": "yes"}),
        client.post(path, content=f"csrf={own}&sure=yes", headers={"Content-Type": "text/plain"}),
    ):
        assert answer.status_code == 403


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hostile_values_are_refused_and_never_come_back_as_html(site: Site, job: str, case: Case) -> None:
    named = re.findall(r"{(\w+)}", case.route)
    # Where the address alone does nothing, its form is tried too
    own: list[dict[str, str]] = [{}] if named in ([], ["change"]) else []
    browser = user(site, "administrator")
    for value in HOSTILE if named or case.route not in PLAIN else HOSTILE[:1]:
        query = "&".join(f"{key}={quote(value, safe='%')}" for key in QUERY)
        for changed in [*({each: value} for each in named), *own]:
            if case.path(job) in ("/login", "/logout"):
                browser = user(site, "administrator")
                browser.get("/login")
            form = dict.fromkeys(FIELDS, value) | {"name": f"<{value}>", "role": "viewer"}
            path = f"{case.path(job, **changed)}?{query}"
            is_harmless(value, *asked(browser, case.method, path, **form))
    for changed in own:
        is_harmless("", *asked(user(site, "administrator"), case.method, case.path(job, **changed)))


def is_harmless(value: str, status: int, text: str, headers: Any) -> None:
    """Checks an answer to a hostile value."""
    assert status < 500, value
    assert "<script>alert" not in text
    assert str(7331 * 7331) not in text
    assert "root:" not in text
    assert "$argon2id$" not in text
    assert "stolen" not in headers.get("set-cookie", "")
    assert headers.get("location", "/").startswith("/")
    assert not headers.get("location", "/").startswith("//")
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", sorted({case.path("0" * 16) for case in CASES}))
def test_other_methods_are_refused(site: Site, path: str) -> None:
    own = {case.method for case in CASES if case.path("0" * 16) == path}
    for method in set(METHODS) - own:
        assert asked(user(site, "administrator"), method, path)[0] == 405, method
