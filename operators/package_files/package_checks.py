"""What the tables of a package.toml say of each other: checks that raise ValueError with place and reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from operators.bones.find import FINDERS
from operators.fragments.fragments import FRAGMENTS
from operators.geometry.largest_component import Largest
from operators.geometry.orientation import is_orientation
from operators.geometry.volume import HIGHEST_VALUE
from operators.intensities.normalisation import SCHEMES
from operators.packages.confidence import Confidence
from operators.packages.monai_bundle import STEP_ARGUMENTS, MonaiBundlePackage, Step
from operators.packages.packages import (
    MEASURABLE,
    NAMED,
    CoarseToFinePackage,
    Label,
    ModelPackage,
    NetworkSpec,
)
from operators.packages.plans import NnUNetPackage, NnUNetPerBonePackage, NnUNetPlans, Stage
from operators.packages.radiograph import OPERATING_POINTS, RadiographPackage
from operators.packages.structures import SIDES

FRACTURE_CLASSES = ("background", "interior", "contact")
# Fragments of one bone are counted in a byte
MOST_FRAGMENTS = 255
SEPARATE = ("auto", "always", "never")
AVERAGED = ("logits", "probabilities")
WEIGHTS = ("constant", "gaussian")
PADDINGS = ("constant", "replicate")


def check_package(package: ModelPackage) -> None:
    """Checks all that holds for a package of its kind."""
    check_values(package.labels)
    for name in package.measurements:
        require_row("measurements", name, MEASURABLE)
    require_row("names", package.names, NAMED)
    for spec in package.networks:
        check_network(spec)
    if isinstance(package, CoarseToFinePackage):
        check_coarse_to_fine(package)
    if isinstance(package, NnUNetPackage):
        check_nnunet(package)
    if isinstance(package, NnUNetPerBonePackage):
        check_per_bone(package)
    if isinstance(package, MonaiBundlePackage):
        check_bundle(package)
    if isinstance(package, RadiographPackage):
        check_radiograph(package)


def check_values(labels: Iterable[Label]) -> None:
    """No two labels share a value, and a side is left or right."""
    taken: set[int] = set()
    for label in labels:
        fits = 0 < label.first_value <= label.last_value <= HIGHEST_VALUE
        if taken & set(label.values) or not fits or len(label.values) > MOST_FRAGMENTS:
            text = f"expected values of its own in 1..{HIGHEST_VALUE}, got {label.values}"
            raise ValueError(f"labels.{label.name}: {text}")
        taken |= set(label.values)
        side = label.structure.laterality
        if side is not None and side.value not in SIDES:
            raise ValueError(f"labels.{label.name}.laterality: expected one of {SIDES}")
        for limits in (label.structure.plausible_ml, label.structure.plausible_mm):
            if limits and (len(limits) != 2 or not 0 < limits[0] < limits[1]):
                raise ValueError(f"labels.{label.name}: expected a least and a greatest size, got {limits}")


def check_network(spec: NetworkSpec) -> None:
    """What a network reads and gives fits together."""
    where = f"networks.{spec.name}"
    if spec.normalisation.scheme not in SCHEMES:
        got = spec.normalisation.scheme
        raise ValueError(f"{where}.normalisation.scheme: expected one of {list(SCHEMES)}, got {got!r}")
    if len(spec.patch) != spec.dimensions or min(spec.spacing_mm) <= 0:
        raise ValueError(f"{where}: expected one positive spacing_mm for each side of patch")
    if spec.window_hu[0] >= spec.window_hu[1]:
        raise ValueError(f"{where}.window_hu: expected low and high, got {spec.window_hu}")
    if spec.arguments.get("outputs", len(spec.classes)) != len(spec.classes):
        raise ValueError(f"{where}: expected as many outputs as classes")
    if spec.arguments.get("inputs", spec.inputs) != spec.inputs:
        raise ValueError(f"{where}: expected one input and one more for each class of the guide")


def check_coarse_to_fine(package: CoarseToFinePackage) -> None:
    """Strategies are known, classes are those of the networks, numbers are in their ranges."""
    require_row("find.keep", package.find.keep, FINDERS)
    require_row("fragments.strategy", package.fragments.strategy, FRAGMENTS)
    if len(package.fragments.fracture_logit) != 4:
        raise ValueError("fragments.fracture_logit: expected a constant and three factors")
    if package.outline is not None and not 0 < package.outline.edge < 1:
        raise ValueError(f"outline.edge: expected a share between 0 and 1, got {package.outline.edge}")
    check_classes(package)
    check_confidence(package.confidence)


def require_row(where: str, given: str, table: Collection[str]) -> None:
    """A strategy is a row of its table."""
    if given not in table:
        raise ValueError(f"{where}: expected one of {sorted(table)}, got {given!r}")


def check_classes(package: CoarseToFinePackage) -> None:
    """The classes that sides, conditioning channels and labels name are those of the networks."""
    coarse = set(package.coarse.classes)
    strange = {*package.sides.middle, *package.sides.lateral} - coarse
    if strange:
        raise ValueError(f"sides: expected classes of {package.coarse.name}, got {sorted(strange)}")
    if package.fracture.classes != FRACTURE_CLASSES:
        raise ValueError(f"networks.fracture.classes: expected {FRACTURE_CLASSES}")
    for spec in package.networks:
        if set(spec.guide) - coarse or (spec.guide and spec is package.coarse):
            raise ValueError(f"networks.{spec.name}.guide: expected classes of {package.coarse.name}")
    for label in package.labels:
        own = label.found_by
        for spec, wanted in ((package.coarse, own.coarse_class), (package.fine, own.fine_class)):
            if wanted not in spec.classes:
                raise ValueError(f"labels.{label.name}: expected a class of {spec.name}, got {wanted!r}")


def check_confidence(confidence: Confidence) -> None:
    """A calibration is absent, or a constant and a rising factor."""
    for name in ("bone", "fracture", "contact"):
        line = getattr(confidence, name)
        if line and (len(line) != 2 or line[1] < 0):
            raise ValueError(f"confidence.{name}: expected a constant and a factor of 0 or more, got {line}")


def check_nnunet(package: NnUNetPackage) -> None:
    """The stages can be run, and the labels are of what the last one writes."""
    for stage in package.stages:
        check_stage(stage)
    written = set(package.stages[-1].values.values())
    for label, value in zip(package.labels, package.written, strict=True):
        if value not in written:
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got {value}")


def check_per_bone(package: NnUNetPerBonePackage) -> None:
    """The bones and the network that splits them fit each other."""
    for stage in package.fracture:
        check_stage(stage)
    if len(set(package.bones)) < len(package.bones):
        raise ValueError(f"labels: expected a unique value for each bone, got {package.bones}")
    known = package.fracture[-1].values
    if set(package.arrangement.pieces) - set(known):
        raise ValueError(f"fracture.pieces: expected some of {list(known)}, got {package.arrangement.pieces}")


def check_stage(stage: Stage) -> None:
    """What is said of an nnU-Net's stage can be done."""
    recipe, spec = stage.recipe, stage.spec
    if recipe.regions and len(recipe.regions) != len(spec.classes):
        raise ValueError(f"recipe.regions: expected one value for each of {len(spec.classes)} classes")
    if not is_orientation(recipe.orientation):
        got = recipe.orientation
        raise ValueError(f"recipe.orientation: expected three directions such as LPS, got {got!r}")
    if sorted(recipe.transpose) != [0, 1, 2]:
        raise ValueError(f"recipe.transpose: expected an order of 0, 1, 2, got {recipe.transpose}")
    if not 0 < recipe.step <= 1:
        raise ValueError(f"recipe.step: expected more than 0 and at most 1, got {recipe.step}")
    if recipe.averaged not in AVERAGED:
        raise ValueError(f"recipe.averaged: expected one of {AVERAGED}, got {recipe.averaged!r}")
    if set(recipe.mirror_axes) - set(range(spec.dimensions)):
        raise ValueError(f"recipe.mirror_axes: expected axes of {spec.dimensions}, got {recipe.mirror_axes}")
    check_resampling(recipe)
    check_largest(stage.largest)


