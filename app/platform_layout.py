"""The paths in a MONAI Application Package, for both generations of its specification.

Version 1: Holoscan SDK user guide, "Holoscan Application Package specification" (HAP), which MONAI Deploy's
guideline monai-application-package.md follows. Version 0: the packager of monai-deploy-app-sdk 0.5.1.
"""

from __future__ import annotations

from pathlib import PurePosixPath as At

APPLICATION = At("/opt/holoscan/app")
MODELS = At("/opt/holoscan/models")
DOCS = At("/opt/holoscan/docs")
WORK = At("/var/holoscan")
INPUT, OUTPUT, LOGS = WORK / "input", WORK / "output", WORK / "logs"
# The node's data folder; the app.yaml of a deployed node names it
DATA = At("/var/lib/osteon")
CONFIGURATION = WORK / "app.yaml"
ENTRY_POINT = WORK / "tools"
EXPORT = At("/var/run/holoscan/export")
# EXPORT without the link /var/run, which buildah 1.28 would follow out of its container
EXPORT_MOUNT = At("/run/holoscan/export")
APP_MANIFEST, PKG_MANIFEST = At("/etc/holoscan/app.json"), At("/etc/holoscan/pkg.json")
APP_MANIFEST_0, PKG_MANIFEST_0 = At("/etc/monai/app.json"), At("/etc/monai/pkg.json")

# Where `extract` puts the manifests, relative to the folder that the platform mounts
EXTRACTED = {
    APP_MANIFEST: "config/app.json",
    PKG_MANIFEST: "config/pkg.json",
    APP_MANIFEST_0: "config/monai/app.json",
    PKG_MANIFEST_0: "config/monai/pkg.json",
}

# Version 0's folders link to those of version 1; the links are relative, so that they stay within the image
LINKS = {At("/opt/monai"): "holoscan", At("/var/monai"): "holoscan"}

COMMAND = ("python3", "-u", str(APPLICATION))

ENVIRONMENT = {
    "HOLOSCAN_APPLICATION": str(APPLICATION),
    "HOLOSCAN_INPUT_PATH": str(INPUT),
    "HOLOSCAN_OUTPUT_PATH": str(OUTPUT),
    "HOLOSCAN_WORKDIR": str(WORK),
    "HOLOSCAN_MODEL_PATH": str(MODELS),
    "HOLOSCAN_CONFIG_PATH": str(CONFIGURATION),
    "HOLOSCAN_APP_MANIFEST_PATH": str(APP_MANIFEST),
    "HOLOSCAN_PKG_MANIFEST_PATH": str(PKG_MANIFEST),
    "HOLOSCAN_DOCS_PATH": str(DOCS),
    "HOLOSCAN_LOGS_PATH": str(LOGS),
}

ENVIRONMENT_0 = {
    "MONAI_APPLICATION": "/opt/monai/app",
    "MONAI_INPUTPATH": "/var/monai/input",
    "MONAI_OUTPUTPATH": "/var/monai/output",
    "MONAI_WORKDIR": "/var/monai",
    "MONAI_MODELPATH": "/opt/monai/models",
}
