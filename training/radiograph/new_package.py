"""Makes a package of a data set of radiographs; what it accepts is that of a package that is there already.

RUNS/NAME/
  training.toml    the plan, to read and change
  excluded.csv     images that are left out, with the reason
  finished/        state, log and metrics of the training; fold-N/ those of a cross-validation
  package/         the package before it is installed
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from operators.errors import ModelError
from operators.importing.install import compact, new_packages, require_free
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.radiograph import RadiographPackage
from operators.process.installation import bundled_models
from training.files import write_text
from training.loop.report import report_file
from training.radiograph.datasets.own import entries
from training.radiograph.datasets.radiograph import ATTRIBUTES, ORIENTATION, RECOGNISED
from training.radiograph.radiograph_recipe import RadiographRecipeFile, read_radiograph_recipe
from training.radiograph.radiograph_run import RadiographRun, train

PLAN_FILE, CARD_FILE = "training.toml", "MODEL_CARD.md"
# Those of the bundled network
STEPS = 15_000
# Installation replaces it
NO_WEIGHTS = {"name": "fracture", "weights": "fracture.safetensors", "sha256": "0" * 64}
NOT_CLINICAL = "Not for clinical use: this network is no medical device, and nobody validated it as one."
HEAD = """\
# How {name} is trained: planned for {title}, {images} images.
# Change what you like and give the same command again.
"""


@dataclass(frozen=True)
class NewRadiographs:
    """A package to be made: its name, the title of its data set, and the models folder."""

    name: str
    title: str
    models: Path

    @property
    def words(self) -> str:
        """The name for people."""
        return self.name.replace("_", " ")


def train_new(new: NewRadiographs, run: RadiographRun, folds: int | None, plan_only: bool) -> Iterator[str]:
    """Trains one network and installs it as a package; before that, with `folds`, cross-validates.

    Yields sentences. Raises UsageError for too few images to fit a decision on.
    """
    yield f"plan: {run.folder / PLAN_FILE}, {run.recipe.recipe}, {run.recipe.steps} steps at most"
    if plan_only:
        return
    known = known_attributes(run.data)
    yield f"recognises: {', '.join(known) or 'no body part, no view, no metal: the data set tells none'}"
    write_text(run.package / PACKAGE_FILE, package_text(new, template(new.models), known))
    said = list[str]()
    if folds:
        for line in train(run, folds):
            yield line
            said.append(line)
    for line in train(run):
        yield line
        said.append(line)
    if (run.package / NO_WEIGHTS["weights"]).is_file():
        yield install(new, run, said)


def plan_of(new: NewRadiographs, folder: Path, images: int) -> RadiographRecipeFile:
    """Returns the plan, made if there is none yet. Raises UsageError for a name that is taken."""
    require_free(new.models, new.name)
    plan = folder / PLAN_FILE
    if not plan.is_file():
        write_text(plan, plan_text(new, images))
    return read_radiograph_recipe(plan)


def plan_text(new: NewRadiographs, images: int) -> str:
    """Returns the training.toml of a data set."""
    head = HEAD.format(name=new.name, title=new.title, images=images)
    return head + "\n" + tomlkit.dumps({"subjects": "radiograph", "recipe": "outlines", "steps": STEPS})


def known_attributes(data: Path) -> tuple[str, ...]:
    """Returns the attributes of which images with and images without it are known: others are not learnt."""
    columns = zip(*(entry.attributes for entry in entries(data)), strict=True)
    named = zip(ATTRIBUTES, columns, strict=True)
    return tuple(name for name, column in named if {0.0, 1.0} <= set(column))


def template(models: Path) -> Mapping[str, Any]:
    """Returns the tables of an installed package of radiographs, else of a bundled one. Raises ModelError."""
    for folder in (models, bundled_models()):
        for path in sorted(folder.glob(f"*/{PACKAGE_FILE}")):
            if isinstance(read_package(path), RadiographPackage):
                return tomllib.loads(path.read_text(encoding="utf-8"))
    raise ModelError(f"expected a package of radiographs in {models} whose [accepts] is taken, found none")


def package_text(new: NewRadiographs, other: Mapping[str, Any], known: Collection[str]) -> str:
    """Returns a package.toml, still without weights and with the decision of another package."""
    parts = {name: code for name, code in other["body_parts"].items() if name in known}
    terms = {name: row for name, row in other.get("body_part_terms", {}).items() if name in parts}
    tables = {
        "kind": RadiographPackage.kind,
        "name": new.name,
        "version": "1",
        "title": new.words,
        "algorithm_name": f"Osteon {new.words}"[:64],
        # The network has an output for each attribute, learnt or not
        "attributes": [each if each in (*known, *ORIENTATION) else f"unknown_{each}" for each in RECOGNISED],
        "views": [each for each in other["views"] if each in known],
        "other_body_part_terms": other.get("other_body_part_terms", []) if parts else [],
        "body_parts": parts,
        "accepts": {**other["accepts"], "body_parts": other["accepts"]["body_parts"] if parts else []},
        "body_part_terms": terms,
        "network": other["network"],
        "folds": [NO_WEIGHTS],
        "decision": other["decision"],
    }
    return tomlkit.dumps({key: compact(value) for key, value in tables.items()})


def install(new: NewRadiographs, run: RadiographRun, said: Collection[str]) -> str:
    """Copies the finished package to the models folder, all of it or nothing, and returns a sentence."""
    weights = run.package / NO_WEIGHTS["weights"]
    with new_packages(new.models, [new.name]) as (folder,):
        for path in (weights, report_file(weights), run.package / PACKAGE_FILE, run.folder / PLAN_FILE):
            shutil.copyfile(path, folder / path.name)
        write_text(folder / CARD_FILE, card_text(new, run.recipe, said))
    return f"installed in {new.models / new.name}"


def card_text(new: NewRadiographs, recipe: RadiographRecipeFile, said: Collection[str]) -> str:
    """Returns the model card: what the network is, and all that the training said of images and metrics."""
    # Cross-validation and the last training say the same of the images; a table is no part of a list
    unique = dict.fromkeys(said)
    facts = "".join(f"\n{each}\n\n" if each.startswith("|") else f"- {each}\n" for each in unique)
    return (
        f"# {new.name}\n\n{NOT_CLINICAL}\n\nTrained by `osteon train` on the data set {new.title}, recipe "
        f"{recipe.recipe}. Metrics are of the development images, which were not trained on; the decision "
        "was fitted on the same images, so that accuracy at its operating points is a little better there "
        "than on others.\n\n"
        f"{facts}"
    )
