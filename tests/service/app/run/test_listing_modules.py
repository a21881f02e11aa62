"""To list a folder's series loads no library of networks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_listing_loads_no_networks_library() -> None:
    heavy = "{'torch', 'monai', 'highdicom', 'scipy'}"
    code = f"import sys, app.run.listing.series_listing; print({heavy} & set(sys.modules))"
    root = Path(__file__).parents[4]
    shown = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"
