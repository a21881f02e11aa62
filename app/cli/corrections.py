"""`osteon corrections`: files corrected results as a data set to train on."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App
from rich.console import Console

from app.cli.arguments import Config, Models
from app.cli.node.options import Data, Database, existing_node
from app.cli.training_display import training_display
from app.printable import printable
from app.settings import read_settings
from operators.errors import UnsuitableError, UsageError

if TYPE_CHECKING:
    from app.node.settings.configuration import NodeSettings
    from training.labelled_ct.corrections import FiledCorrection

CORRECTIONS = Path("corrections")

corrections_app = App(
    name="corrections", help="Corrected results, to send, and to train a package on: list, send, add."
)


@corrections_app.command(name="list")
def list_filed(*, data: Data = None, config: Config = None) -> int:
    """List the corrected results that the node has filed, and what each changes of the prediction.

    They were sent to it, or drawn on its page. Each is followed by the folders to add to a data set.
    """
    from app.node.queue.job import job_folder
    from app.node.studies.edit_differences import change_sentence, compared_edits
    from app.node.studies.edited_results import jobs_with_edits

    node = existing_node(data, config=config).node
    jobs = jobs_with_edits(node.data)
    for job_id in jobs:
        for each in compared_edits(node.data, job_id):
            print(printable(f"{each.when} {each.how} by {each.who or 'unknown'}: {each.instance}"))
            print(printable(f"  {change_sentence(each.changes)}"))
        folder = job_folder(node.data, job_id)
        print(f"  osteon corrections add {folder.input} {folder.edits} --package NAME")
    if not jobs:
        print("no corrected results")
    return 0


@corrections_app.command
def send(instance: str, /, *, data: Data = None, database: Database = None, config: Config = None) -> int:
    """Send a corrected result in place of the results that destinations have.

    Each destination is sent a rejection note of what it has, then the corrected result and everything that is
    made from it.

    Parameters
    ----------
    instance
        Its SOP instance UID, as list prints it.
    """
    print("\n".join(send_in_place(existing_node(data, database, config).node, instance)))
    return 0


def send_in_place(node: NodeSettings, instance: str) -> list[str]:
    """Queues that a filed corrected result is sent; returns what will be done. Raises UsageError."""
    from app.node.queue.database import open_connection, prepare_database
    from app.node.studies.edited_results import job_of_edit
    from app.node.studies.replacement import replace_results
    from app.node.watch.audit import audit_trail

    job_id = job_of_edit(node.data, instance)
    prepare_database(node)
    client, now, who = open_connection(node), datetime.now().astimezone(), getpass.getuser()
    return replace_results(client, job_id, instance, node, who, now, audit_trail(node))


@corrections_app.command
def add(
    *sources: Path,
    package: str,
    who: str | None = None,
    corrections: Path = CORRECTIONS,
    models: Models = None,
    config: Config = None,
) -> int:
    """File corrected results with their CTs, and show what they change of the package's own prediction.

    Read are DICOM SEG and RTSTRUCT with the series that they name, NIfTI and NRRD masks with the CT beside
    them. A second correction of a CT is a new version of the first, which is kept.

    Parameters
    ----------
    sources
        Corrected files and CTs, or folders with them.
    package
        Name of the package whose results were corrected.
    who
        Who corrected them; default: the user's name on this machine.
    corrections
        Folder for corrections; those of a package are a data set in a subfolder of its name.
    """
    missing = [str(source) for source in sources if not source.exists()]
    if missing or not sources:
        raise UsageError(f"expected corrected files and their CTs, got {', '.join(missing) or 'none'}")
    folder = read_settings(config, models=models).models / package
    filed = file_corrections(sources, folder, corrections / package, who or getpass.getuser())
    print(f"{filed} filed in {corrections / package}; train: osteon train {package} --from-corrections")
    return 0 if filed else UnsuitableError.exit_code


def file_corrections(sources: Sequence[Path], package: Path, target: Path, who: str) -> int:
    """Files corrections of the results of a package's folder, prints each, and returns their number."""
    filed = 0
    with training_display(Console(stderr=True)) as tell:
        tell("load", None, "libraries")
        from operators.networks.registry import Networks
        from operators.networks.runtimes import Device
        from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
        from training.datasets.layout import LeftOut
        from training.labelled_ct.corrections import Filing, add_corrections

        when = datetime.now(UTC).isoformat(timespec="seconds")
        filing = Filing(read_coarse_to_fine_package(package / PACKAGE_FILE), target, who, when)
        for each in add_corrections(sources, filing, Networks(Device()), tell):
            if isinstance(each, LeftOut):
                print(f"left out: {each.source}: {each.reason}", file=sys.stderr)
            else:
                show(each)
                filed += 1
    return filed


def show(correction: FiledCorrection) -> None:
    """Prints what a correction changes."""
    print(f"{correction.case}, version {correction.version}, by {correction.who}")
    for each in correction.changes:
        print(
            f"  {each.structure}: Dice with the prediction {each.dice:.3f}, {each.added_ml:.1f} ml added, "
            f"{each.removed_ml:.1f} ml removed"
        )
