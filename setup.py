"""Adds models and app.yaml to the wheel, below share/osteon; pyproject.toml says all else."""

from pathlib import Path

from setuptools import setup

SHARE = Path("share") / "osteon"
MODELS = sorted(path for path in Path("models").rglob("*") if path.is_file())
FOLDERS = sorted({path.parent for path in MODELS})

setup(
    data_files=[
        (str(SHARE), ["app.yaml", "app.schema.json"]),
        *((str(SHARE / folder), [str(p) for p in MODELS if p.parent == folder]) for folder in FOLDERS),
    ]
)
