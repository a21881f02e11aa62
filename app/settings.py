"""Settings: the only reader of the environment and of the configuration file."""

from __future__ import annotations

import os
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)
from yaml import YAMLError

from app.configuration_file import SECTION, configuration_file, line_of, value_at
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Frozen
from app.node.settings.redaction import got, yaml_fault
from app.platform_conventions import platform_settings
from operators.errors import UsageError
from operators.process.installation import application_folder

ROOT = application_folder()
# pyproject.toml reads it from here; a packaged folder also runs without being installed
SOFTWARE_VERSION = "0.1.0"
# The file of the settings being read: pydantic builds the sources itself and cannot pass it to them
_given_file: ContextVar[Path | None] = ContextVar("given_file", default=None)


def one_sentence(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Returns a valid operating point; pydantic would report each member of the union by itself."""
    try:
        return validate(value)
    except ValidationError as error:
        text = "expected auto, sensitive, balanced, specific or a number between 0 and 1"
        raise PydanticCustomError("operating_point", text) from error


OperatingPoint = Annotated[
    Literal["auto", "sensitive", "balanced", "specific"] | Annotated[float, Field(gt=0, lt=1)],
    WrapValidator(one_sentence),
]


class SegSettings(Frozen):
    """The settings of the DICOM SEG."""

    profile: Literal["binary", "labelmap"] = Field(
        "binary", description="binary opens everywhere; labelmap is smaller, but fewer viewers can read it"
    )


class Settings(BaseSettings):
    """All settings: arguments first, then the environment, then app.yaml."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="OSTEON_",
        yaml_config_section="osteon",
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
        hide_input_in_errors=True,
    )

    input: Path | None = Field(None, description="Input folder, unless the command line names one")
    output: Path | None = Field(None, description="Output folder, unless the command line names one")
    models: Path = Field(Path("models"), description="Folder of model packages")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where the networks run; auto uses a GPU if there is one"
    )
    runtime: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="Inference runtime; auto uses torch on a GPU and OpenVINO on a CPU"
    )
    precision: Literal["auto", "f32", "bf16"] = Field(
        "auto", description="Precision; auto follows the package, the mode and the processor"
    )
    mode: Literal["exact", "fast"] = Field(
        "exact",
        description="How published networks are run: exact uses the tiles of the original, fast uses fewer "
        "tiles and no mirroring",
    )
    operating_point: OperatingPoint = Field(
        "auto",
        description="Least probability at which a fracture is shown: a name, or 0 to 1; auto is balanced for "
        "radiographs and specific for CT",
    )
    threads: int = Field(0, ge=0, description="CPU threads for the networks; 0 uses all cores")
    files: tuple[Literal["stl", "ply", "glb", "nifti", "rtstruct"], ...] = Field(
        (), description="Surfaces, label maps and contours to write in addition to the DICOM results"
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
        """Returns the sources by precedence: arguments, platform, environment, configuration file."""
        del dotenv_settings, file_secret_settings
        platform = InitSettingsSource(settings_cls, platform_settings(os.environ))
        path = file_in_use(_given_file.get())
        if path is None:
            return init_settings, platform, env_settings
        return init_settings, platform, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=path)


def file_in_use(config: Path | None = None) -> Path | None:
    """Returns the configuration file to read; `config` is the command line's. Raises UsageError."""
    return configuration_file(config, os.environ, Path(), ROOT)


def read_settings(config: Path | None = None, **given: Any) -> Settings:
    """Reads the settings; values `given` as arguments win unless they are None.

    `config` names the configuration file to read instead of the default one. Raises UsageError for a wrong
    value, with its file and line.
    """
    file = file_in_use(config)
    chosen = _given_file.set(file)
    try:
        return validated_settings(file, given)
    except UsageError as error:
        raise UsageError(f"{place_of(file, error.__cause__)}{error}") from error
    finally:
        _given_file.reset(chosen)


def place_of(file: Path | None, cause: BaseException | None) -> str:
    """Returns the file and the line of a wrong setting, or '' if the setting comes from elsewhere."""
    if file is None or not isinstance(cause, ValidationError):
        return ""
    first = cause.errors()[0]
    location = (SECTION, *first["loc"])
    line = line_of(file, location)
    is_of_file = line is not None and value_at(file, location) == first["input"]
    return f"{file}, line {line}: " if is_of_file else ""


def validated_settings(file: Path | None, given: dict[str, Any]) -> Settings:
    """Returns the settings of all sources. Raises UsageError for the first wrong value."""
    try:
        settings = Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"setting {name}: {first['msg']}{got(dict(first))}") from error
    except SettingsError as error:
        # pydantic's message names the field but not its value
        raise UsageError(f"expected JSON in OSTEON_ variables that hold lists, got: {error}") from error
    except (YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        text = f"expected a configuration file with a section {SECTION} at {file}, got: {yaml_fault(error)}"
        raise UsageError(text) from error
    return settings.model_copy(update={"models": models_folder(settings.models)})


def models_folder(models: Path) -> Path:
    """Returns the models folder; a relative one that does not exist is looked for beside the application."""
    beside = ROOT / models
    return beside if not models.is_absolute() and not models.exists() and beside.is_dir() else models
