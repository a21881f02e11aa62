"""Logging in by an OpenID Connect provider, and everything that must not let anybody in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from app.node.accounts.accounts import Role
from app.node.service.page_check import require_somebody
from app.node.settings.web import WebSettings
from app.node.watch.rate_limit import RateLimits
from app.web.access import COOKIE
from app.web.pages.openid import SIGN_IN_COOKIE
from app.web.site import Site
from operators.errors import UsageError
from tests.service.app.node.studies.test_retention import Node
from tests.support.node.openid_provider import (
    CLIENT,
    KEY,
    OTHER_KEY,
    SECRET,
    OpenIdProvider,
    openid_provider,
    signed,
    unsigned,
)
from tests.support.node.page_site import PASSWORD, Browser, made_site, node_with_peers

PAGE = "http://127.0.0.1"


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as server:
        yield server


def openid_of(provider: OpenIdProvider, **changes: Any) -> dict[str, Any]:
    """The settings for a provider."""
    roles = {"administrator": ["osteon-admins"], "operator": ["mtra"], "viewer": ["doctors", "mtra"]}
    return {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "address": PAGE,
        "roles": roles,
    } | changes


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return node_with_peers(tmp_path_factory.mktemp("node"))


@pytest.fixture
def node(here: Node) -> Node:
    """The node without accounts, and with an empty audit trail."""
    for name in ("accounts.json", "audit.xml"):
        (here.settings.data / name).unlink(missing_ok=True)
    return here


@pytest.fixture
def site(node: Node, provider: OpenIdProvider) -> Site:
    made = made_site(node, openid=openid_of(provider))
    # Each test asks more often than a person would
    made.logins = RateLimits(1000, 1.0, time.monotonic)
    return made


def to_provider(browser: Browser) -> str:
    """Begins to log in, and returns where the provider's page is."""
    answer = browser.get("/openid/login")
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def back(browser: Browser, address: str) -> httpx2.Response:
    """Visits the provider's page, which sends the browser back, and returns our answer."""
    sent = httpx2.get(address)
    return browser.get(sent.headers["location"].removeprefix(PAGE))


def log_in(browser: Browser) -> httpx2.Response:
    """Logs in at the provider."""
    return back(browser, to_provider(browser))


def is_out(browser: Browser) -> bool:
    """Whether the browser sees nothing."""
    answer = browser.get("/")
    return (answer.status_code, answer.headers.get("location")) == (303, "/login")


def test_a_user_of_the_provider_logs_in_acts_and_logs_out(site: Site) -> None:
    browser = Browser(site)
    assert is_out(browser)
    assert 'href="/openid/login"' in browser.get("/login").text
    assert 'name="password"' not in browser.get("/login").text
    answer = log_in(browser)
    assert (answer.status_code, 'http-equiv="refresh" content="0; url=/"' in answer.text) == (200, True)
    assert "SameSite=strict" in answer.headers["set-cookie"]
    page = browser.get("/users")
    assert "ann (127.0.0.1) (administrator)" in page.text
    assert "osteon-admins" in page.text
    added = browser.post("/users/add", name="bob", role="administrator", password=PASSWORD)
    assert "add done" in added.text
    token = browser.client.cookies[COOKIE]
    out = browser.post("/logout")
    assert "log out at 127.0.0.1" in out.text
    browser.client.cookies.set(COOKIE, token)
    assert is_out(browser)
    end = urlsplit(browser.get("/openid/logout").headers["location"])
    assert (end.path, parse_qs(end.query)["post_logout_redirect_uri"]) == ("/end", [f"{PAGE}/login"])
    audit = site.trail.path.read_text()
    assert audit.count('UserID="ann (127.0.0.1)"') == 3
    assert 'AlternativeUserID="u-1"' in audit


