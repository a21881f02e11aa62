"""The progress of a training on stderr: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from training.progress import Tell

# Interval between plain lines of one stage
LINE_EVERY_S = 10.0


@dataclass
class Lines:
    """Prints a line when a stage begins, then one every `LINE_EVERY_S` until it ends."""

    console: Console
    now_s: Callable[[], float]
    said_s: dict[str, float] = field(default_factory=dict)
    begun: dict[str, tuple[float, float]] = field(default_factory=dict)

    def tell(self, stage: str, done: float | None, text: str) -> None:
        """Prints the progress of a stage unless the last line is too recent."""
        now_s = self.now_s()
        left = "" if done is None else self.left(stage, done, now_s)
        if now_s - self.said_s.get(stage, -LINE_EVERY_S) < LINE_EVERY_S and done != 1:
            return
        self.said_s[stage] = now_s
        share = "" if done is None else f" {done:.0%}"
        self.console.print(f"{stage}{share}{left}: {text}", markup=False, highlight=False, soft_wrap=True)

    def left(self, stage: str, done: float, now_s: float) -> str:
        """Returns the time left to a stage, at its speed since its share was first told, or nothing."""
        first_s, first = self.begun.get(stage, (now_s, done))
        if done <= first:
            # A stage that begins again, such as the steps of the next network
            self.begun[stage] = now_s, done
            return ""
        left_s = (now_s - first_s) * (1 - done) / (done - first)
        return f", {timedelta(seconds=round(left_s))} left" if done < 1 else ""


@dataclass
class Bars:
    """Shows a bar for each stage; one of unknown length pulses."""

    bars: Progress
    tasks: dict[str, TaskID] = field(default_factory=dict)

    def tell(self, stage: str, done: float | None, text: str) -> None:
        """Updates the bar of a stage, and adds it if the stage is new."""
        if stage not in self.tasks:
            for task in self.tasks.values():
                self.bars.stop_task(task)
            self.tasks[stage] = self.bars.add_task(stage, total=None, text="")
        total = None if done is None else 1.0
        self.bars.update(self.tasks[stage], total=total, completed=done or 0.0, text=escape(text))


@contextmanager
def training_display(console: Console, now_s: Callable[[], float] = time.monotonic) -> Iterator[Tell]:
    """Yields the callback through which a training reports its progress."""
    if not console.is_terminal:
        yield Lines(console, now_s).tell
        return
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=12),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=console) as bars:
        yield Bars(bars).tell
