"""Trains one network: resumable, validated on the way, with a moving average of the weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from operators.networks.architectures.architecture_table import build
from training.device import has_bfloat16, training_device
from training.files import append_line
from training.loop.checkpoints import State, resume, save, state_of
from training.loop.class_loss import ClassLoss
from training.loop.distance_weighted_loss import DistanceWeightedLoss
from training.loop.row_losses import InstanceLoss, LevelLoss
from training.loop.runs import TrainingRun, facts
from training.loop.starting_weights import starting_weights
from training.loop.validation import SCORES, Watched
from training.progress import TRAIN, VALIDATE, WAIT, Tell, silent
from training.recipe import NetworkRecipe, Recipe
from training.recipe_file import ValidationRules
from training.simulate.patches import Patches, loader
from training.simulate.row_patches import Patch

KEEP_EVERY = 200
# What the recipe's negatives do not show, see ClassLoss
Absent = Sequence[tuple[int, ...]]
TrainingLoss = ClassLoss | InstanceLoss | LevelLoss
# The fracture network's class of contact surfaces
CONTACT = "contact"


@dataclass
class Session:
    """The part of a training that one process runs."""

    run: TrainingRun
    state: State
    device: torch.device
    loss: TrainingLoss
    half: bool
    started: float
    facts: dict[str, Any]
    window: list[float] = field(default_factory=list)
    watching_s: float = 0.0

    @property
    def share_done(self) -> float:
        """Returns the share of the training that is done."""
        run, rules = self.run, self.run.recipe.validation
        planned = run.planned_share(self.state.step, time.monotonic() - self.started)
        fall_steps = max(rules.fall * run.total, 1.0) if rules else 1.0
        return self.state.progress.share_done(planned, self.state.step, fall_steps)


def train(run: TrainingRun, tell: Tell = silent) -> Path:
    """Trains until steps, time limit or patience run out; returns the checkpoint's path."""
    session = begin(run)
    rules, state = run.recipe.validation, session.state
    patches = Patches(run.network, run.recipe, run.data, run.cache, run.seed + 1000 * state.step + 1)
    watched = validation_sets(run, tell)
    done = session.share_done
    tell(WAIT, None, "waiting for the first simulated patches")
    for image, target in loader(patches, run.workers, run.network.batch):
        if done >= 1:
            break
        set_learning_rate(state.optimiser, run.network.learning_rate, done)
        session.loss.share_done = done
        session.window.append(take_step(state, session.loss, image, target, session.device, session.half))
        done = session.share_done
        tell(TRAIN, min(done, 1.0), f"step {state.step} of {run.total}, loss {session.window[-1]:.3f}")
        if rules and (state.step % rules.every == 0 or done >= 1):
            read = validate(session, watched, rules)
            tell(VALIDATE, None, f"step {state.step}: score {read['score']:.4f}")
            keep(session, read)
        elif state.step % KEEP_EVERY == 0:
            keep(session, {})
    if session.window or not run.checkpoint.exists():
        keep(session, {})
    return run.checkpoint


def begin(run: TrainingRun) -> Session:
    """Starts a training, or the next session of an interrupted one."""
    device = training_device()
    torch.manual_seed(run.seed)
    run.folder.mkdir(parents=True, exist_ok=True)
    state = resume(run.checkpoint, new_state(run, device), device)
    network = run.network
    # The last group is that of voxels of labelled CTs that nobody labelled
    absent = (*absent_classes(run.recipe, network), ())
    loss = LOSSES[network.kind](network, absent).to(device)
    half = has_bfloat16(device, network)
    return Session(run, state, device, loss, half, time.monotonic(), facts(run, state.step, device, half))


def class_loss(network: NetworkRecipe, absent: Absent) -> ClassLoss:
    """Returns the loss of a network that tells the class of each voxel."""
    given = network.class_weights, absent, network.dice_of_absent
    if network.loss == "distance_weighted":
        contact = network.classes.index(CONTACT) if CONTACT in network.classes else None
        return DistanceWeightedLoss(*given, contact)
    return ClassLoss(*given)


# By the kind of network. Some losses depend on how far the training is
LOSSES: dict[str, Callable[[NetworkRecipe, Absent], TrainingLoss]] = {
    "anatomy": class_loss,
    "fracture": class_loss,
    "instance": lambda network, _: InstanceLoss(network.row),
    "level": lambda network, _: LevelLoss(network.row.regions),
}