def test_the_request_is_one_of_the_code_flow_with_pkce_and_each_is_another(
    site: Site, provider: OpenIdProvider
) -> None:
    asked = [parse_qs(urlsplit(to_provider(Browser(site))).query) for _ in range(2)]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name][0]) >= 43
    assert asked[0]["response_type"] == ["code"]
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["redirect_uri"] == [f"{PAGE}/openid/answer"]
    assert asked[0]["scope"] == ["openid profile"]
    assert provider.asked == ["/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["doctors"], "viewer"),
        ("doctors", "viewer"),
        (["doctors", "mtra"], "operator"),
        (["mtra", "osteon-admins"], "administrator"),
    ],
)
def test_the_claim_gives_the_role_that_may_do_most(
    site: Site, provider: OpenIdProvider, groups: Any, role: Role
) -> None:
    provider.user["groups"] = groups
    browser = Browser(site)
    log_in(browser)
    assert f"ann (127.0.0.1) ({role})" in browser.get("/").text
    assert browser.get("/users").status_code == (200 if role == "administrator" else 403)


@pytest.mark.parametrize("groups", [[], ["others"], None, {"doctors": True}, 7, ["Doctors"]])
def test_a_user_without_a_role_is_refused_with_a_sentence(
    site: Site, provider: OpenIdProvider, groups: Any
) -> None:
    provider.user["groups"] = groups
    browser = Browser(site)
    answer = log_in(browser)
    assert answer.status_code == 403
    assert "expected a role for ann (127.0.0.1), got none: no value of the claim groups" in answer.text
    assert is_out(browser)
    assert 'UserID="ann (127.0.0.1)"' in site.trail.path.read_text()


def test_a_claim_may_lie_within_objects(node: Node, provider: OpenIdProvider) -> None:
    for claim, user in (
        ("realm_access.roles", {"realm_access": {"roles": ["mtra"]}}),
        ("https://x.example/roles", {"https://x.example/roles": ["mtra"]}),
    ):
        provider.user = {"sub": "u-2"} | user
        browser = Browser(made_site(node, openid=openid_of(provider, claim=claim)))
        log_in(browser)
        assert "u-2 (127.0.0.1) (operator)" in browser.get("/").text


WRONG_TOKENS: dict[str, tuple[Callable[[OpenIdProvider], None], str]] = {
    "wrong nonce": (lambda p: p.claims.update(nonce="another"), "of this sign-in"),
    "no nonce": (lambda p: p.claims.update(nonce=None), "of this sign-in"),
    "wrong audience": (lambda p: p.claims.update(aud="other"), "for another application"),
    "several audiences, no azp": (
        lambda p: p.claims.update(aud=[CLIENT, "other"]),
        "for another application",
    ),
    "for us by another": (lambda p: p.claims.update(azp="other"), "for another application"),
    "wrong issuer": (lambda p: p.claims.update(iss="https://other.example"), "of the configured issuer"),
    "no subject": (lambda p: p.claims.update(sub=None), "valid now"),
    "expired": (lambda p: p.claims.update(exp=int(time.time()) - 120), "valid now"),
    "not yet valid": (lambda p: p.claims.update(nbf=int(time.time()) + 600), "valid now"),
    "no end": (lambda p: p.claims.update(exp=None), "valid now"),
    "alg none": (lambda p: setattr(p, "sign", unsigned), "has signed"),
    "another key": (
        lambda p: setattr(p, "sign", lambda c: jwt.encode({"alg": "RS256", "kid": "k1"}, c, OTHER_KEY)),
        "has signed",
    ),
    "an unknown key": (
        lambda p: setattr(p, "sign", lambda c: jwt.encode({"alg": "RS256", "kid": "k2"}, c, OTHER_KEY)),
        "has signed",
    ),
    "our secret as key": (
        lambda p: setattr(p, "sign", lambda c: jwt.encode({"alg": "HS256"}, c, OctKey.import_key(SECRET))),
        "has signed",
    ),
    "the public key as secret": (
        lambda p: setattr(
            p,
            "sign",
            lambda c: jwt.encode(
                {"alg": "HS256", "kid": "k1"}, c, OctKey.import_key(str(KEY.as_dict(private=False)["n"]))
            ),
        ),
        "has signed",
    ),
    "a changed claim": (
        lambda p: setattr(
            p, "sign", lambda c: spliced(signed(c), signed(c | {"groups": ["osteon-admins", "x"]}))
        ),
        "has signed",
    ),
    "no token": (lambda p: setattr(p, "sign", lambda _: ""), "has signed"),
    "no text": (lambda p: setattr(p, "sign", lambda _: 7), "got none"),
}


def spliced(one: str, other: str) -> str:
    """The head and signature of a token around the claims of another."""
    head, _, signature = one.split(".")
    return f"{head}.{other.split('.')[1]}.{signature}"