def check_resampling(recipe: NnUNetPlans) -> None:
    """Spline orders are supported."""
    if max(recipe.output.order, recipe.output.order_across) > 1:
        raise ValueError(f"recipe.output: expected orders 0 or 1, got {recipe.output}")
    if recipe.guide.order_across:
        raise ValueError(f"recipe.guide.order_across: expected 0, got {recipe.guide.order_across}")
    for each in (recipe.image, recipe.output, recipe.guide):
        if each.separate not in SEPARATE or not 0 <= each.order <= 5 or not 0 <= each.order_across <= 5:
            raise ValueError(f"recipe: expected orders of 0..5 and separate of {SEPARATE}, got {each}")


def check_largest(largest: Sequence[Largest]) -> None:
    """Components are of some values, and hang together in one of three ways."""
    for rule in largest:
        if not rule.values or rule.connected not in (1, 2, 3):
            raise ValueError(f"largest: expected values and connected of 1, 2 or 3, got {rule}")


def guide_values(stage: Stage, before: Stage | None) -> tuple[int, ...]:
    """Returns the label values of the previous stage's classes that this stage reads."""
    values, guide = before.values if before else {}, stage.spec.guide
    if set(guide) - set(values) or bool(guide) != bool(values):
        raise ValueError(f"network.guide: expected some of the classes of [previous], got {guide}")
    return tuple(values[name] for name in guide)


