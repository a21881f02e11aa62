"""From labelled CTs to an installed package: by one command, killed and resumed, on a disk that fills up."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from app.cli.command_line import execute
from app.cli.commands import app
from app.cli.training.train_new import starting_networks
from operators.errors import ModelError, OutputError, UsageError
from operators.geometry.volume import LabelMap
from operators.importing.install import verify
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.pipelines.coarse_to_fine import segment
from tests.support.faults.small_disk import fill, small_disk
from tests.support.training.synthetic_datasets import made_case, write_image, write_mask, write_raw
from tests.support.training.training_cases import ROOT
from training.datasets.importing import Wishes, import_dataset
from training.datasets.layout import read_dataset
from training.labelled_ct.fold_training import LabelledCtRun
from training.labelled_ct.labelled_run import train
from training.labelled_ct.refinement import new_tables
from training.loop import trainer

NAME = "thighs"
# Both bones are one class: large and bright in a soft body, which so many steps teach
LABELS = {"background": 0, "femur_left_1": 1, "femur_left_2": 2}
RADII_MM = (14.0, 12.0)
STEPS, CASES = 140, 4
# Of a process that writes a checkpoint every few steps
COMMAND = (
    "from training.loop import trainer; trainer.KEEP_EVERY = 10; from app.cli.commands import main; main()"
)


def write_set(folder: Path, count: int = CASES) -> Path:
    source = write_raw(folder / "source", {f"c{n}": n for n in range(count)}, LABELS, RADII_MM, hollow=True)
    import_dataset(source, folder / "dataset", Wishes())
    return folder / "dataset"


def words(folder: Path, *more: str) -> list[str]:
    places = {"--data": "dataset", "--runs": "runs", "--models": "models"}
    given = [word for option, place in places.items() for word in (option, str(folder / place))]
    return ["train", "--new", NAME, "--folds", "2", "--workers", "0", *given, *more]


def osteon(*given: str) -> object:
    with pytest.raises(SystemExit) as ended:
        execute(app, list(given))
    return ended.value.code


def make_small(plan: Path) -> None:
    """The user's own change of the plan: networks that learn in seconds."""
    text = plan.read_text(encoding="utf-8")
    for key, value in {"patch": [24, 24, 24], "filters": [16, 32], "learning_rate": 0.02}.items():
        text = re.sub(rf"{key} = .*", f"{key} = {value}", text)
    coarse, fine = text.split("[networks.fine]")
    parts = (
        re.sub(r"spacing_mm = .*", f"spacing_mm = {mm}", part) for mm, part in ((4.0, coarse), (2.5, fine))
    )
    plan.write_text("[networks.fine]".join(parts), encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one command trained and installed, after its plan was changed."""
    folder = tmp_path_factory.mktemp("own")
    write_set(folder)
    assert osteon(*words(folder, "--plan-only")) == 0
    make_small(folder / "runs" / NAME / "training.toml")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "KEEP_EVERY", STEPS // 4)
        assert osteon(*words(folder, "--steps", str(STEPS))) == 0
    return folder


def run_of(folder: Path, **changes: object) -> LabelledCtRun:
    given = {"folds": 2, "workers": 0, "steps": STEPS, **changes}
    dataset = read_dataset(folder / "dataset")
    return LabelledCtRun(NAME, dataset, folder / "runs" / NAME, folder / "models", **given)  # type: ignore[arg-type]


def test_the_package_finds_the_bones_of_a_scan_that_nobody_saw(trained: Path) -> None:
    folder = trained / "models" / NAME
    package = read_coarse_to_fine_package(folder / PACKAGE_FILE)
    image, truth = made_case(99, RADII_MM, hollow=True)
    found = segment(image, package, Networks(Device()), lambda *_: None).label_map.labels > 0
    true = truth.labels > 0
    # 0.72 when it was written
    dice = 2 * np.count_nonzero(found & true) / (found.sum() + true.sum())
    assert dice > 0.4
    (label,) = package.labels
    assert (label.name, label.structure.type.value) == ("femur_left", "71341001")
    files = {path.name for path in folder.iterdir()}
    assert {"MODEL_CARD.md", "curves.svg", "training.toml", "fine.training.json"} <= files
    # Patients' keys stay with the training
    assert "folds.csv" not in files


def test_the_card_says_what_was_measured_of_whom(trained: Path) -> None:
    folder = trained / "models" / NAME
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Not for clinical use" in card
    row = next(line for line in card.splitlines() if line.startswith("| femur_left |"))
    first, second, all_of = (float(cell) for cell in row.split("|")[2:5])
    assert min(first, second) <= all_of <= max(first, second)
    folds = (trained / "runs" / NAME / "folds.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(folds.splitlines()))
    assert sorted(row["case"] for row in rows) == [f"c{n}" for n in range(CASES)]
    assert sorted(row["fold"] for row in rows) == ["1", "1", "2", "2"]


def test_the_loss_of_every_network_falls(trained: Path) -> None:
    logs = sorted((trained / "runs" / NAME).glob("fold-*/*.jsonl"))
    assert len(logs) == 4
    for log in logs:
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        assert [row["step"] for row in rows][:4] == [STEPS // 4 * n for n in range(1, 5)]
        assert rows[3]["loss"] < 0.8 * rows[0]["loss"]


def test_the_same_name_is_not_taken_twice(trained: Path) -> None:
    with pytest.raises(UsageError, match=f"expected an unused name, got {NAME}"):
        list(train(run_of(trained)))


def test_a_full_disk_at_the_end_installs_nothing_and_the_same_command_does_later(
    trained: Path, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        fill(disk, 200_000)
        run = LabelledCtRun(NAME, run_of(trained).dataset, trained / "runs" / NAME, disk / "models", folds=2)
        with pytest.raises(OutputError, match="No space left on device"):
            list(train(run))
        assert list((disk / "models").iterdir()) == []
        (disk / "ballast").unlink()
        assert not [line for line in train(run) if line.endswith(": trained")]
        assert read_coarse_to_fine_package(disk / "models" / NAME / PACKAGE_FILE).name == NAME


def test_an_ensemble_of_all_folds_is_a_package_that_runs_and_starts_other_trainings(
    trained: Path, tmp_path: Path
) -> None:
    run = replace(run_of(trained), models=tmp_path / "models", ensemble=True)
    said = list(train(run))
    assert not [line for line in said if line.endswith(": trained")]
    folder = tmp_path / "models" / NAME
    assert said[-1] == f"installed in {folder}: the mean of the networks of 2 folds"
    package = verify(folder)
    assert isinstance(package, CoarseToFinePackage)
    image, truth = made_case(99, RADII_MM, hollow=True)
    found = segment(image, package, Networks(Device()), lambda *_: None).label_map.labels > 0
    true = truth.labels > 0
    assert 2 * np.count_nonzero(found & true) / (found.sum() + true.sum()) > 0.4
    files = {path.name for path in folder.iterdir()}
    assert {f"fine-fold-{number}.training.json" for number in (1, 2)} <= files
    assert "networks of 2 of 2 folds as one" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    start = starting_networks(folder, tmp_path / "models")
    assert start["fine"].arguments["filters"] == [16, 32]
    assert new_tables(folder, {"fine": "0"})["networks"]["fine"]["architecture"] == "subpixel_unet"


def test_a_disk_that_fills_up_while_training_loses_no_checkpoint(trained: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        shutil.copytree(
            trained / "runs" / NAME, disk / "runs" / NAME, ignore=shutil.ignore_patterns("fold-*")
        )
        run = LabelledCtRun(
            NAME,
            run_of(trained).dataset,
            disk / "runs" / NAME,
            tmp_path / "models",
            folds=2,
            steps=2,
            workers=0,
        )
        fill(disk, 300_000)
        with pytest.raises(OutputError, match="No space left on device"):
            list(train(run))
        assert not list(disk.rglob("*.part"))
        (disk / "ballast").unlink()
        # Two steps may teach nothing, which is not worth a package
        with suppress(ModelError):
            list(train(run))
        assert len(list(disk.rglob("fine.safetensors"))) == 2


def test_a_killed_training_goes_on_where_it_was(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "dataset", tmp_path / "dataset")
    shutil.copytree(trained / "runs", tmp_path / "runs")
    fold = tmp_path / "runs" / NAME / "fold-1"
    for path in (*fold.glob("fine*"), fold / "scores.json"):
        path.unlink()
    others = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs" / NAME).rglob("*.safetensors")}
    command = [sys.executable, "-c", COMMAND, *words(tmp_path), "--steps", "40"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + 900
    while not (fold / "fine.checkpoint").is_file() and process.poll() is None and time.monotonic() < ends:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "models" / NAME).exists()
    lines = list(train(run_of(tmp_path, steps=40)))
    assert [line for line in lines if line.endswith(": trained")] == ["fold 1, fine: trained"]
    assert lines[-1].startswith(f"installed in {tmp_path / 'models' / NAME}")
    assert {path: path.stat().st_mtime_ns for path in others} == others
    log = [json.loads(line) for line in (fold / "fine.jsonl").read_text(encoding="utf-8").splitlines()]
    began = [row["from_step"] for row in log if "began" in row][-1]
    assert 0 < began < 40
    assert began % 10 == 0


def test_other_data_under_the_same_run_are_refused(trained: Path, tmp_path: Path) -> None:
    write_set(tmp_path, CASES + 1)
    run = LabelledCtRun(
        NAME, read_dataset(tmp_path / "dataset"), trained / "runs" / NAME, tmp_path / "models", folds=2
    )
    with pytest.raises(UsageError, match="lists, got others; use another --runs"):
        list(train(run, plan_only=True))


def test_a_training_starts_from_the_networks_of_a_package(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / "dataset", tmp_path / "dataset")
    start = str(trained / "models" / NAME)
    assert osteon(*words(tmp_path, "--start-from", start, "--plan-only")) == 0
    plan = tmp_path / "runs" / NAME / "training.toml"
    assert "filters = [16, 32]" in plan.read_text(encoding="utf-8")
    make_small(plan)
    assert osteon(*words(tmp_path, "--start-from", start, "--steps", "1")) == 0
    card = (tmp_path / "models" / NAME / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"Started from {NAME}/coarse.safetensors, {NAME}/fine.safetensors" in card


def corrected(folder: Path, seed: int) -> list[str]:
    """A CT whose bones somebody outlined one voxel farther out, as files beside each other."""
    image, labels = made_case(seed, RADII_MM, hollow=True)
    grown = ndimage.grey_dilation(labels.labels, footprint=ndimage.generate_binary_structure(3, 1))
    write_image(image, folder / f"s{seed}" / "ct.nii.gz")
    write_mask(LabelMap(grown, labels.grid), folder / f"s{seed}" / "edited_seg.nii.gz")
    return [str(folder / f"s{seed}")]


def test_corrections_are_filed_learnt_compared_and_taken_back(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "models", tmp_path / "models")
    models, filed = ["--models", str(tmp_path / "models")], ["--corrections", str(tmp_path / "corrections")]
    given = [word for seed in (20, 21, 22, 23) for word in corrected(tmp_path, seed)]
    add = ["corrections", "add", "--package", NAME, "--who", "Ada", *models, *filed]
    assert osteon(*add, *given) == 0
    told = capsys.readouterr().out
    assert "c0004, version 1, by Ada" in told
    assert "femur_left: Dice with the prediction 0." in told
    assert osteon(*add, *corrected(tmp_path, 20)) == 0
    assert "c0001, version 2, by Ada" in capsys.readouterr().out
    assert (tmp_path / "corrections" / NAME / "versions" / "c0001.1.nii.gz").is_file()
    folder = tmp_path / "models" / NAME
    before = (folder / PACKAGE_FILE).read_bytes()
    runs = ["--runs", str(tmp_path / "runs"), "--workers", "0", "--folds", "2"]
    train_again = ["train", NAME, "--from-corrections", *models, *filed, *runs, "--steps", "4"]
    assert osteon(*train_again, "--better", "0.9") == 0
    told = capsys.readouterr().out
    assert "not installed: expected a mean Dice higher by 0.9 or more" in told
    assert (folder / PACKAGE_FILE).read_bytes() == before
    assert osteon(*train_again, "--better", "-1", "--worse", "1") == 0
    assert "version 2 is in use" in capsys.readouterr().out
    assert read_coarse_to_fine_package(folder / PACKAGE_FILE).version == "2"
    assert "## Version 2: 4 corrections of 4 patients" in (folder / "MODEL_CARD.md").read_text(
        encoding="utf-8"
    )
    assert osteon("models", "verify", NAME, *models) == 0
    assert osteon("models", "rollback", NAME, *models) == 0
    assert (folder / PACKAGE_FILE).read_bytes() == before
