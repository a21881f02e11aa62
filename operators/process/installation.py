"""Finds the application's own data: models and app.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
# Where a wheel installs them (setup.py)
_INSTALLED = Path(sys.prefix) / "share" / "osteon"


def application_folder() -> Path:
    """Returns the folder with `app.yaml`: that of a checkout or container, else of the installed wheel."""
    return _CHECKOUT if (_CHECKOUT / "app.yaml").is_file() else _INSTALLED


def bundled_models() -> Path:
    """Returns the folder of the bundled models: in the application folder, or beside it in a container."""
    within, beside = application_folder() / "models", application_folder().parent / "models"
    return within if within.is_dir() or not beside.is_dir() else beside
