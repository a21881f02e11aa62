"""The packaged folder's entry: python <folder> -i IN -o OUT -m MODELS."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from app.cli.run import main

if __name__ == "__main__":
    main(sys.argv[1:])
