"""Translates MONAI's transforms before the network: a table of the known ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from operators.importing.published import unsupported
from operators.packages.monai_bundle import Step

Given = dict[str, Any]
# Suffixes of the dictionary form of a transform in MONAI
SUFFIXES = ("d", "D", "Dict")
# Arguments that say where data lie, not what is done to them
NAMES = {"keys", "allow_missing_keys", "meta_keys", "meta_key_postfix", "overwriting", "_target_", "_desc_"}


def steps_of(transforms: list[Given]) -> tuple[Step, ...]:
    """Returns the steps of preprocessing. Raises ModelError for an unknown transform or argument."""
    steps = [STEPS[name](given) for name, given in known(transforms, STEPS)]
    made = tuple(step for step in steps if step is not None)
    if [step.name for step in made].count("spacing") != 1:
        unsupported("expected one Spacing among the transforms")
    return made


def known(transforms: list[Given], table: Mapping[str, Any]) -> list[tuple[str, Given]]:
    """Returns the names and arguments of the transforms that are not disabled. Raises ModelError."""
    rows = []
    for given in transforms:
        target = str(given["_target_"])
        if given.get("_disabled_"):
            continue
        name = class_name(target, "monai.transforms.")
        plain = next((name.removesuffix(s) for s in SUFFIXES if name.removesuffix(s) in table), name)
        if plain not in table:
            unsupported(f"expected transforms of {', '.join(table)}, got {target}")
        said = {key: value for key, value in given.items() if key not in {*NAMES, "_disabled_"}}
        rows.append((plain, said))
    return rows


def class_name(target: str, home: str) -> str:
    """Returns the class of a MONAI `_target_`; for another library the whole path, which no table has."""
    return target.rpartition(".")[2] if target.startswith(home) or "." not in target else target


def require(name: str, given: Given, **defaults: object) -> Given:
    """Returns the arguments, completed by `defaults`; a set in `defaults` holds all values that are accepted.

    Raises ModelError for an unknown argument or value.
    """
    for key, value in given.items():
        allowed = defaults.get(key, set())
        if key not in defaults or (isinstance(allowed, set) and plain_value(value) not in allowed):
            unsupported(f"{name}: expected supported arguments, got {key} {value}")
    return {key: value for key, value in defaults.items() if not isinstance(value, set)} | given


def plain_value(value: Any) -> Any:
    """Returns a value that may be given as a list of equal values."""
    while isinstance(value, list) and len(set(map(str, value))) == 1:
        value = value[0]
    return str(value) if isinstance(value, list) else value


def nothing(name: str, **allowed: object) -> Callable[[Given], None]:
    """Returns the reader of a transform that leaves the image unchanged."""

    def check(given: Given) -> None:
        require(name, given, **allowed)

    return check


def orientation(given: Given) -> Step:
    """Reads Orientation."""
    said = require(
        "Orientation", given, axcodes="", labels={None}, as_closest_canonical={False}, lazy={False}
    )
    return Step("orientation", {"directions": str(said["axcodes"])})


def spacing(given: Given) -> Step:
    """Reads Spacing: linear interpolation, with the edge repeated."""
    said = require(
        "Spacing",
        given,
        pixdim=(),
        mode={"bilinear"},
        padding_mode={"border"},
        diagonal={False},
        align_corners={None, False},
        scale_extent={False},
        recompute_affine={False},
        dtype={"float64"},
        min_pixdim={None},
        max_pixdim={None},
        ensure_same_shape={True, False},
        lazy={False},
    )
    given_mm = said["pixdim"]
    mm = [float(side) for side in (given_mm if isinstance(given_mm, list) else [given_mm])]
    mm += mm[-1:] * (3 - len(mm))
    if min(mm) <= 0:
        unsupported(f"Spacing: expected a positive spacing of each axis, got {mm}")
    return Step("spacing", {"mm": mm[:3]})


def scale_range(given: Given) -> Step:
    """Reads ScaleIntensityRange."""
    said = require(
        "ScaleIntensityRange",
        given,
        a_min=0.0,
        a_max=1.0,
        b_min=None,
        b_max=None,
        clip=False,
        dtype={"float32"},
    )
    both = [said["b_min"], said["b_max"]]
    if both.count(None) == 1 or said["a_min"] == said["a_max"]:
        unsupported("ScaleIntensityRange: expected both ends of each range")
    to: Given = {} if None in both else {"to": [float(end) for end in both]}
    ends = {"low": float(said["a_min"]), "high": float(said["a_max"]), "clip": bool(said["clip"])}
    return Step("scale_range", ends | to)


def scale(given: Given) -> Step:
    """Reads ScaleIntensity."""
    said = require(
        "ScaleIntensity",
        given,
        minv=0.0,
        maxv=1.0,
        factor={None},
        channel_wise={True, False},
        dtype={"float32"},
    )
    return Step("scale", {"to": [float(said["minv"]), float(said["maxv"])]})


def normalise(given: Given) -> Step:
    """Reads NormalizeIntensity."""
    said = require(
        "NormalizeIntensity",
        given,
        subtrahend=None,
        divisor=None,
        nonzero=False,
        channel_wise={True, False},
        dtype={"float32"},
    )
    numbers = {"mean": said["subtrahend"], "deviation": said["divisor"]}
    given_numbers = {key: float(plain_value(value)) for key, value in numbers.items() if value is not None}
    return Step("normalise", {"nonzero": bool(said["nonzero"]), **given_numbers})


def crop(given: Given) -> Step:
    """Reads CropForeground; a margin is accepted only if it may not extend beyond the image."""
    said = require(
        "CropForeground",
        given,
        source_key=None,
        margin=0,
        allow_smaller=False,
        k_divisible={1},
        mode={"constant", "minimum"},
        select_fn={None},
        channel_indices={None},
        lazy={False},
        start_coord_key=None,
        end_coord_key=None,
    )
    margin = plain_value(said["margin"])
    if not isinstance(margin, int) or (margin and not said["allow_smaller"]):
        unsupported(f"CropForeground: expected no margin, got {margin}")
    return Step("crop", {"margin": margin})


FREE = {"image_only": {True, False}, "dtype": {"float32"}}
STEPS: dict[str, Callable[[Given], Step | None]] = {
    "LoadImage": nothing(
        "LoadImage",
        **FREE,
        reader={None, "ITKReader", "NibabelReader"},
        ensure_channel_first={True, False},
        simple_keys={True, False},
        prune_meta_pattern={None},
    ),
    "EnsureChannelFirst": nothing(
        "EnsureChannelFirst", channel_dim={None, "no_channel"}, strict_check={True, False}
    ),
    "AddChannel": nothing("AddChannel"),
    "EnsureType": nothing(
        "EnsureType",
        data_type={"tensor"},
        dtype={None, "float32"},
        device=None,
        track_meta={None, True},
        wrap_sequence={True},
    ),
    "ToTensor": nothing("ToTensor", dtype={None, "float32"}, device=None, track_meta={None, True}),
    "CastToType": nothing("CastToType", dtype={"float32"}),
    "Orientation": orientation,
    "Spacing": spacing,
    "ScaleIntensityRange": scale_range,
    "ScaleIntensity": scale,
    "NormalizeIntensity": normalise,
    "CropForeground": crop,
}
