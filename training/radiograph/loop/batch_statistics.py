"""Estimates the statistics of batch normalisation of averaged weights."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from training.radiograph.batches.sampler import Draws, Sampler
from training.radiograph.loop.networks import Weights, network_of
from training.radiograph.loop.schedule import RadiographRecipe

# As many batches as a twentieth of a training's steps, at most this many: less than a twentieth of its time
BATCHES, SHARE = 60, 0.05


def with_statistics(
    weights: Weights,
    recipe: RadiographRecipe,
    sampler: Sampler,
    device: torch.device,
    batches: int,
) -> Weights:
    """Returns averaged weights with means and variances measured on batches of the last phase.

    Averages of weights have other activations than the weights that were averaged, so that the averages of
    their statistics do not fit them (Izmailov et al. 2018, "Averaging weights leads to wider optima", 3.2).
    In float32, without dropout and masked squares, as a run reads images.
    """
    network = network_of(weights, recipe).to(device)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
            module.train()
    draws = shown_draws(recipe)
    with torch.no_grad():
        for number in range(batches):
            network(sampler.batch(draws, number).seen.to(device))
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}


def shown_draws(recipe: RadiographRecipe) -> Draws:
    """Returns the whole images of the last phase, or else its first batches, with nothing hidden."""
    draws = recipe.phases[-1].draws
    return replace(next((each for each in draws if each.whole), draws[0]), hidden=(0.0, 0.0))
