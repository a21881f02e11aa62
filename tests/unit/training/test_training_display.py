"""Progress of a training as a person sees it, from its first second."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from app.cli.training_display import training_display
from tests.support.training.training_cases import tiny_run
from training.loop.trainer import train
from training.progress import PREPARE, TRAIN, VALIDATE, WAIT


def test_a_training_tells_of_every_subject_before_the_first_step(tmp_path: Path) -> None:
    told: list[tuple[str, float | None, str]] = []
    run = tiny_run(tmp_path, steps=4)
    train(run, lambda *each: told.append(each))
    stages = [stage for stage, _, _ in told]
    assert stages[0] == PREPARE
    assert list(dict.fromkeys(stages)) == [PREPARE, WAIT, TRAIN, VALIDATE]
    prepared = [text for stage, _, text in told if stage == PREPARE]
    assert {"a label map", "a set of bones", "a CT without the anatomy"} <= set(prepared)
    assert "validation patch 2 of 2" in prepared
    steps = [(done, text) for stage, done, text in told if stage == TRAIN]
    assert [text.split(",")[0] for _, text in steps] == [f"step {n} of 4" for n in (1, 2, 3, 4)]
    assert steps[-1][0] == 1
    told.clear()
    train(run, lambda *each: told.append(each))
    assert (PREPARE, None, "validation patches from the cache") in told


def test_elsewhere_than_on_a_terminal_lines_are_plain_and_few() -> None:
    output, clock = StringIO(), iter([0.0, 1.0, 2.0, 11.0, 12.0, 21.0, 22.0, 33.0])
    with training_display(Console(file=output, width=20), lambda: next(clock)) as tell:
        tell("prepare", None, "a label map of a body [red] that is long")
        tell("prepare", None, "not yet")
        tell("train", 0.25, "step 1 of 4")
        tell("prepare", 0.5, "again")
        tell("train", 0.5, "step 2 of 4")
        tell("prepare", 0.75, "half of the rest in ten seconds")
        tell("prepare", 0.25, "from the beginning")
        tell("train", 1.0, "step 4 of 4")
    assert output.getvalue().splitlines() == [
        "prepare: a label map of a body [red] that is long",
        "train 25%: step 1 of 4",
        "prepare 50%: again",
        "train 50%, 0:00:20 left: step 2 of 4",
        "prepare 75%, 0:00:10 left: half of the rest in ten seconds",
        "train 100%: step 4 of 4",
    ]


def test_a_terminal_of_80_columns_shows_stage_and_words() -> None:
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system=None)
    with training_display(console) as tell:
        tell("prepare", None, "a CT without the anatomy [x]")
        tell("train", 0.5, "step 1500 of 3000, loss 0.123")
    shown = output.getvalue()
    assert "a CT without the anatomy [x]" in shown
    assert "step 1500 of 3000, loss 0.123" in shown
