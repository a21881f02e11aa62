"""What tests do with the node's page in a browser: log in, wait, check accessibility, keep a screenshot."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from app.node.accounts.accounts import Role
from app.web.access import COOKIE
from app.web.site import Site
from tests.support.browsers.browser import Page
from tests.support.node.node_processes import until
from tests.support.training.training_cases import ROOT

SCREENSHOTS = ROOT / "build" / "screenshots" / "page"


def colours(page: Page, scheme: str) -> None:
    """Has the system prefer light or dark."""
    page.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def leads_to(page: Page, script: str) -> None:
    """Waits until the expression is true on this page or on the next one."""

    def is_true() -> bool:
        try:
            return bool(page.run(f"document.readyState === 'complete' && ({script})"))
        except RuntimeError:  # between two pages
            return False

    until(is_true)


def enter(page: Page, site: Site, url: str, role: Role) -> None:
    """Gives the browser the session of a user with this role, as after logging in."""
    token, _ = site.sessions.begin(site.accounts.all()[f"{role}-1"])
    page.ask("Network.clearBrowserCookies")
    page.ask("Network.setCookie", name=COOKIE, value=token, url=url, httpOnly=True, sameSite="Strict")


def violations(page: Page) -> list[tuple[str, str]]:
    """Returns the rules of axe-core that the page breaks, with the element that breaks each."""
    origin = find_spec("axe_core_python")
    assert origin is not None
    page.run((Path(str(origin.origin)).parent / "axe.min.js").read_text(encoding="utf-8") + "; 0")
    found = json.loads(page.run("axe.run().then(found => JSON.stringify(found.violations))"))
    return [(each["id"], each["nodes"][0]["html"][:120]) for each in found]


def keep(page: Page, name: str) -> None:
    """Saves a screenshot of the whole page, below its visible part too."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    width, height = page.run("[innerWidth, innerHeight]")
    page.resize(width, min(int(page.run("document.documentElement.scrollHeight")), 4000))
    page.picture(SCREENSHOTS / f"{name}.png")
    page.resize(width, height)
