"""Imports MONAI in two sizes.

`import monai` loads every module of it, and with them some hundred others: 1.2 s and 80 MB, of which MONAI
Deploy needs none.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from importlib import import_module


def import_monai_alone() -> None:
    """MONAI's root and nothing below it, unless it is there already; MONAI Deploy is then soon imported."""
    if "monai" in sys.modules:
        return
    walk = pkgutil.walk_packages
    # What monai/__init__.py walks along to load everything
    pkgutil.walk_packages = nothing
    try:
        import_module("monai")
    finally:
        pkgutil.walk_packages = walk


def nothing(*_: object, **__: object) -> Iterator[pkgutil.ModuleInfo]:
    """No modules."""
    return iter(())


def import_monai() -> None:
    """Imports all that MONAI's networks and transforms need of each other.

    They import each other in circles, which open from this side only.
    """
    import_module("monai.apps")
