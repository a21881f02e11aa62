"""The command `osteon`. Each command lies in the file of its group and is loaded when it is called."""

from __future__ import annotations

from app.cli.command_line import execute, new_app

app = new_app(
    "osteon",
    "Segments bones and their fracture fragments in CT, and writes DICOM SEG. Not for clinical use.",
)

# Name, where it is, and what it does: the first sentence of its own help
COMMANDS = {
    "run": (
        "run:run",
        "Segment every suitable series in FOLDER; write DICOM SEG, SR and pictures, and report.json.",
    ),
    "series": (
        "run:series",
        "Say what is in FOLDER, what would be run or refused, and why; runs no network.",
    ),
    "evaluate": (
        "evaluate:evaluate",
        "Compare PREDICTION with TRUTH: DICOM SEG or RTSTRUCT, NIfTI, NRRD, or folders of them.",
    ),
    "export": (
        "evaluate:export",
        "Write a SEG, RTSTRUCT or named NIfTI as surfaces and label map; all of them unless given.",
    ),
    "demo": (
        "demo:demo",
        "Make a CT of broken bones, segment it, compare, and say where the pictures are.",
    ),
    "train": (
        "train:train",
        "Train the networks of PACKAGE, resuming where a run stopped, and install them.",
    ),
    "calibrate": (
        "train:calibrate",
        "Calibrate PACKAGE's fracture decision and its probabilities on simulated cases.",
    ),
    "serve": (
        "node:serve",
        "Run the PACS node: receive studies, segment them, deliver the results. Configured in app.yaml.",
    ),
    "jobs": (
        "node:jobs",
        "Show the state of every study, or act on one.",
    ),
    "send": (
        "node:send",
        "Send DICOM files or folders to the destination PEER of app.yaml, or of --peer.",
    ),
    "check": (
        "node:check",
        "Check models, disk, database and peers; say what is wrong and how to fix it.",
    ),
    "exec": (
        "map:exec_",
        "Run the MONAI Deploy application in FOLDER, as `monai-deploy exec` did.",
    ),
    "package": (
        "map:package",
        "Build the image of this application; what follows `--` goes to the tool.",
    ),
    "run-map": (
        "map:run_map",
        "Run the package IMAGE as a container without network, its input read-only.",
    ),
    "show": (
        "map:show",
        "Print the manifests of an image, or those that a folder's image will have.",
    ),
    "extract": (
        "map:extract",
        "Copy application, manifests, models and documents out of an image or a folder.",
    ),
    "validate": (
        "map:validate",
        "Check a package against the specification of MONAI Application Packages.",
    ),
}
GROUPS = {
    "models": (
        "models:models_app",
        "Model packages: list, show, import, verify, bench.",
    ),
    "config": (
        "map:config_app",
        "The configuration file: check, schema.",
    ),
}

for name, (place, text) in {**COMMANDS, **GROUPS}.items():
    app.command(f"app.cli.{place}", name=name, help=text)
app.register_install_completion_command()


def main() -> None:
    """The console script."""
    execute(app, None)
