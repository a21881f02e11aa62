"""Where the application's own data lie: models and app.yaml."""

from __future__ import annotations

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[1]
# Where a wheel puts them (setup.py)
_INSTALLED = Path(sys.prefix) / "share" / "osteon"


def application_folder() -> Path:
    """The folder with `app.yaml`: a checkout's or container's, else that of the installed wheel."""
    return _CHECKOUT if (_CHECKOUT / "app.yaml").is_file() else _INSTALLED


def bundled_models() -> Path:
    """The models that ship with the application: in its folder, in a container beside it."""
    within, beside = application_folder() / "models", application_folder().parent / "models"
    return within if within.is_dir() or not beside.is_dir() else beside