def check_bundle(package: MonaiBundlePackage) -> None:
    """The parts of a MONAI bundle fit each other."""
    network, tiling = package.network, package.tiling
    if network.dimensions != 3 or len(package.outputs) != len(network.classes):
        raise ValueError("expected a network of three dimensions and one value for each class")
    if len(tiling.overlap) != 3 or not all(0 <= share < 1 for share in tiling.overlap):
        raise ValueError(f"tiling.overlap: expected three shares of 0 to less than 1, got {tiling.overlap}")
    for value, known in ((tiling.weights, WEIGHTS), (tiling.padding, PADDINGS)):
        if value not in known:
            raise ValueError(f"tiling: expected one of {known}, got {value!r}")
    for label in package.labels:
        if label.first_value not in package.outputs:
            got = label.first_value
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got {got}")


def check_radiograph(package: RadiographPackage) -> None:
    """Attributes are named once, decisions are probabilities, and the operating point is known."""
    decision, known = package.decision, set(package.attributes)
    strange = {*package.body_parts, *package.views} - known
    if strange or len(known) < len(package.attributes):
        raise ValueError(
            f"attributes: expected each once, with all body parts and views, got {sorted(strange)}"
        )
    if not package.body_parts or not package.views:
        raise ValueError("body_parts, views: expected at least one of each, got none")
    if package.folds[0].arguments.get("attributes") != len(package.attributes):
        raise ValueError(f"network.arguments.attributes: expected {len(package.attributes)}")
    if any(side % 32 for side in package.folds[0].patch):
        raise ValueError(f"network.canvas: expected multiples of 32, got {package.folds[0].patch}")
    shares = {
        "outline_threshold": decision.outline_threshold,
        "outline_share": decision.outline_share,
        "margin": decision.margin,
        **decision.operating_points,
    }
    wrong = {name: value for name, value in shares.items() if not 0 <= value < 1}
    if wrong or min(decision.image[1], decision.finding[1]) < 0:
        raise ValueError(f"decision: expected shares from 0 to 1 and rising factors, got {wrong}")
    if set(decision.operating_points) != set(OPERATING_POINTS):
        got = ", ".join(decision.operating_points)
        raise ValueError(f"decision.operating_points: expected {', '.join(OPERATING_POINTS)}, got {got}")


def require_step(step: Step) -> None:
    """A step of a MONAI bundle is known, and so are its arguments."""
    if step.name not in STEP_ARGUMENTS:
        raise ValueError(f"steps: expected one of {', '.join(STEP_ARGUMENTS)}, got {step.name!r}")
    needed, allowed = STEP_ARGUMENTS[step.name]
    if needed - set(step.arguments) or set(step.arguments) - needed - allowed:
        raise ValueError(f"steps.{step.name}: expected {sorted(needed)}, got {sorted(step.arguments)}")
    if not is_orientation(str(step.arguments.get("directions", "LPS"))):
        got = step.arguments["directions"]
        raise ValueError(f"steps.orientation: expected such as RAS, got {got!r}")
