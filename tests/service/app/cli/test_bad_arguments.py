"""Every command with invalid arguments: one sentence on what was expected and found, and an exit code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from app.cli.commands import app
from app.cli.config import config_app
from app.cli.corrections import corrections_app
from app.cli.data import data_app
from app.cli.models.packages import models_app
from app.cli.node.users import users_app
from tests.support.node.node_processes import until
from tests.support.packages.model_cases import ran
from tests.support.training.training_cases import ROOT

OSTEON = [sys.executable, "-W", "ignore", "-c", "from app.cli.commands import main; main()"]
# The names of Python's errors, and the number of the operating system's
BARE = re.compile(r"\b\w+Error\b|\bErrno\b|Traceback|\bNone\b")

UNKNOWN = "expected one of the packages femur, humerus, pelvis, radiograph, spine, got"
# Command, exit code, and a part of the sentence. `text` is a folder with a file that is no DICOM.
CASES = [
    ("run none -o out", 2, "expected an input folder or file, none does not exist"),
    ("run loop -o out", 2, "expected an input folder or file, loop does not exist"),
    ("run empty -o out", 4, "expected DICOM files, got an empty folder"),
    ("run file.txt -o out", 4, "expected DICOM files, got 1 other file"),
    ("run text -o out", 4, "expected DICOM files, got 1 other file"),
    ("run text -o file.txt", 6, "expected an output folder that can be written, got file.txt: File exists"),
    ("run text -o file.txt/x", 6, "got file.txt/x: Not a directory"),
    (
        "run text -o out --package nobody",
        2,
        UNKNOWN,
    ),
    ("run text -o out -m empty", 5, "expected a folder of model packages"),
    ("run text -o out -m broken", 5, "expected a model package in one/package.toml, could not read it: "),
    ("run text -o out -m toml", 5, "could not read it: Invalid value (at "),
    ("run text -o out --files xyz", 2, 'Invalid value "xyz" for --files. Choose from: "stl"'),
    ("run text -o out --config none", 2, "expected a configuration file at --config, got none, which "),
    ("run text -o out --config empty", 2, "got empty, which is a folder"),
    ("run text -o out --config broken.yaml", 2, "section osteon at broken.yaml, got: expected the node "),
    ("run text -o out --config wrong.yaml", 2, "wrong.yaml, line 1: setting threads: "),
    ("run text -o out --bogus", 2, "Unknown option: --bogus. See --help"),
    ("run", 2, "expected an input folder, got none; try: osteon run IN -o OUT"),
    ("series none", 2, "expected an input folder or file, none does not exist"),
    ("series empty", 4, "expected DICOM files, got an empty folder"),
    ("series text", 4, "expected DICOM files, got 1 other file"),
    ("series text -m none", 5, "expected a folder of model packages"),
    ("export none -o out", 2, "expected a file with segments and an output folder; try: osteon export SEG"),
    ("export file.txt -o out", 4, "expected a DICOM SEG at file.txt, got a file that is not DICOM"),
    ("export file.txt", 2, "expected a file with segments and an output folder"),
    ("evaluate none none --package pelvis", 2, "expected a file, or a folder that holds"),
    ("evaluate empty empty --package pelvis", 2, "expected a file, or a folder that holds"),
    (
        "evaluate file.txt file.txt --package pelvis",
        4,
        "expected a DICOM SEG at file.txt, got a file that is not DICOM",
    ),
    (
        "evaluate broken.nii.gz broken.nii.gz --package pelvis",
        4,
        "expected a NIfTI label map at broken.nii.gz, got: ",
    ),
    (
        "evaluate file.txt file.txt",
        2,
        "expected --package NAME: label values mean different bones in femur, ",
    ),
    (
        "evaluate file.txt file.txt --package nobody",
        2,
        UNKNOWN,
    ),
    ("train nobody --data empty", 2, "expected a recipe nobody/training.toml in the models folder"),
    ("train pelvis --data none", 2, "in the data folder, found none"),
    ("train pelvis --data file.txt", 2, "in the data folder, found none"),
    ("train pelvis --data empty --network nobody", 2, "expected one of the networks coarse, fine, "),
    ("train pelvis --data empty --start-from none", 2, "at --start-from, none is not a file"),
    ("train pelvis --data empty --runs file.txt", 6, "expected file.txt to be readable and writable"),
    ("train pelvis", 2, "expected --data with a folder, got none"),
    ("corrections add", 2, "parameter --package requires an argument"),
    ("corrections list --data none", 2, "expected the data folder of a node at --data, got none, which"),
    ("corrections send", 2, "INSTANCE"),
    ("corrections send 1.2 --data none", 2, "expected the data folder of a node at --data, got none, which"),
    ("models rollback nobody", 2, UNKNOWN),
    ("notify --config none", 2, "expected a configuration file at --config, got none, which "),
    ("data import none --to out", 2, "expected a folder with labelled images, got none"),
    ("data import empty --to set", 3, "expected labelled images in empty (nnU-Net raw"),
    ("data import empty", 2, "parameter --to requires an argument"),
    ("data check none", 4, "expected a data set in none/dataset.toml, could not read it"),
    ("data check empty", 4, "expected a data set in empty/dataset.toml, could not read it"),
    ("users add ann king", 2, 'Invalid value "king" for ROLE. Choose from: "viewer"'),
    ("users list --data none", 2, "expected the data folder of a node at --data, got none, which"),
    ("users remove bob --data none", 2, "expected the data folder of a node at --data, got none, which"),
    ("users change bob --data none", 2, "expected the data folder of a node at --data, got none, which"),
    ("models install nobody", 2, "expected one of the models totalsegmentator, "),
    ("models install --catalogue none", 5, "expected a catalogue of models in "),
    ("calibrate nobody --data empty", 2, "expected a recipe nobody/training.toml"),
    ("calibrate pelvis --data none", 2, "in the data folder, found 0"),
    ("demo --output file.txt", 6, "expected an output folder that can be written, got file.txt"),
    ("demo --seed -1", 2, "expected --coarser from 0.5 to 6 and --seed of at least 0, got 1 and -1"),
    ("demo --coarser 0", 2, "got 0 and 1"),
    ("serve --port 99999", 2, "setting node.port: "),
    ("serve --peer x", 2, "expected a peer as NAME=AETITLE[@HOST:PORT or @http...], got 'x'"),
    ("serve --models empty", 5, "expected a folder of model packages"),
    ("send nobody file.txt", 2, "expected one of the destinations (none is set"),
    ("send pacs none --peer pacs=PACS@127.0.0.1:1", 2, "expected DICOM files or folders, none does not"),
    ("send pacs empty --peer pacs=PACS@127.0.0.1:1", 2, "expected DICOM files, got empty folders"),
    (
        "send pacs file.txt --peer pacs=PACS@127.0.0.1:1",
        4,
        "expected a DICOM file, got file.txt, which is not one",
    ),
    ("jobs bogus", 2, 'Invalid value "bogus" for ACTION'),
    ("jobs show", 2, "expected the id of a job: osteon jobs show ID"),
    ("jobs --data none", 2, "expected the data folder of a node at --data, got none, which does not exist"),
    ("jobs --data file.txt", 2, "got file.txt, which is a file"),
    ("models list -m none", 5, "expected a folder of model packages, got none, which does not exist"),
    ("models list -m file.txt", 5, "got file.txt, which is a file"),
    ("models show nobody", 2, UNKNOWN),
    ("models show one -m broken", 5, "could not read it: version: expected a value, but the key is missing"),
    ("models import none", 2, "expected a folder with a published model, got none"),
    ("models import empty", 5, "got empty with none of them"),
    ("models import empty --orientation ABC", 2, "expected an orientation such as LPS or RAS, got ABC"),
    ("models verify nobody", 2, UNKNOWN),
    ("models verify -m empty", 5, "expected a folder of model packages, found none in empty"),
    ("models verify -m toml", 5, "could not read it: Invalid value"),
    ("models bench nobody", 2, UNKNOWN),
    ("models bench --device abacus", 2, "setting device: "),
    ("config check none.yaml", 2, "expected a configuration file at none.yaml, got: No such file"),
    ("config check empty", 2, "expected a configuration file at empty, got: Is a directory"),
    ("config check broken.yaml", 2, "expected a configuration file at broken.yaml, got: expected the node "),
    ("config schema --bogus", 2, "Unknown option: --bogus"),
    ("exec none -i text -o out", 2, "expected an application's folder with __main__.py, or a file, got none"),
    ("exec empty -i text -o out", 2, "got empty"),
    ("package -t x", 2, "expected one of docker, podman, buildah to be installed, found none"),
    ("package -t x --tool podman", 2, "expected podman to be installed, found none"),
    ("run-map x -i none -o out", 2, "expected an input folder or file, none does not exist"),
    ("run-map x -i text -o out -m none", 2, "expected a folder of model packages, got none"),
    ("run-map x -i text -o out", 2, "to be installed for the image x"),
    ("show none", 2, "to be installed for the image none, which is not a folder here, found none"),
    ("show empty", 2, "expected an app.yaml with the sections application and resources in empty, got: "),
    ("extract none -o out", 2, "to be installed for the image none"),
    ("extract empty -o out", 2, "expected an app.yaml"),
    (f"extract {ROOT} -o file.txt", 6, "expected an output folder that can be written, got file.txt"),
    ("validate none", 2, "to be installed for the image none"),
    ("validate empty", 2, "expected an app.yaml"),
    ("check --bogus", 2, "Unknown option: --bogus"),
    ("nothing", 2, 'Unknown command "nothing"'),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the cases name."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("empty", "text", "broken/one", "toml/one"):
        (folder / name).mkdir(parents=True)
    (folder / "loop").symlink_to("loop")
    for name, content in {
        "file.txt": "hello",
        "text/a.dcm": "no DICOM",
        "broken.yaml": "osteon: [",
        "wrong.yaml": "osteon: {threads: -1}",
        "broken/one/package.toml": 'name = "x"',
        "toml/one/package.toml": "name = ",
        "broken.nii.gz": "no gzip",
    }.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def nowhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the working folder; no settings, and no programs for containers."""
    for name in os.environ:
        if name.startswith(("OSTEON_", "HOLOSCAN_", "MONAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(place / "empty"))
    monkeypatch.chdir(place)
    return place


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(("line", "code", "sentence"), CASES, ids=[case[0][:60] for case in CASES])
def test_what_a_command_cannot_take_is_said_in_one_sentence(
    capsys: pytest.CaptureFixture[str], line: str, code: int, sentence: str
) -> None:
    found, said = ran(capsys, *line.split())
    last = said.splitlines()[-1]
    assert (found, sentence in last) == (code, True), said
    assert last.startswith("osteon: ")
    assert not BARE.search(said), said


def test_every_command_has_a_case() -> None:
    commands = {name for name in app.resolved_commands() if not name.startswith("-")}
    apps = (models_app, config_app, corrections_app, data_app, users_app)
    groups = {group.name[0]: group for group in apps}
    for name, group in groups.items():
        commands |= {f"{name} {each}" for each in group.resolved_commands() if each[0] != "-"}
    tried = {" ".join(line.split()[:n]) for line, _, _ in CASES for n in (1, 2)}
    assert commands - set(groups) <= tried


@pytest.mark.usefixtures("nowhere")
def test_nothing_to_show_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "models", "list", "-m", "empty")[1].startswith("no model packages in empty; ")
    assert ran(capsys, "models", "list", "-m", "empty", "--json") == (0, "[]\n")


@pytest.mark.usefixtures("nowhere")
def test_a_broken_package_is_listed_with_its_reason_beside_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.support.packages.synthetic_packages import write_package

    for name in ("cut", "lacking", "well"):
        write_package(tmp_path / name)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "package.toml").write_text("name = ", encoding="utf-8")
    weights = next((tmp_path / "cut").glob("*.safetensors"))
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-4])
    for path in (tmp_path / "lacking").glob("*.safetensors"):
        path.unlink()
    code, said = ran(capsys, "models", "list", "-m", tmp_path)
    cut, lacking, other, well = said.splitlines()
    assert code == 0
    assert f"broken  expected {size} bytes of weights at cut/{weights.name}, got {size - 4}" in cut
    assert re.search(r"broken  expected weights at lacking/\w+\.safetensors, got none", lacking)
    assert lacking.endswith(" (and 2 more)")
    assert "broken  expected a model package in other/package.toml, could not read it: Invalid value" in other
    assert " ready " in well


def osteon(*words: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """A process of its own; None takes a variable away."""
    values = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    known = {name: value for name, value in values.items() if value is not None}
    command = [*OSTEON, *words]
    return subprocess.run(command, env=known, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.parametrize(
    "environment",
    [{"HOME": None}, {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}],
    ids=str,
)
def test_no_environment_is_too_poor(place: Path, environment: dict[str, str | None]) -> None:
    for words in (("--help",), ("models", "list", "-m", str(place / "toml"))):
        done = osteon(*words, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert "\x1b" not in done.stdout


@pytest.mark.parametrize("words", ["config schema", "series --help"])
def test_a_pipe_that_is_closed_ends_it_quietly(words: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*OSTEON, *words.split()],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
        timeout=600,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_ctrl_c_ends_it_with_130_and_a_word(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["demo", "--coarser", "2", "--output", str(tmp_path / "demo")]
    # A shell that starts the tests in the background has them ignore it, and their children too
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([*OSTEON, *words], stderr=subprocess.PIPE, env=environment, preexec_fn=heeding)
    until(lambda: (tmp_path / "demo").is_dir(), 120)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=600)[1].decode()
    assert (process.returncode, said.splitlines()[-1]) == (130, "osteon: interrupted")
    assert "Traceback" not in said
