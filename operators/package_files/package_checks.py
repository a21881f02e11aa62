"""Consistency checks across the tables of a package.toml; they raise ValueError with place and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from operators.geometry.orientation import is_orientation
from operators.geometry.volume import HIGHEST_VALUE
from operators.intensities.normalisation import SCHEMES
from operators.package_files.coarse_to_fine_checks import check_coarse_to_fine, check_fracture, require_row
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.monai_bundle import STEP_ARGUMENTS, MonaiBundlePackage, Step
from operators.packages.operating_points import check_operating_points
from operators.packages.packages import MEASURABLE, NAMED, Label, ModelPackage, NetworkSpec
from operators.packages.plans import (
    NnUNetFragmentsPackage,
    NnUNetPackage,
    NnUNetPerBonePackage,
    Stage,
)
from operators.packages.radiograph import RadiographPackage
from operators.packages.structures import SIDES

# Fragments of one bone are counted in a byte
MOST_FRAGMENTS = 255


def check_package(package: ModelPackage) -> None:
    """Checks everything that applies to a package of its kind."""
    check_values(package.labels)
    for name in package.measurements:
        require_row("measurements", name, MEASURABLE)
    require_row("names", package.names, NAMED)
    for spec in package.networks:
        check_network(spec)
    for kind, check in CHECKS.items():
        if isinstance(package, kind):
            check(package)


def check_values(labels: Iterable[Label]) -> None:
    """Checks that no two labels share a value, and that a side is left or right."""
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
    """Checks that input, output and normalisation of a network fit together."""
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
        raise ValueError(f"{where}: expected one input channel and one more for each class of the guide")


def check_nnunet(package: NnUNetPackage) -> None:
    """Checks that the stages can be run, and that the last one writes the labels."""
    for stage in package.stages:
        check_stage(stage)
    written = set(package.stages[-1].values.values())
    for label, value in zip(package.labels, package.written, strict=True):
        if value not in written:
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got {value}")


def check_per_bone(package: NnUNetPerBonePackage) -> None:
    """Checks that the bones and the network that splits them fit each other."""
    for stage in package.fracture:
        check_stage(stage)
    check_bones(package.bones)
    known = package.fracture[-1].values
    if set(package.splitting.pieces) - set(known):
        raise ValueError(f"fracture.pieces: expected some of {list(known)}, got {package.splitting.pieces}")


def check_fragments(package: NnUNetFragmentsPackage) -> None:
    """Checks that the bones and the network that splits them fit each other."""
    check_bones(package.bones)
    check_fracture(package)
    if package.fracture.guide:
        raise ValueError(f"networks.fracture.guide: expected none, got {package.fracture.guide}")


def check_bones(values: Sequence[int]) -> None:
    """Checks that an anatomy network writes a value of its own for each bone."""
    if len(set(values)) < len(values):
        raise ValueError(f"labels: expected a unique value for each bone, got {tuple(values)}")


def check_stage(stage: Stage) -> None:
    """Checks that a stage of an nnU-Net is supported."""
    recipe, spec = stage.recipe, stage.spec
    if recipe.regions and len(recipe.regions) != len(spec.classes):
        raise ValueError(f"recipe.regions: expected one value for each of {len(spec.classes)} classes")
    if not is_orientation(recipe.orientation):
        got = recipe.orientation
        raise ValueError(f"recipe.orientation: expected three directions such as LPS, got {got!r}")
    if sorted(recipe.transpose) != [0, 1, 2]:
        raise ValueError(f"recipe.transpose: expected an order of 0, 1, 2, got {recipe.transpose}")
    if set(recipe.mirror_axes) - set(range(spec.dimensions)):
        raise ValueError(f"recipe.mirror_axes: expected axes of {spec.dimensions}, got {recipe.mirror_axes}")
    if max(recipe.output.order, recipe.output.order_across) > 1:
        raise ValueError(f"recipe.output: expected orders 0 or 1, got {recipe.output}")
    if recipe.guide.order_across:
        raise ValueError(f"recipe.guide.order_across: expected 0, got {recipe.guide.order_across}")


def guide_values(stage: Stage, before: Stage | None) -> tuple[int, ...]:
    """Returns the label values of the previous stage's classes that this stage reads."""
    values, guide = before.values if before else {}, stage.spec.guide
    if set(guide) - set(values) or bool(guide) != bool(values):
        raise ValueError(f"network.guide: expected some of the classes of [previous], got {guide}")
    return tuple(values[name] for name in guide)


def check_bundle(package: MonaiBundlePackage) -> None:
    """Checks that the parts of a MONAI bundle fit each other."""
    network = package.network
    if network.dimensions != 3 or len(package.outcome.values) != len(network.classes):
        raise ValueError("expected a network of three dimensions and one value for each class")
    for label in package.labels:
        if label.first_value not in package.outcome.values:
            got = label.first_value
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got {got}")


def check_radiograph(package: RadiographPackage) -> None:
    """Attributes are named once, and the operating points are known."""
    decision, known = package.decision, set(package.attributes)
    strange = {*package.body_parts, *package.views} - known
    if strange or len(known) < len(package.attributes):
        raise ValueError(
            f"attributes: expected each once, with all body parts and views, got {sorted(strange)}"
        )
    if unknown := package.body_part_terms.keys() - package.body_parts.keys():
        raise ValueError(f"body_part_terms: expected names of body_parts, got {sorted(unknown)}")
    if package.folds[0].arguments.get("attributes") != len(package.attributes):
        raise ValueError(f"network.arguments.attributes: expected {len(package.attributes)}")
    if any(side % 32 for side in package.folds[0].patch):
        raise ValueError(f"network.canvas: expected multiples of 32, got {package.folds[0].patch}")
    check_operating_points("decision.operating_points", decision.operating_points)


def require_step(step: Step) -> None:
    """Checks that a step of a MONAI bundle is supported, and so are its arguments."""
    if step.name not in STEP_ARGUMENTS:
        raise ValueError(f"steps: expected one of {', '.join(STEP_ARGUMENTS)}, got {step.name!r}")
    needed, allowed = STEP_ARGUMENTS[step.name]
    if needed - set(step.arguments) or set(step.arguments) - needed - allowed:
        raise ValueError(f"steps.{step.name}: expected {sorted(needed)}, got {sorted(step.arguments)}")
    if not is_orientation(str(step.arguments.get("directions", "LPS"))):
        got = step.arguments["directions"]
        raise ValueError(f"steps.orientation: expected such as RAS, got {got!r}")


# Of each kind of package; those of a kind that others extend apply to these too
CHECKS: dict[type[ModelPackage], Callable[[Any], None]] = {
    CoarseToFinePackage: check_coarse_to_fine,
    NnUNetPackage: check_nnunet,
    NnUNetPerBonePackage: check_per_bone,
    NnUNetFragmentsPackage: check_fragments,
    MonaiBundlePackage: check_bundle,
    RadiographPackage: check_radiograph,
}
