"""Turns a checkpoint into a package's weights: safetensors, half precision, SHA-256 in package.toml."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import torch
from safetensors.torch import save

from operators.imaging.package_file import PACKAGE_FILE, read_package


def export(checkpoint: Path, package_folder: Path, network: str) -> str:
    """Writes the averaged weights of `checkpoint` where the package expects them; returns the SHA-256."""
    package = read_package(package_folder / PACKAGE_FILE)
    spec = next(spec for spec in package.networks if spec.name == network)
    average = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
    content = save({name: tensor.half().contiguous() for name, tensor in average.items()})
    spec.weights.parent.mkdir(parents=True, exist_ok=True)
    spec.weights.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    write_sha256(package_folder / PACKAGE_FILE, network, sha256)
    return sha256


def write_sha256(package_file: Path, network: str, sha256: str) -> None:
    """Puts the checksum into the table [networks.NETWORK]; nothing else of the file changes."""
    text = package_file.read_text(encoding="utf-8")
    pattern = rf'(\[networks\.{re.escape(network)}\][^\[]*?(?:\[[^\]]*\][^\[]*?)*?sha256 = ")[0-9a-f]*(")'
    changed, count = re.subn(pattern, rf"\g<1>{sha256}\g<2>", text, count=1)
    if count != 1:
        raise ValueError(f"expected a line sha256 = \"...\" under [networks.{network}] in {package_file.name}")
    package_file.write_text(changed, encoding="utf-8")
