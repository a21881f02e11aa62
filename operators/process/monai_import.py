"""Imports MONAI in two extents.

`import monai` loads all of its modules, torch, and about a hundred others: 3.7 s of a processor and 590 MB.
MONAI Deploy needs nothing of them, and takes 0.4 s and 110 MB alone.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

# The imports of MONAI's modules are circular, and succeed only from this one
ENTRY = "monai.apps"
# MONAI Deploy, which alone needs nothing of MONAI's root module
ALONE = "deploy"
# What MONAI Deploy imports for models that its own operators run: torch takes 1 s, Triton's client 0.15 s
ON_USE = ("torch", "tritonclient.http")


def import_monai_deploy() -> None:
    """Imports MONAI Deploy without MONAI, torch and Triton's client."""
    import_monai_alone()
    with imported_on_use(*ON_USE):
        import_module("monai.deploy")


def import_monai_alone() -> None:
    """Prepares the import of MONAI's modules: its root module is executed when one of them is needed."""
    if "monai" in sys.modules:
        return
    spec = find_spec("monai")
    if spec is None:
        raise ModuleNotFoundError("No module named 'monai'", name="monai")
    root = module_from_spec(spec)
    entry = Entry(root)
    root.__dict__["__getattr__"] = entry.attribute
    sys.modules["monai"] = root
    sys.meta_path.insert(0, entry)


class Entry(MetaPathFinder):
    """Executes MONAI's root module before the first import of a module of MONAI, also by code that is not
    ours, and lets that begin at ENTRY.
    """

    def __init__(self, root: ModuleType) -> None:
        self.root = root

    def find_spec(self, name: str, *_: object) -> None:
        """Finds nothing itself."""
        package, *modules = name.split(".")
        if package == "monai" and modules and modules[0] != ALONE:
            self.execute()
            import_module(ENTRY)

    def attribute(self, name: str) -> Any:
        """Returns an attribute that the root module lacks until it is executed. Raises AttributeError."""
        # Other names with underscores are asked of every module, by inspection
        if self in sys.meta_path and (name == "__version__" or not name.startswith("__")):
            self.execute()
            return getattr(self.root, name)
        raise AttributeError(f"module 'monai' has no attribute {name!r}", name=name, obj=self.root)

    def execute(self) -> None:
        """Executes the root module without the modules that it would load."""
        sys.meta_path.remove(self)
        del self.root.__dict__["__getattr__"]
        spec, walk = self.root.__spec__, pkgutil.walk_packages
        assert spec is not None
        assert spec.loader is not None
        # The function with which monai/__init__.py finds all modules to load
        pkgutil.walk_packages = nothing
        try:
            with without("matplotlib"), without("cupy"), without("psutil"):
                spec.loader.exec_module(self.root)
        finally:
            pkgutil.walk_packages = walk


class ImportedOnUse(ModuleType):
    """Gives the attributes of the module of its name, which it imports when the first is read."""

    def __getattr__(self, name: str) -> Any:
        # Its importers look for some
        if sys.modules.get(self.__name__) is self:
            raise AttributeError(f"{self.__name__} is not loaded yet", name=name, obj=self)
        return getattr(import_module(self.__name__), name)


@contextmanager
def imported_on_use(*names: str) -> Iterator[None]:
    """Lets modules be imported meanwhile that are loaded only if their attributes are read later."""
    absent = {name: ImportedOnUse(name) for name in names if name not in sys.modules}
    sys.modules.update(absent)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


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
