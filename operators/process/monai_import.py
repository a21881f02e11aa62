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
from importlib.abc import MetaPathFinder

# The imports of MONAI's modules are circular, and succeed only from this one. The root module and MONAI
# Deploy need only modules that do without it
ENTRY = "monai.apps"
ALONE = ("_version", "config", "deploy", "utils")


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
    sys.meta_path.insert(0, Entry())


class Entry(MetaPathFinder):
    """Has the first import of MONAI's other modules, also by code that is not ours, begin at ENTRY."""

    def find_spec(self, name: str, *_: object) -> None:
        """Finds nothing itself."""
        package, *modules = name.split(".")
        if package == "monai" and modules and modules[0] not in ALONE:
            sys.meta_path.remove(self)
            import_module(ENTRY)


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
    """Imports the modules that MONAI's networks and transforms need of each other, and no others."""
    import_monai_alone()
    import_module(ENTRY)