@pytest.mark.parametrize("name", WRONG_TOKENS)
def test_a_wrong_token_lets_nobody_in(site: Site, provider: OpenIdProvider, name: str) -> None:
    spoil, expected = WRONG_TOKENS[name]
    spoil(provider)
    browser = Browser(site)
    answer = log_in(browser)
    assert (answer.status_code, expected in answer.text) == (403, True), answer.text
    assert is_out(browser)
    assert site.trail.path.read_text().count('UserID="unknown"') == 1


def test_new_keys_of_the_provider_are_read_when_they_are_needed(site: Site, provider: OpenIdProvider) -> None:
    assert log_in(Browser(site)).status_code == 200
    provider.keys = [KEY, OTHER_KEY]
    provider.sign = lambda claims: jwt.encode({"alg": "RS256", "kid": "k2"}, claims, OTHER_KEY)
    # The keys were read within the last minute
    assert log_in(Browser(site)).status_code == 403
    assert site.provider is not None
    site.provider.documents.now_s = lambda: time.monotonic() + 61
    assert log_in(Browser(site)).status_code == 200
    assert provider.asked.count("/keys") == 2


def test_an_answer_counts_once_and_for_the_browser_that_asked(site: Site, provider: OpenIdProvider) -> None:
    browser, other = Browser(site), Browser(site)
    address = httpx2.get(to_provider(browser)).headers["location"].removeprefix(PAGE)
    to_provider(other)
    # A login that somebody else has begun (login CSRF)
    assert "another; begin again" in other.get(address).text
    assert is_out(other)
    # Taken by the attempt
    assert browser.get(address).status_code == 403
    assert is_out(browser)
    address = httpx2.get(to_provider(browser)).headers["location"].removeprefix(PAGE)
    cookie = browser.client.cookies[SIGN_IN_COOKIE]
    assert browser.get(address).status_code == 200
    browser.get("/")
    browser.post("/logout")
    browser.client.cookies.set(SIGN_IN_COOKIE, cookie)
    assert browser.get(address).status_code == 403
    assert is_out(browser)
    # The code that came with the first answer was never taken to the provider
    assert len(provider.codes) == 1


@pytest.mark.parametrize("address", ["", "?state=", "?code=x", "?state=x&code=y", "?error=access_denied"])
def test_an_answer_that_nobody_asked_for_is_refused_without_asking_the_provider(
    site: Site, provider: OpenIdProvider, address: str
) -> None:
    browser = Browser(site)
    assert browser.get(f"/openid/answer{address}").status_code == 403
    assert is_out(browser)
    assert provider.asked == []


def test_an_answer_that_comes_too_late_or_from_elsewhere_is_refused(site: Site) -> None:
    browser = Browser(site)
    asked = to_provider(browser)
    site.sign_ins.now_s = lambda: time.monotonic() + 601
    assert back(browser, asked).status_code == 403
    site.sign_ins.now_s = time.monotonic
    address = httpx2.get(to_provider(browser)).headers["location"].removeprefix(PAGE)
    mixed = address.replace("iss=http%3A%2F%2F127.0.0.1", "iss=http%3A%2F%2F127.0.0.2")
    assert "of the configured issuer" in browser.get(mixed).text
    state = parse_qs(urlsplit(to_provider(browser)).query)["state"][0]
    denied = browser.get(f"/openid/answer?state={state}&error=access_denied&error_description=<b>")
    assert ("it denied access" in denied.text, "<b>" in denied.text) == (True, False)
    assert is_out(browser)


def test_no_parameter_leads_to_another_site(site: Site) -> None:
    others = "&".join(f"{name}=https://evil.example" for name in ("next", "url", "redirect_uri", "return_to"))
    browser = Browser(site)
    asked = browser.get(f"/openid/login?{others}").headers["location"]
    assert "evil" not in asked
    address = httpx2.get(asked).headers["location"].removeprefix(PAGE)
    answer = browser.get(f"{address}&{others}")
    assert ("evil" in answer.text, "location" in answer.headers) == (False, False)
    assert "evil" not in browser.get(f"/openid/logout?{others}").headers["location"]


