"""The page with 10,000 studies: time for the list, against reading the same jobs from the database each time.

python -m benchmarks.node.page [--studies 10000]
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from urllib.parse import urlencode
from urllib.request import Request, build_opener

import sqlalchemy as sa

from app.node.queue.database import table_engine
from app.node.queue.jobs.job_list import list_jobs
from tests.service.app.node.studies.test_retention import Node
from tests.support.node.node_processes import until
from tests.support.node.page_site import TOKEN, made_site, node_with_peers, receive, served
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, ScriptedSegmenter, worked_off
from training.command_line import run

REPEATS = 15
# DBOS's tables with rows of a job and of its delivery, whose id ends with the destination
TABLES = ("workflow_status", "workflow_input", "workflow_output")
CHANGED = {
    "workflow_uuid": "'1.2.' || n || '-' || printf('%016x', n) || "
    "CASE WHEN workflow_uuid LIKE '%>%' THEN '>pacs' ELSE '' END",
    "created_at": "created_at - n * 1000",
}
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)"


def main(*, studies: int = 10_000) -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as folder:
        here = node_with_peers(Path(folder))
        copy_jobs(here, studies)
        measure(here, studies)


def copy_jobs(here: Node, count: int) -> None:
    """Makes one delivered job, and copies its rows until there are `count`."""
    receive(here, 1)
    with worked_off(here.settings, ScriptedSegmenter(lambda: SEGMENTED), lambda _: DELIVERED):
        until(lambda: here.states() == ["delivered"])
    engine, _ = table_engine(here.settings)
    with engine.begin() as connection:
        for table in TABLES:
            columns = [column["name"] for column in sa.inspect(engine).get_columns(table)]
            values = ", ".join(CHANGED.get(name, name) for name in columns)
            text = (
                f"INSERT INTO {table} ({', '.join(columns)}) {NUMBERS} SELECT {values} FROM {table}, numbers"
            )
            connection.execute(sa.text(text), {"count": count})


def measure(here: Node, count: int) -> None:
    """Prints how long the list takes by HTTP on loopback, and how long the database takes."""
    site = made_site(here, echo_s=0)
    first_s = seconds(site.index.fresh)
    assert len(site.index.jobs) == count
    unread = site.identities.keep([job.job_id for job in site.index.jobs], count)
    assert unread == 0
    peer_ms = 1000 * median(seconds(lambda: list_jobs(here.client, detailed=True)) for _ in range(3))
    with served(site) as url:
        opener = build_opener()
        answer = opener.open(url)
        text, cookie = answer.read().decode(), answer.headers["Set-Cookie"].partition(";")[0]
        found = TOKEN.search(text)
        assert found

        def ask(form: dict[str, str] | None = None) -> bytes:
            data = urlencode(form | {"csrf": found[1]}).encode() if form else None
            with opener.open(Request(url, data, {"Cookie": cookie, "HX-Request": "true"})) as answer:
                return bytes(answer.read())

        site.changes.known.clear()
        # As while a page is open: its stream of events keeps the list fresh
        site.index.now_s = lambda: site.index.looked_s
        list_ms = repeated_ms(ask)
        search_ms = repeated_ms(lambda: ask({"text": "1.2.77", "group": "delivered"}))
        look_ms = repeated_ms(site.index._look)
        began_s = time.process_time()
        repeated_ms(ask)
        cpu_ms = 1000 * (time.process_time() - began_s) / REPEATS
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{count} studies; peer: list_jobs, {peer_ms:.0f} ms")
    print(f"list {list_ms:.0f} ms, {list_ms / peer_ms:.3f} of the peer; search {search_ms:.0f} ms")
    print(f"list, time of the processor {cpu_ms:.0f} ms; look for changes {look_ms:.0f} ms")
    print(f"first look {first_s:.1f} s; peak memory of this process {memory_mb:.0f} MB")


def repeated_ms(run: Callable[[], object]) -> float:
    """Returns the median time of a call."""
    return 1000 * median(seconds(run) for _ in range(REPEATS))


def seconds(run: Callable[[], object]) -> float:
    """Returns the time of a call."""
    began_s = time.perf_counter()
    run()
    return time.perf_counter() - began_s


if __name__ == "__main__":
    run(main, __doc__)
