"""The time until the page's viewer has drawn the first picture of a CT, against that for the whole CT.

    python -m benchmarks.node.first_picture [--shape 512 512 300] [--repeats 5]

The page and the browser (Chromium, whose SwiftShader draws WebGL on the processor) share one machine. Each
repetition is a new browser that has opened the page of the study before, and a page that has nothing of the
study in memory. Times are from the request for the viewer to the frame after the picture was drawn.
"""

from __future__ import annotations

import json
import tempfile
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Annotated

from app.web.server import VIEWING
from app.web.site import Site
from tests.support.browsers.browser import chromium
from tests.support.node.node_processes import until
from tests.support.node.page_site import made_site, node_with_peers, served
from tests.support.node.viewed_study import segmented_study
from training.command_line import MANY, run

# Notes when the browser presented the still picture, and the frame after the viewer reached each other state
WATCH = """
window.reached = {};
new PerformanceObserver(list => {
  for (const each of list.getEntries()) if (each.id === "still") window.reached.still = each.renderTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
new MutationObserver(() => {
  const state = document.getElementById("viewer")?.dataset.state;
  if (!state || state === "still" || window.reached[state]) return;
  window.reached[state] = true;
  requestAnimationFrame(() => requestAnimationFrame(() => { window.reached[state] = performance.now(); }));
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-state"] });
"""
LIMIT_S = 600.0
# A still picture of the middle planes; the coarse CT; the whole CT with its segments; also the surfaces
STATES = ("still", "first", "whole", "ready")


def main(*, shape: Annotated[tuple[int, int, int], MANY] = (512, 512, 300), repeats: int = 5) -> None:
    """Prints the figures."""
    for module in VIEWING:
        import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        here = node_with_peers(Path(folder))
        name = segmented_study(here, 1, shape)
        site = made_site(here)
        with served(site) as url:
            found = [seconds(site, f"{url}/jobs/{name}", Path(folder) / str(n)) for n in range(repeats)]
    print(f"CT of {' x '.join(map(str, shape))}, {repeats} repetitions, median (least to most)")
    for state in STATES:
        times = sorted(each[state] for each in found)
        share = median(each[state] / each["whole"] for each in found)
        span = f"{median(times):6.2f} s ({times[0]:.2f} to {times[-1]:.2f})"
        print(f"{state:6} {span}, {share:.2f} of the time to the whole CT")


def seconds(site: Site, address: str, profile: Path) -> dict[str, float]:
    """Returns the time after which each state was reached, in a new browser."""
    site.views.scans.clear()
    site.views.firsts.clear()
    site.views.volumes.clear()
    with chromium(profile) as page:
        page.resize(1280, 900)
        page.open(address)
        page.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        page.open(f"{address}/series/0")
        until(lambda: page.run("window.reached.ready > 1 && window.reached.still > 0"), LIMIT_S)
        reached = json.loads(page.run("JSON.stringify(window.reached)"))
    return {state: reached[state] / 1000 for state in STATES}


if __name__ == "__main__":
    run(main, __doc__)
