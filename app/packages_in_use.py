"""The packages that a run, the node and the library use, as the settings want them."""

from __future__ import annotations

from app.settings import Settings
from operators.package_files.package_reader import choose_packages
from operators.packages.packages import ModelPackage


def packages_in_use(settings: Settings, name: str | None = None) -> tuple[ModelPackage, ...]:
    """Returns all packages of the models folder, or the one of that name, at the settings' operating point.

    Raises ModelError if there is none, UsageError if none has that name.
    """
    point = str(settings.operating_point)
    return tuple(package.at(point) for package in choose_packages(settings.models, name))
