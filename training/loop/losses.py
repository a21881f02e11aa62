"""Which loss a network is trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training.loop.class_loss import ClassLoss
from training.loop.distance_weighted_loss import DistanceWeightedLoss
from training.loop.row_losses import InstanceLoss, LevelLoss
from training.recipe import NetworkRecipe

# What the recipe's negatives do not show, see ClassLoss
Absent = Sequence[tuple[int, ...]]
TrainingLoss = ClassLoss | InstanceLoss | LevelLoss
# The fracture network's class of contact surfaces
CONTACT = "contact"


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
