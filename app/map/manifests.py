"""Makes the manifests of a MONAI Application Package from app.yaml and the model packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from app import platform_layout as layout
from operators.errors import UsageError, reason
from operators.package_files.package_reader import PACKAGE_FILE, read_packages

# Versions of the manifest format that holoscan-cli 4.2.0 and monai-deploy-app-sdk 0.5.1 write
API_VERSION, API_VERSION_0 = "1.0.0", "0.1.0"
Json = dict[str, Any]


def manifests(folder: Path, models: Path, gpus: int = 0) -> dict[str, Json]:
    """Returns the manifests of the application in `folder`, each by its path in the image.

    `gpus` is the number of GPUs to request instead of app.yaml's, which describes the CPU image. Raises
    UsageError, ModelError.
    """
    sections = configuration(folder)
    application = sections["application"]
    resources = sections["resources"] | ({"gpu": gpus} if gpus else {})
    packages = tuple(models_of(models))
    return {
        str(layout.APP_MANIFEST): app_manifest(application),
        str(layout.PKG_MANIFEST): pkg_manifest(application, resources, packages),
        str(layout.APP_MANIFEST_0): app_manifest_0(application),
        str(layout.PKG_MANIFEST_0): pkg_manifest_0(application, resources, packages),
    }


def configuration(folder: Path) -> Json:
    """Returns the sections of app.yaml that describe the package. Raises UsageError."""
    try:
        content = yaml.safe_load((folder / "app.yaml").read_text(encoding="utf-8"))
        return {name: content[name] for name in ("application", "resources")}
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        text = f"expected an app.yaml with the sections application and resources in {folder}"
        raise UsageError(f"{text}, got: {reason(error)}") from error


def models_of(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yields the name, folder name and identity of each package.

    The identity is the SHA-256 of package.toml, which holds the checksums of the weights.
    """
    for package, file in zip(read_packages(folder), sorted(folder.glob(f"*/{PACKAGE_FILE}")), strict=True):
        yield package.name, file.parent.name, hashlib.sha256(file.read_bytes()).hexdigest()


def app_manifest(application: Json) -> Json:
    """Returns app.json of version 1; `command` is a JSON array as text, as the stock entry point expects."""
    return {
        "apiVersion": API_VERSION,
        "command": json.dumps(layout.COMMAND),
        "environment": layout.ENVIRONMENT,
        "input": {"path": str(layout.INPUT), "formats": application["inputFormats"]},
        "output": {"path": str(layout.OUTPUT), "formats": application["outputFormats"]},
        "liveness": liveness(),
        "readiness": None,
        "sdk": "monai-deploy",
        "sdkVersion": version("monai-deploy-app-sdk"),
        "timeout": application["timeout"],
        "version": application["version"],
        "workingDirectory": str(layout.WORK),
    }


def liveness() -> Json:
    """Returns the health check; on a busy machine, compiling a network may delay its answer by seconds."""
    return {
        "type": "command",
        "command": [str(layout.ENTRY_POINT), "health"],
        "initialDelaySeconds": 30,
        "periodSeconds": 30,
        "timeoutSeconds": 10,
        "failureThreshold": 3,
    }


def pkg_manifest(application: Json, resources: Json, packages: tuple[tuple[str, str, str], ...]) -> Json:
    """Returns pkg.json of version 1."""
    return {
        "apiVersion": API_VERSION,
        "applicationRoot": str(layout.APPLICATION),
        "modelRoot": str(layout.MODELS),
        "models": [{"name": name, "path": str(layout.MODELS / folder)} for name, folder, _ in packages],
        "resources": resources,
        "version": application["version"],
        # The only value that holoscan-cli knows for x86-64
        "platformConfig": "dgpu",
    }


def app_manifest_0(application: Json) -> Json:
    """Returns app.json of version 0; `command` is parsed by a shell or split into arguments."""
    return {
        "api-version": API_VERSION_0,
        "command": str(layout.ENTRY_POINT),
        "environment": layout.ENVIRONMENT_0,
        "input": {"path": layout.ENVIRONMENT_0["MONAI_INPUTPATH"], "formats": application["inputFormats"]},
        "output": {"path": layout.ENVIRONMENT_0["MONAI_OUTPUTPATH"], "format": {}},
        "sdk-version": version("monai-deploy-app-sdk"),
        "timeout": application["timeout"],
        "version": application["version"],
        "working-directory": layout.ENVIRONMENT_0["MONAI_WORKDIR"],
    }


def pkg_manifest_0(application: Json, resources: Json, packages: tuple[tuple[str, str, str], ...]) -> Json:
    """Returns pkg.json of version 0; a model's name has at most 63 characters, followed by a checksum."""
    root = layout.ENVIRONMENT_0["MONAI_MODELPATH"]
    return {
        "api-version": API_VERSION_0,
        "application-root": layout.ENVIRONMENT_0["MONAI_WORKDIR"],
        "models": [
            {"name": f"{name[:63]}-{identity}", "path": f"{root}/{folder}"}
            for name, folder, identity in packages
        ],
        "resources": {name: resources[name] for name in ("cpu", "gpu", "memory")},
        "sdk-version": version("monai-deploy-app-sdk"),
        "version": application["version"],
    }