def absent_classes(recipe: Recipe, network: NetworkRecipe) -> tuple[tuple[int, ...], ...]:
    """Returns the classes that each group of the recipe's negatives does not show; it may show any other."""
    return tuple(
        tuple(n for n, name in enumerate(network.classes) if any(fnmatch(name, p) for p in row.absent))
        for row in recipe.sources.negatives
    )


def new_state(run: TrainingRun, device: torch.device) -> State:
    """Builds the network with random weights, or with the weights to start from."""
    model = build(**network_arguments(run.network)).to(device)
    model = model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if run.start_from is not None and not run.checkpoint.exists():
        start = starting_weights(run.start_from, run.network, model.state_dict(), device)
        model.load_state_dict(start, strict=False)
    return state_of(model)


def network_arguments(network: NetworkRecipe) -> dict[str, Any]:
    """Returns the arguments that `architectures.build` needs for this recipe."""
    return {
        "architecture": network.architecture,
        "dimensions": len(network.patch),
        "inputs": 1 + len(network.guide),
        "outputs": len(network.classes),
        "filters": network.filters,
    }


def take_step(
    state: State,
    loss: TrainingLoss,
    image: torch.Tensor,
    target: torch.Tensor,
    device: torch.device,
    half: bool,
) -> float:
    """Runs forward (in bfloat16 with `half`), backward, update and average; returns the loss."""
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        logits = state.model(image.to(device).to(memory_format=torch.channels_last_3d))
    value = loss(logits.float(), target.to(device))
    state.optimiser.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
    state.optimiser.step()
    state.average.update_parameters(state.model)
    state.step += 1
    return float(value.detach())


def set_learning_rate(optimiser: torch.optim.Optimizer, highest: float, done: float) -> None:
    """Sets the learning rate: warm-up over 2 % of the steps, then nnU-Net's polynomial decay."""
    rate = highest * min(1.0, done / 0.02 + 0.05) * max(1 - done, 0.0) ** 0.9
    for group in optimiser.param_groups:
        group["lr"] = rate


def validation_sets(run: TrainingRun, tell: Tell = silent) -> dict[str, list[Patch]]:
    """Returns the validation patches by the name of their set; the first set decides."""
    rules = run.recipe.validation
    if rules is None:
        return {}
    watched = Watched(run.network, run.recipe, run.data, run.cache, tell)
    if rules.labelled_cts:
        return {"watched": watched.labelled(rules)}
    return {"simulated": watched.simulated(rules), "real": watched.real(rules)}


def validate(session: Session, sets: dict[str, list[Patch]], rules: ValidationRules) -> dict[str, Any]:
    """Scores the averaged weights and keeps them if they are the best; returns the log entry."""
    began = time.monotonic()
    state, network = session.state, session.run.network
    model = state.average.module.eval()
    scores = {
        name: SCORES[network.kind](network, model, patches, session.device, session.half)
        for name, patches in sets.items()
        if patches
    }
    chosen = [network.classes.index(name) - 1 for name in network.scored]
    score = float(np.nanmean(next(iter(scores.values()))[chosen]))
    state.progress = state.progress.read(score, state.step, session.share_done, rules)
    if state.progress.best_step == state.step:
        state.best = deepcopy(model.state_dict())
    session.watching_s += time.monotonic() - began
    return {"score": round(score, 4), **{name: named(network, dice) for name, dice in scores.items()}}


def named(network: NetworkRecipe, dice: np.ndarray) -> dict[str, float]:
    """Returns the Dice of each class that the set holds, by name."""
    pairs = zip(network.classes[1:], dice.tolist(), strict=True)
    return {name: round(value, 4) for name, value in pairs if not np.isnan(value)}


def keep(session: Session, read: dict[str, Any]) -> None:
    """Writes checkpoint and log; an interruption leaves the previous checkpoint intact."""
    state, run = session.state, session.run
    save(run.checkpoint, state, run.network)
    line = {
        "step": state.step,
        "loss": round(sum(session.window) / max(len(session.window), 1), 4),
        "seconds": round(time.monotonic() - session.started, 1),
        **({"watching_s": round(session.watching_s, 1)} if read else {}),
        **read,
        **session.facts,
    }
    session.window.clear()
    session.facts = {}
    append_line(run.log, line)
