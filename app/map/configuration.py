"""The JSON schema of app.yaml, which editors use for completion, and the check of a file against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from app.configuration_file import line_of
from app.node.settings.ignored import ignored_settings
from app.node.settings.redaction import got, yaml_fault
from app.settings import ROOT, Settings
from operators.errors import UsageError

SCHEMA = ROOT / "app.schema.json"
# Kubernetes' resource quantities, as the MAP specification requires
MEMORY = r"^\d+(\.\d+)?[KMGT]i$"
Formats = list[Literal["file"]]


class Section(BaseModel):
    """A section of the file; unlike Settings it reads no environment variables."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Application(Section):
    """The package's description of itself."""

    title: str = Field(min_length=1, description="Name of the package")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+", description="Semantic version")
    timeout: int = Field(0, ge=0, description="Time limit of a run in seconds; 0 for no limit")
    formats_in: Formats = Field(alias="inputFormats", description="Formats of the input")
    formats_out: Formats = Field(alias="outputFormats", description="Formats of the output")
    cli_formats_in: Formats = Field([], alias="input-formats", description="For holoscan-cli 4.2")
    cli_formats_out: Formats = Field([], alias="output-formats", description="For holoscan-cli 4.2")


class Resources(Section):
    """The resources that the package requests from a platform."""

    cpu: float = Field(1, gt=0, description="Processor cores")
    gpu: int = Field(0, ge=0, description="GPUs")
    memory: str = Field("1Gi", pattern=MEMORY, description="Main memory")
    gpu_memory: str = Field("0Gi", pattern=MEMORY, alias="gpuMemory", description="Memory of the GPU")
    shared_memory: str = Field("64Mi", pattern=MEMORY, alias="sharedMemory", description="Shared memory")


def file_model() -> type[BaseModel]:
    """Returns the model of the whole file, which requires only the section osteon, with Settings' fields."""
    fields: dict[str, Any] = {
        name: (field.annotation, field) for name, field in Settings.model_fields.items()
    }
    section = create_model("Osteon", __base__=Section, __doc__=Settings.__doc__, **fields)
    sections: dict[str, Any] = {
        "application": (Application | None, None),
        "resources": (Resources | None, None),
        "osteon": (section, ...),
    }
    return create_model("Configuration", __base__=Section, __doc__="Osteon's app.yaml.", **sections)


def schema() -> dict[str, Any]:
    """Returns the JSON schema of app.yaml."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | file_model().model_json_schema(by_alias=True)


def faults(path: Path) -> list[str]:
    """Returns a sentence for every fault in an app.yaml. Raises UsageError if it cannot be read at all."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        text = f"expected a configuration file at {path}, got: {yaml_fault(error)}"
        raise UsageError(text) from error
    try:
        section: Any = file_model().model_validate(content)
    except ValidationError as error:
        return [fault_text(path, dict(fault)) for fault in error.errors()]
    return ignored_settings(section.osteon.node)


def fault_text(path: Path, fault: dict[str, Any]) -> str:
    """Returns a sentence with the setting, what was expected, what came, and the line if known."""
    if not fault["loc"]:
        return "file: expected sections, including osteon, got something else"
    line = line_of(path, fault["loc"])
    place = f" (line {line})" if line else ""
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}{got(fault)}{place}"
