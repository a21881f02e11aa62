"""Consistency checks of coarse-to-fine packages, and of those that share their fracture network."""

from __future__ import annotations

from collections.abc import Collection

from operators.bones.find import FINDERS
from operators.fragments.fragments import FRAGMENTS
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.confidence import Confidence
from operators.packages.iterative import MEMORY, ONE_BY_ONE_CLASSES
from operators.packages.operating_points import check_operating_points
from operators.packages.plans import SplittingPackage

FRACTURE_CLASSES = ("background", "interior", "contact")


def check_coarse_to_fine(package: CoarseToFinePackage) -> None:
    """Checks that strategies exist, classes are those of the networks, and numbers are in their ranges."""
    require_row("find.keep", package.find.keep, FINDERS)
    check_fracture(package)
    check_classes(package)
    check_ball_joints(package)
    check_rows(package)


def check_fracture(package: SplittingPackage) -> None:
    """Checks the network that splits bones, its strategy and its calibration."""
    require_row("fragments.strategy", package.fragments.strategy, FRAGMENTS)
    if package.fracture.classes != FRACTURE_CLASSES:
        raise ValueError(f"networks.fracture.classes: expected {FRACTURE_CLASSES}")
    check_confidence(package.confidence)


def require_networks(given: Collection[str]) -> None:
    """Checks that the networks are there that every package of the coarse-to-fine pipeline has."""
    if missing := {"coarse", "fine", "fracture"} - set(given):
        raise ValueError(f"networks: expected coarse, fine and fracture, got no {', '.join(sorted(missing))}")


def check_classes(package: CoarseToFinePackage) -> None:
    """Checks that the classes of sides, conditioning channels and labels are those of the networks."""
    coarse = set(package.coarse.classes)
    strange = {*package.sides.middle, *package.sides.lateral} - coarse
    if strange:
        raise ValueError(f"sides: expected classes of {package.coarse.name}, got {sorted(strange)}")
    for spec in (package.coarse, package.fine, package.fracture):
        if set(spec.guide) - coarse or (spec.guide and spec is package.coarse):
            raise ValueError(f"networks.{spec.name}.guide: expected classes of {package.coarse.name}")
    for label in package.labels:
        own = label.found_by
        for spec, wanted in ((package.coarse, own.coarse_class), (package.fine, own.fine_class)):
            if wanted not in spec.classes:
                raise ValueError(f"labels.{label.name}: expected a class of {spec.name}, got {wanted!r}")


def check_rows(package: CoarseToFinePackage) -> None:
    """Checks that bones in a row have what outlines them one by one, and what names them."""
    instance, level, rules = package.instance, package.level, package.levels
    in_row = any(label.found_by.is_of_row for label in package.labels)
    if in_row and (instance is None or package.iterative is None):
        raise ValueError("iterative: expected [networks.instance] and [iterative] for such labels, got none")
    if instance is not None and (instance.classes, instance.guide) != (ONE_BY_ONE_CLASSES, (MEMORY,)):
        raise ValueError(
            f"networks.instance: expected the classes {ONE_BY_ONE_CLASSES}, guide = ['{MEMORY}']"
        )
    if package.iterative and (strange := set(package.iterative.others) - set(package.fine.classes)):
        raise ValueError(f"iterative: expected classes of {package.fine.name}, got {sorted(strange)}")
    if package.names == "vertebral_levels" or level is not None:
        if rules is None or level is None:
            raise ValueError("levels: expected [levels] and [networks.level] to name the bones of a row by")
        wanted = {*rules.levels, rules.unnamed}
        if missing := wanted - {label.name for label in package.labels}:
            raise ValueError(f"levels: expected structures that the package delivers, got {sorted(missing)}")


def check_ball_joints(package: CoarseToFinePackage) -> None:
    """Ball joints are of classes of the fine network, and their radii rise."""
    for joint in package.ball_joints:
        least, greatest = joint.radius_mm
        if {joint.head, joint.socket} - set(package.fine.classes) or not 0 < least < greatest:
            text = f"expected classes of {package.fine.name} and rising radii, got {joint}"
            raise ValueError(f"ball_joints: {text}")


def check_confidence(confidence: Confidence) -> None:
    """Checks that a calibration is absent, or a constant and an increasing factor."""
    for name in ("bone", "fracture", "contact"):
        line = getattr(confidence, name)
        if line and (len(line) != 2 or line[1] < 0):
            raise ValueError(f"confidence.{name}: expected a constant and a factor of 0 or more, got {line}")
    if confidence.operating_points:
        check_operating_points("confidence.operating_points", confidence.operating_points)


def require_row(where: str, given: str, table: Collection[str]) -> None:
    """Checks that a strategy is a row of its table."""
    if given not in table:
        raise ValueError(f"{where}: expected one of {sorted(table)}, got {given!r}")
