"""The training report beside a network's weights: data, sessions and cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.files import write_json
from training.loop.runs import TrainingRun
from training.recipe import Recipe

# Source tables of a recipe that networks of a kind do not read
NOT_OF_ROWS = {"label_maps", "bone_sets", "posed_bones", "negatives", "phantoms", "fracture_bones"}
UNREAD = {
    "fracture": {"negatives", "deformed_rows"},
    "anatomy": {"fracture_bones", "deformed_rows"},
    "instance": NOT_OF_ROWS,
    "level": NOT_OF_ROWS,
}
ENERGY = "minutes times watts; watts are assumed (training/device.py), not measured"


def report_file(weights: Path) -> Path:
    """Returns the path of the report on weights."""
    return weights.with_suffix(".training.json")


def carry_history(run: TrainingRun) -> None:
    """Copies the history of the weights that a training starts from, before its first session."""
    if run.start_from is None or run.checkpoint.exists():
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    if run.start_from.suffix == ".safetensors":
        known = report_file(run.start_from)
        sessions = json.loads(known.read_text(encoding="utf-8"))["sessions"] if known.exists() else []
    else:
        sessions = all_sessions(run.start_from)
    start = f"{run.start_from.parent.name}/{run.start_from.name}"
    write_json(history_file(run.checkpoint), {"started_from": start, "sessions": sessions})


def history_file(checkpoint: Path) -> Path:
    """Returns the path where a run keeps the history of its starting weights."""
    return checkpoint.with_suffix(".history.json")


def former(checkpoint: Path) -> dict[str, Any]:
    """Returns the starting weights and their sessions; empty for a training from random weights."""
    history = history_file(checkpoint)
    nothing: dict[str, Any] = {"started_from": None, "sessions": []}
    return json.loads(history.read_text(encoding="utf-8")) if history.exists() else nothing


def all_sessions(checkpoint: Path) -> list[dict[str, Any]]:
    """Returns the sessions behind a checkpoint, oldest first, including those of its starting weights."""
    return [*former(checkpoint)["sessions"], *sessions_of(checkpoint.with_suffix(".jsonl"))]


def sessions_of(log: Path) -> list[dict[str, Any]]:
    """Returns a row for each process that trained, read from a training's log."""
    if not log.exists():
        return []
    sessions: list[dict[str, Any]] = []
    for text in log.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if "began" in line or not sessions:
            sessions.append({key: line.get(key) for key in FACTS})
        sessions[-1] |= measured(sessions[-1], line)
    return sessions


FACTS = (
    "began",
    "software",
    "from_step",
    "seed",
    "device",
    "threads",
    "precision",
    "watts",
    "batch",
    "patch",
)


def measured(session: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """Returns the session as of one line of the log."""
    hours = line["seconds"] / 3600
    described = {
        "to_step": line["step"],
        "minutes": round(60 * hours, 1),
        "energy_wh": round(hours * (session["watts"] or 0.0), 1),
        "loss": line["loss"],
    }
    return described | (
        {"watching_minutes": round(line["watching_s"] / 60, 2)} if "watching_s" in line else {}
    )


def write_report(run: TrainingRun, weights: Path, sha256: str, progress: dict[str, Any]) -> dict[str, Any]:
    """Writes the report beside the weights; `progress` is that of the installed checkpoint."""
    sessions = all_sessions(run.checkpoint)
    report = {
        "network": run.network.name,
        "weights_sha256": sha256,
        "architecture": run.network.architecture,
        "filters": run.network.filters,
        "classes": run.network.classes,
        "guide": run.network.guide,
        "data": list(data_of(run)),
        "held_out": list(run.recipe.sources.held_out),
        "validation": validation_of(run, progress),
        "total": {
            "steps": sum(one["to_step"] - (one["from_step"] or 0) for one in sessions),
            "minutes": round(sum(one["minutes"] for one in sessions), 1),
            "energy_wh": round(sum(one["energy_wh"] for one in sessions), 1),
            "energy": ENERGY,
        },
        "started_from": former(run.checkpoint)["started_from"],
        "sessions": sessions,
    }
    write_json(report_file(weights), report)
    return report


def validation_of(run: TrainingRun, progress: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the scores of the installed weights; marks the real set if it was also trained on."""
    rules = run.recipe.validation
    if rules is None or not progress:
        return None
    lines = [json.loads(text) for text in run.log.read_text(encoding="utf-8").splitlines()]
    read = [line for line in lines if line["step"] == progress["best_step"] and "score" in line]
    best = read[-1] if read else {}
    trained = {row.folder for row in run.recipe.sources.bone_sets}
    return {
        "step": progress["best_step"],
        "score": best.get("score"),
        "scored": run.network.scored,
        "simulated_patches": rules.patches,
        "simulated_dice": best.get("simulated"),
        "watched_dice": best.get("watched"),
        "real": [{"path": row.folder, "trained_on_too": row.folder in trained} for row in rules.real],
        "real_dice": best.get("real"),
        "patience_ended_at": progress["fell_at"],
    }


def data_of(run: TrainingRun) -> Iterator[dict[str, Any]]:
    """Yields each path that this kind of network is trained on, with its licence, and the phantoms."""
    tables = run.recipe.sources.model_dump(exclude={*UNREAD[run.network.kind], "licences"})
    for path in dict.fromkeys(named_paths(tables)):
        yield {"path": path, **licence_of(path, run.recipe)}
    made = tables.get("phantoms")
    if made and not run.recipe.sources.labelled_cts:
        yield {"path": "training/phantoms", "source": "procedural", "licence": "Apache-2.0", "made": made}


def named_paths(table: object) -> Iterator[str]:
    """Yields the values of `path`, `paths` and `folder` at any depth."""
    if isinstance(table, (list, tuple)):
        for row in table:
            yield from named_paths(row)
    rows = table.items() if isinstance(table, dict) else ()
    for key, value in rows:
        if key in ("path", "folder"):
            yield value
        elif key == "paths":
            yield from value
        else:
            yield from named_paths(value)


def licence_of(path: str, recipe: Recipe) -> dict[str, str]:
    """Returns source and licence of the recipe's row whose folder holds the path."""
    for row in recipe.sources.licences:
        if Path(path).is_relative_to(row.under):
            return {"source": row.source, "licence": row.licence}
    return {"source": "not stated", "licence": "not stated"}