@pytest.mark.parametrize(
    ("path", "answer", "status", "expected"),
    [
        ("/.well-known/openid-configuration", (503, {}), 503, "got HTTP status 503"),
        ("/.well-known/openid-configuration", (404, {}), 403, "got status 404"),
        ("/.well-known/openid-configuration", (302, {}), 403, "got status 302"),
        ("/token", (500, {}), 503, "got HTTP status 500"),
        ("/token", (401, {"error": "invalid_client"}), 403, "are client_id and client_secret right?"),
        ("/token", (400, {"error": "<script>"}), 403, "got status 400"),
        ("/token", (307, {}), 403, "got status 307"),
        ("/keys", (404, {}), 403, "got status 404"),
        ("/keys", (200, {"keys": [{"kty": "oct", "k": "AAAA"}, 7, {"kty": "RSA"}]}), 403, "has signed"),
    ],
)
def test_what_goes_wrong_at_the_provider_is_said(
    site: Site, provider: OpenIdProvider, path: str, answer: Any, status: int, expected: str
) -> None:
    provider.statuses[path] = answer
    browser = Browser(site)
    shown = browser.get("/openid/login")
    if shown.status_code == 303:
        shown = back(browser, shown.headers["location"])
    assert (shown.status_code, expected in shown.text, "<script>" in shown.text) == (status, True, False), (
        shown.text
    )
    assert is_out(browser)
    assert SECRET not in shown.text


def test_a_provider_that_is_not_there_is_said_and_local_accounts_still_log_in(
    node: Node, provider: OpenIdProvider
) -> None:
    settings = openid_of(provider, issuer="http://127.0.0.1:1")
    site = made_site(node, openid=settings)
    site.accounts.add("ann", "administrator", PASSWORD)
    browser = Browser(site)
    answer = browser.get("/openid/login")
    assert (answer.status_code, "is it running there?" in answer.text) == (503, True)
    assert "Studies" in browser.log_in("ann").text


@pytest.mark.parametrize(
    ("discovery", "expected"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"token_endpoint": "http://idp.example/token"}, "https addresses in token_endpoint"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "https addresses in authorization_endpoint"),
        ({"jwks_uri": None}, "https addresses in jwks_uri"),
        ({"code_challenge_methods_supported": ["plain"]}, "supports PKCE"),
    ],
)
def test_a_discovery_document_that_cannot_be_trusted_is_refused(
    site: Site, provider: OpenIdProvider, discovery: dict[str, Any], expected: str
) -> None:
    provider.discovery = discovery
    answer = Browser(site).get("/openid/login")
    assert (answer.status_code, expected in answer.text) == (403, True), answer.text


def test_the_secret_is_read_from_its_file_each_time_and_a_missing_one_is_said(
    node: Node, tmp_path: Path, provider: OpenIdProvider
) -> None:
    path = tmp_path / "secret"
    settings = openid_of(provider, client_secret="", client_secret_file=str(path))
    browser = Browser(made_site(node, openid=settings))
    assert "readable client_secret_file" in log_in(browser).text
    path.write_text("wrong\n")
    assert "are client_id and client_secret right?" in log_in(browser).text
    path.write_text(f"{SECRET}\n")
    assert log_in(browser).status_code == 200


def test_attempts_are_limited(site: Site) -> None:
    site.logins = RateLimits(5, 20.0, lambda: 0.0)
    browser = Browser(site)
    answers = [browser.get("/openid/login").status_code for _ in range(6)]
    assert answers == [303] * 5 + [429]
    answers = [browser.get("/openid/answer?state=x&code=y").status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]
    assert site.trail.path.read_text().count('UserID="unknown"') == 5


def test_a_page_without_a_provider_has_no_such_routes(node: Node) -> None:
    browser = Browser(made_site(node))
    for path in ("login", "answer", "logout"):
        assert browser.get(f"/openid/{path}").status_code == 404


def test_a_provider_is_enough_for_a_page_that_others_reach(node: Node, provider: OpenIdProvider) -> None:
    web = {"host": "0.0.0.0", "proxies": ["127.0.0.1"]}
    require_somebody(node.settings, WebSettings.model_validate(web | {"openid": openid_of(provider)}))
    with pytest.raises(UsageError, match="accounts or openid"):
        require_somebody(node.settings, WebSettings.model_validate(web))
