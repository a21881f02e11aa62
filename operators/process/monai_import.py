"""Imports MONAI in two extents.

`import monai` loads all of its modules, and with them about a hundred others: 1.2 s and 80 MB, of which MONAI
Deploy needs nothing.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def import_monai_alone() -> None:
    """Imports MONAI's root module alone, which makes the import of MONAI Deploy quick."""
    if "monai" in sys.modules:
        return
    walk = pkgutil.walk_packages
    # The function with which monai/__init__.py finds all modules to load
    pkgutil.walk_packages = nothing
    try:
        with without("matplotlib"), without("cupy"), without("psutil"):
            import_module("monai.utils")
    finally:
        pkgutil.walk_packages = walk


@contextmanager
def without(name: str) -> Iterator[None]:
    """Lets imports of a package fail, unless it is loaded already.

    MONAI needs matplotlib, which takes 0.5 s to import, for progress plots in notebooks alone, CuPy, which
    takes 0.25 s, for arrays on a GPU, and psutil, which takes 0.2 s, for a report on the machine.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def nothing(*_: object, **__: object) -> Iterator[pkgutil.ModuleInfo]:
    """Yields no modules."""
    return iter(())


def import_monai() -> None:
    """Imports the modules that MONAI's networks and transforms need of each other, and no others.

    Their imports are circular, and succeed only from this entry.
    """
    import_monai_alone()
    import_module("monai.apps")
