"""The command `osteon`. Each subcommand is in the file of its group, which is loaded when it is called."""

from __future__ import annotations

from app.cli.command_line import execute, new_app

app = new_app(
    "osteon",
    "Segments bones and their fracture fragments in CT, and writes DICOM SEG. Not for clinical use.",
)

# By name: module and function, and the first sentence of the function's own help
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
        "Write a SEG, RTSTRUCT or named NIfTI as surfaces and a label map; default: in all formats.",
    ),
    "demo": (
        "demo:demo",
        "Make a CT of fractured bones, segment it, and compare the result with the ground truth.",
    ),
    "train": (
        "training.train:train",
        "Train the networks of PACKAGE, resuming an interrupted run, and install them.",
    ),
    "calibrate": (
        "training.calibrate:calibrate",
        "Calibrate the fracture decision and the probabilities of PACKAGE on simulated and intact bones.",
    ),
    "serve": (
        "node.commands:serve",
        "Run the PACS node: receive studies, segment them, deliver the results. Configured in app.yaml.",
    ),
    "jobs": (
        "node.jobs:jobs",
        "Show the state of every study, or act on one.",
    ),
    "send": (
        "node.commands:send",
        "Send DICOM files or folders to the destination PEER of app.yaml or --peer.",
    ),
    "notify": (
        "node.commands:notify",
        "Send a test message to every target of `messages`, or to TARGET, also in quiet hours.",
    ),
    "check": (
        "node.commands:check",
        "Check models, disk, database and peers; say what is wrong and how to fix it.",
    ),
    "exec": (
        "map:exec_",
        "Run the MONAI Deploy application in FOLDER, as `monai-deploy exec` did.",
    ),
    "package": (
        "map:package",
        "Build the image of this application; arguments after `--` go to the tool.",
    ),
    "run-map": (
        "map:run_map",
        "Run the package IMAGE as a container without network and with read-only input.",
    ),
    "show": (
        "map:show",
        "Print the manifests of an image, or those that the image of a folder will have.",
    ),
    "extract": (
        "map:extract",
        "Copy the application, manifests, models and documents out of an image or a folder.",
    ),
    "validate": (
        "map:validate",
        "Check a package against the specification of MONAI Application Packages.",
    ),
}
GROUPS = {
    "data": (
        "data:data_app",
        "Data sets of your own: import, check.",
    ),
    "corrections": (
        "corrections:corrections_app",
        "Corrected results, to send, and to train a package on: list, send, add.",
    ),
    "models": (
        "models.packages:models_app",
        "Model packages: list, show, install, import, verify, rollback, bench.",
    ),
    "users": (
        "node.users:users_app",
        "The accounts of the node's page: list, add, change, remove.",
    ),
    "config": (
        "config:config_app",
        "The configuration file: check, schema.",
    ),
}

for name, (place, text) in {**COMMANDS, **GROUPS}.items():
    app.command(f"app.cli.{place}", name=name, help=text)
app.register_install_completion_command()


def main() -> None:
    """Runs the console script `osteon`."""
    execute(app, None)
