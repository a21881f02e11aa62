"""Writes the comparison's table in docs/training.md from the variants' result files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from operators.networks.architectures.architecture_table import build
from operators.networks.runtimes import RUNTIMES, Device
from research.comparison.scoring import network_spec
from research.comparison.variants import FILTERS
from training.files import with_block, write_text
from training.recipe import NetworkRecipe

HEAD = (
    "| variant | threshold | real fractures, IoU | simulated ones, IoU | false fragments on intact bones "
    "| pieces found / true, of broken bones |\n| --- | --- | --- | --- | --- | --- |"
)


def put_table(page: Path, name: str, rows: list[str]) -> None:
    """Puts rows between the page's markers of that name; leaves the rest as it is."""
    marks, table = (f"<!-- {name} -->", f"<!-- /{name} -->"), "\n".join(rows)
    write_text(page, with_block(page.read_text(encoding="utf-8"), *marks, f"\n{table}\n"))


def table_row(result: dict[str, Any]) -> str:
    """Formats a variant's row: real fractures one by one, the others as means."""
    by_kind: dict[str, list[dict[str, Any]]] = {"real": [], "simulated": [], "intact": []}
    for score in result["scores"]:
        by_kind[score["kind"]].append(score)
    real = ", ".join(f"{score['patient'][-3:]}: {score['iou']:.3f}" for score in by_kind["real"])
    simulated = np.mean([score["iou"] for score in by_kind["simulated"]])
    false = sum(score["found"] - 1 for score in by_kind["intact"])
    broken = by_kind["real"] + by_kind["simulated"]
    found, true = (sum(score[key] for score in broken) for key in ("found", "fragments"))
    name, threshold = result["variant"]["name"], result.get("threshold", "")
    return (
        f"| {name} | {threshold} | {real} | {simulated:.3f} ({len(by_kind['simulated'])}) "
        f"| {false} on {len(by_kind['intact'])} | {found} / {true} |"
    )


FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0)
REPEATS = 7


def size_rows(network: NetworkRecipe) -> Iterator[str]:
    """Yields rows of filters, parameters and the best seconds of several runs, with the runtimes in turns."""
    yield "| filters | parameters, millions | OpenVINO bf16, s | torch bf16, s |\n| --- | --- | --- | --- |"
    for factor in FACTORS:
        sized = network.model_copy(update={"filters": tuple(round(factor * n) for n in FILTERS)})
        model = build(
            sized.architecture, dimensions=len(sized.patch), outputs=len(sized.classes), filters=sized.filters
        ).eval()
        millions = sum(weights.numel() for weights in model.parameters()) / 1e6
        spec, device = network_spec(sized), Device(threads=1, precision="bf16")
        runtimes = [RUNTIMES[name](model, spec, device) for name in ("openvino", "torch")]
        patch = np.random.default_rng(0).random(sized.patch, np.float32)
        taken: list[list[float]] = [[], []]
        for _ in range(REPEATS):
            for runtime, seconds in zip(runtimes, taken, strict=True):
                began = time.perf_counter()
                runtime(patch)
                seconds.append(time.perf_counter() - began)
        fast, slow = min(taken[0]), min(taken[1])
        yield f"| {', '.join(map(str, sized.filters))} | {millions:.1f} | {fast:.3f} | {slow:.3f} |"
