"""The graph of operators: all of them end before it does; a failing one's error comes out of it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.run.series_job import import_graph
from operators.errors import UnsuitableError
from operators.process.memory import allow_deep_stack
from operators.process.signal_actions import SignalActions

# A graph that is never freed keeps 19 MB
FAILING_RUNS, MOST_MB = 30, 150
OPERATORS = {
    "series_selector": "SeriesSelectorOperator",
    "resampler": "ResamplerOperator",
    "anatomy_segmenter": "AnatomySegmenterOperator",
    "fracture_segmenter": "FractureSegmenterOperator",
    "measurer": "MeasurerOperator",
    "seg_writer": "SegWriterOperator",
}
WRITERS = ("ReportWriterOperator", "PictureWriterOperator")


@pytest.fixture
def run_graph(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Returns the function that runs the graph."""
    monkeypatch.setenv("HOLOSCAN_LOG_LEVEL", "OFF")
    allow_deep_stack()
    import_graph()
    run: Callable[[Any], Any] = import_module("app.graph").run_graph
    return run


def operators() -> list[type[Any]]:
    """Returns the classes of the graph's operators."""
    found = [getattr(import_module(f"operators.{module}"), name) for module, name in OPERATORS.items()]
    writers = import_module("operators.result_writers")
    return [*found, *(getattr(writers, name) for name in WRITERS)]


def work() -> Any:
    """Returns the input of a graph whose operators need none."""
    observer = SimpleNamespace(measured=lambda _: nullcontext())
    paths = SimpleNamespace(files={})
    return SimpleNamespace(paths=paths, observer=observer, errors=[], signals=SignalActions())


def resident_mb() -> float:
    """Returns the memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_every_operator_ends_however_long_each_takes(
    monkeypatch: pytest.MonkeyPatch, run_graph: Callable[[Any], Any]
) -> None:
    ended: list[type[Any]] = []
    drawn = random.Random(0)

    def replace(operator: type[Any]) -> None:
        def run(self: Any, *_: Any) -> int:
            time.sleep(drawn.choice((0, 0, 0.001, 0.01, 0.03)))
            ended.append(operator)
            self.segmentation = "reported"
            return 1

        monkeypatch.setattr(operator, "run", run)

    expected = operators()
    for each in expected:
        replace(each)
    for _ in range(100):
        ended.clear()
        assert run_graph(work()) == "reported"
        assert sorted(map(str, ended)) == sorted(map(str, expected))


def test_a_failing_graph_raises_its_error_and_keeps_no_memory(
    monkeypatch: pytest.MonkeyPatch, run_graph: Callable[[Any], Any]
) -> None:
    def refuse(*_: Any) -> Any:
        raise UnsuitableError("expected a pelvis, got none", code="anatomy_not_found")

    monkeypatch.setattr(operators()[0], "run", refuse)
    before_mb = 0.0
    for n in range(FAILING_RUNS + 1):
        with pytest.raises(UnsuitableError, match="expected a pelvis"):
            run_graph(work())
        if n == 0:
            before_mb = resident_mb()
    assert resident_mb() - before_mb < MOST_MB


SLOW_GRAPH = """
import os, signal, sys, time
os.environ["HOLOSCAN_LOG_LEVEL"] = "OFF"
signal.signal(signal.SIGINT, signal.SIG_IGN)
from tests.slow.app.run import test_graph as cases
from app.run.series_job import import_graph
cases.allow_deep_stack()
import_graph()
from app.graph import run_graph

def run(self, *_):
    print("runs", flush=True)
    time.sleep(0.5)
    self.segmentation = "reported"
    return 1

for operator in cases.operators():
    operator.run = run
print(run_graph(cases.work()), flush=True)
"""


def slow_graph(number: int) -> tuple[int, str]:
    """Returns the return code and the last line of a process with a graph that gets a signal, which is
    SIGTERM or the ignored SIGINT.
    """
    with subprocess.Popen([sys.executable, "-c", SLOW_GRAPH], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        child.send_signal(number)
        lines = child.stdout.read().split()
    return child.returncode, lines[-1] if lines else ""


def test_the_signal_to_stop_stops_the_process_at_once() -> None:
    assert slow_graph(signal.SIGTERM) == (-signal.SIGTERM, "")


def test_a_signal_that_is_ignored_leaves_the_graph_whole() -> None:
    assert slow_graph(signal.SIGINT) == (0, "reported")
