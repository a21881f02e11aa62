"""The command `osteon`: each command reads its arguments, calls one function, shows the outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from app.cli.command_line import execute, new_app
from app.cli.map_commands import COMMANDS, config_app
from app.cli.models_commands import models_app

app = new_app(
    "osteon",
    "Segments bones and their fracture fragments in CT, and writes DICOM SEG. Not for clinical use.",
)

app.command(models_app)
app.command(config_app)
for name, command in COMMANDS.items():
    app.command(name=name)(command)

Output = Annotated[Path | None, Parameter(name=["--output", "-o"], help="Folder for results")]
Models = Annotated[Path | None, Parameter(name=["--models", "-m"], help="Folder of model packages")]
Package = Annotated[str | None, Parameter(name="--package", help="Use this package only")]
Formats = Annotated[
    list[Literal["stl", "ply", "glb", "nifti", "rtstruct"]] | None,
    Parameter(name="--files", negative="", help="Also surfaces, label maps, contours, in each format given"),
]
Device = Annotated[str | None, Parameter(help="Where networks run: auto, cpu, cuda")]
Runtime = Annotated[str | None, Parameter(help="What runs them: auto, openvino, torch")]
Precision = Annotated[str | None, Parameter(help="Their arithmetic: auto, f32, bf16")]
Mode = Annotated[str | None, Parameter(help="Published networks: exact as the original, or fast")]
Config = Annotated[
    Path | None, Parameter(name="--config", help="Configuration file; else ./app.yaml, or the application's")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON")]

PEER_HELP = "NAME=AETITLE may send; NAME=AETITLE@HOST:PORT, or @http(s)-address, also receives results"


@app.command
def run(
    folder: Path | None = None,
    /,
    *,
    output: Output = None,
    models: Models = None,
    package: Package = None,
    device: Device = None,
    runtime: Runtime = None,
    precision: Precision = None,
    mode: Mode = None,
    files: Formats = None,
    config: Config = None,
    quiet: Annotated[bool, Parameter(negative="", help="Say nothing but errors")] = False,
) -> int:
    """Segment every suitable series in FOLDER; write DICOM SEG, SR and pictures, and report.json.

    Parameters
    ----------
    folder
        Folder or file of DICOM.
    """
    from app.cli.run_command import run_command

    ways = {"device": device, "runtime": runtime, "precision": precision, "mode": mode, "files": files}
    return run_command(package, quiet, config, input=folder, output=output, models=models, **ways)


@app.command
def series(
    folder: Path,
    /,
    *,
    models: Models = None,
    package: Package = None,
    config: Config = None,
    json_: Json = False,
) -> int:
    """Say what is in FOLDER, what would be run or refused, and why; runs no network.

    Parameters
    ----------
    folder
        Folder or file of DICOM.
    """
    from app.run.series_listing import series_command

    return series_command(folder, package, json_, config, models)


@app.command
def export(
    segments: Path,
    /,
    *,
    output: Output = None,
    files: Formats = None,
    images: Annotated[Path | None, Parameter(help="Folder of the CT that an RTSTRUCT was drawn on")] = None,
) -> int:
    """Write a SEG, RTSTRUCT or named NIfTI as surfaces and label map; all of them unless given.

    With --files rtstruct also a SEG of Osteon's own as RT Structure Set.

    Parameters
    ----------
    segments
        DICOM SEG, RTSTRUCT, or NIfTI with its labels' names.
    """
    from app.cli.export_command import export_command

    return export_command(segments, output, None if files is None else list(files), images)


@app.command
def evaluate(
    prediction: Path,
    truth: Path,
    /,
    *,
    output: Output = None,
    models: Models = None,
    package: Package = None,
    config: Config = None,
    json_: Json = False,
) -> int:
    """Compare PREDICTION with TRUTH: DICOM SEG or RTSTRUCT, NIfTI, NRRD, or folders of them.

    Parameters
    ----------
    prediction
        File or folder that is to be judged.
    truth
        File or folder that is right.
    """
    from app.cli.evaluate_command import evaluate_command

    return evaluate_command(prediction, truth, output, package, json_, config, models)


@app.command
def train(
    package: str,
    /,
    *,
    data: Path,
    network: str | None = None,
    runs: Path = Path("runs"),
    models: Models = None,
    steps: int | None = None,
    minutes: float | None = None,
    workers: int = 1,
    seed: int = 0,
    start_from: Path | None = None,
    calibration_cases: int = 100,
    config: Config = None,
) -> int:
    """Train the networks of PACKAGE on simulated CT; goes on where it stopped; installs the weights.

    Parameters
    ----------
    package
        Name of a package that has a training.toml.
    data
        Folder that the recipe's paths are relative to.
    network
        Train this network only.
    runs
        Folder for checkpoints and logs.
    steps
        Train for so many steps instead of the recipe's.
    minutes
        Let the learning rate fall to its end within this time.
    workers
        Processes that simulate.
    seed
        Seed of simulation and of the first weights.
    start_from
        A checkpoint, or a package's safetensors, whose weights to begin with.
    calibration_cases
        Simulated bones for `osteon calibrate`, which ends a training; 0 leaves it out.
    """
    from app.cli.train_command import TrainOptions, train_command

    options = TrainOptions(
        data,
        network,
        runs,
        models,
        steps,
        minutes,
        workers,
        seed,
        start_from,
        calibration_cases,
        config,
    )
    return train_command(package, options)


@app.command
def calibrate(
    package: str,
    /,
    *,
    data: Path,
    runs: Path = Path("runs"),
    models: Models = None,
    cases: int = 100,
    seed: int = 0,
    keep_decision: bool = False,
    config: Config = None,
) -> int:
    """Fit how PACKAGE decides between fracture and none, and its probabilities, on simulated cases.

    Writes them into package.toml, and a reliability diagram beside the model card. Training ends with it.

    Parameters
    ----------
    package
        Name of a package whose networks are trained.
    data
        Folder that the recipe's paths are relative to.
    runs
        Folder whose cache holds loaded subjects.
    cases
        Simulated bones; the decision is fitted on three fifths, the probabilities on the others.
    seed
        Seed of the simulation.
    keep_decision
        Fit the probabilities alone, of decisions as they are made now.
    """
    from app.cli.calibrate_command import calibrate_command

    return calibrate_command(package, data, runs, models, cases, seed, keep_decision, config)


@app.command
def demo(
    *, output: Path = Path("out/demo"), coarser: float = 1.0, seed: int = 1, config: Config = None
) -> int:
    """Make a CT of broken bones, segment it, compare, and say where the pictures are.

    Parameters
    ----------
    output
        Folder for the CT, the results and the comparison.
    coarser
        Multiplies the sides of the voxels; 1 gives 512x512x274.
    seed
        Another seed gives other fractures, and other UIDs.
    """
    from app.cli.demo import run_demo

    return run_demo(output, coarser, seed, config)


Data = Annotated[Path | None, Parameter(help="Folder for everything received and made")]
Database = Annotated[str | None, Parameter(help="URL of PostgreSQL; SQLite in the data folder if not given")]
Peers = Annotated[list[str] | None, Parameter(name="--peer", negative="", help=PEER_HELP)]


@app.command
def serve(
    *,
    ae_title: str | None = None,
    host: str | None = None,
    port: int | None = None,
    http_host: str | None = None,
    http_port: int | None = None,
    data: Data = None,
    database: Database = None,
    peer: Peers = None,
    models: Models = None,
    device: Device = None,
    runtime: Runtime = None,
    precision: Precision = None,
    mode: Mode = None,
    quiet_s: float | None = None,
    forced_s: float | None = None,
    study_limit_s: float | None = None,
    retention_s: float | None = None,
    delivery_limit_s: float | None = None,
    minimum_free_mb: int | None = None,
    workers: int | None = None,
    maximum_associations: int | None = None,
    maximum_pdu_bytes: int | None = None,
    network_s: float | None = None,
    grace_s: float | None = None,
    commitment_s: float | None = None,
    crash_limit: int | None = None,
    lost_s: float | None = None,
    audit: Path | None = None,
    watch: Path | None = None,
    watch_settled_s: float | None = None,
    stow: bool | None = None,
    mount: Path | None = None,
    config: Config = None,
) -> int:
    """Stand beside a PACS: receive studies, segment them, deliver the results. app.yaml says the rest.

    Parameters
    ----------
    ae_title
        This node's AE title.
    host
        Address to listen on.
    port
        DICOM port.
    http_host
        Address of health, metrics and STOW-RS.
    http_port
        Port of health, metrics and STOW-RS.
    quiet_s
        A study is complete so long after its last instance.
    forced_s
        At most so long after its first one.
    study_limit_s
        Time that the segmentation of one study may take.
    retention_s
        Delivered and refused studies are kept so long.
    delivery_limit_s
        How long a delivery is tried again.
    minimum_free_mb
        Below it nothing is taken; C-STORE answers A700.
    workers
        Processes that segment.
    maximum_associations
        Served at once.
    maximum_pdu_bytes
        Largest PDU that peers may send.
    network_s
        A peer silent for so long is dropped.
    grace_s
        Time for the work in hand when stopping.
    commitment_s
        How long a peer may take to commit to a result.
    crash_limit
        A study over which workers die more often has failed.
    lost_s
        Work of a machine that gave no sign of life for so long goes to the others.
    audit
        File of the audit trail; else audit.xml in the data folder.
    watch
        Folder whose DICOM files are taken in like sent ones.
    watch_settled_s
        A file there is taken when it was the same so long.
    stow
        Take instances by STOW-RS on the HTTP port.
    mount
        Mount point without whose disk the node does not start; empty: any folder will do.
    """
    given = locals()
    ways = {key: given.pop(key) for key in ("config", "models", "device", "runtime", "precision", "mode")}
    del given["peer"]
    from app.node.service.command import node_settings, require_packages
    from app.settings import file_in_use

    settings = node_settings(given, peer, **ways)
    require_packages(settings)
    from app.node.service.supervisor import serve as serve_node

    return serve_node(settings, file_in_use(config))


@app.command
def send(peer: str, /, *paths: Path, to: Peers = None, config: Config = None) -> int:
    """Send DICOM files or folders to the destination PEER of app.yaml, or of --peer.

    Parameters
    ----------
    peer
        Name of the destination.
    paths
        Files, or folders with all that is below them.
    """
    from app.node.service.command import node_settings, send_command

    return send_command(node_settings({}, to, config=config), peer, list(paths))


@app.command
def jobs(
    action: Literal["list", "show", "retry", "cancel", "delete", "send-now", "accept", "dismiss"] = "list",
    job_id: str | None = None,
    /,
    *,
    accession: Annotated[bool, Parameter(negative="", help="List accession numbers, from the files")] = False,
    data: Data = None,
    database: Database = None,
    config: Config = None,
    json_: Json = False,
) -> int:
    """Show the state of every study, or act on one.

    list, show; retry begins a failed job again, cancel ends one, send-now ends the pause of one that is
    postponed, delete forgets a study and all that came of it. A conflict is decided: accept uses the versions
    of instances that came later, dismiss keeps the former.

    Parameters
    ----------
    action
        What to do.
    job_id
        A job's id: the short one of the list, or any beginning or end that no other job has.
    """
    from app.node.service.command import jobs_command, node_settings

    node = node_settings({"data": data, "database": database}, config=config)
    return jobs_command(node, action, job_id, json_, accession)


@app.command
def check(
    *,
    data: Data = None,
    database: Database = None,
    peer: Peers = None,
    models: Models = None,
    config: Config = None,
) -> int:
    """Try out models, disk, database and peers; say what is wrong and how to mend it."""
    from app.node.service.command import check_command, node_settings

    given = {"data": data, "database": database}
    return check_command(node_settings(given, peer, config=config, models=models))


def main() -> None:
    """The console script."""
    execute(app, None)
