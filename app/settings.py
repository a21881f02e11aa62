"""Settings: the only reader of the environment and of app.yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)
from yaml import YAMLError

from app.map.conventions import told
from app.node.configuration import NodeSettings
from app.node.redaction import got, yaml_fault
from operators.errors import UsageError

ROOT = Path(__file__).resolve().parent.parent
# pyproject.toml takes it from here: a packaged folder runs where nothing of it is installed
SOFTWARE_VERSION = "0.1.0"


class SegSettings(BaseModel):
    """What a site sets of its DICOM SEG."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: Literal["binary", "labelmap"] = Field(
        "binary", description="binary opens everywhere; labelmap is smaller, where viewers know it"
    )


class Settings(BaseSettings):
    """What a person may set: arguments first, then the environment, then app.yaml."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="OSTEON_", yaml_config_section="osteon",
        env_nested_delimiter="__", nested_model_default_partial_update=True, hide_input_in_errors=True,
    )

    input: Path | None = Field(None, description="Read where none is named")
    output: Path | None = Field(None, description="Written where none is named")
    models: Path = Field(Path("models"), description="Folder of model packages")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the networks run; auto takes a GPU if there is one"
    )
    runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="What runs them; auto takes torch on a GPU, OpenVINO on a CPU"
    )
    precision: Literal["auto", "f32", "bf16"] = Field(
        "auto", description="Their arithmetic; auto leaves it to the package, mode and processor"
    )
    mode: Literal["exact", "fast"] = Field(
        "exact", description="How published networks are run: as the original, or in fewer, unmirrored tiles"
    )
    threads: int = Field(0, ge=0, description="CPU threads of the networks, 0 for all")
    files: tuple[Literal["stl", "ply", "glb", "nifti", "rtstruct"], ...] = Field(
        (), description="Surfaces and label maps beside the DICOM results"
    )
    seg: SegSettings = Field(SegSettings(), description="The DICOM SEG that is written")
    node: NodeSettings = Field(NodeSettings(), description="The PACS node, `osteon serve`")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, what a platform says, environment, app.yaml."""
        del dotenv_settings, file_secret_settings
        platform = InitSettingsSource(settings_cls, told(os.environ))
        named_file = os.environ.get("HOLOSCAN_CONFIG_PATH")
        path = Path(named_file) if named_file else ROOT / "app.yaml"
        if named_file and not path.is_file():
            raise UsageError(f"expected a configuration file at HOLOSCAN_CONFIG_PATH, got {path}")
        if not path.is_file():
            return init_settings, platform, env_settings
        return init_settings, platform, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=path)


def read_settings(**given: Any) -> Settings:
    """Settings with what was `given` (None: not given). Raises UsageError for a wrong value."""
    try:
        settings = Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"setting {name}: {first['msg']}{got(dict(first))}") from error
    except (YAMLError, KeyError, TypeError, ValueError) as error:
        text = f"expected a configuration file with a section osteon, got: {yaml_fault(error)}"
        raise UsageError(text) from error
    return settings.model_copy(update={"models": models_folder(settings.models)})


def models_folder(models: Path) -> Path:
    """A relative folder that is not here is looked for beside the application."""
    return models if models.is_absolute() or models.exists() else ROOT / models
