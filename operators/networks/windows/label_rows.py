"""Turns a network's outputs at its own voxels into labels of the scan's voxels, row by row: nothing is held
whole.

Outputs are interpolated one by one and rounded to the precision in which nnU-Net keeps them; then the
greatest wins, the first if several are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from operators.networks.windows.averages import AVERAGES
from operators.networks.windows.labelled_scan import Certainties, LabelledScan, kept_values
from operators.nnunet.preprocessing import PreprocessedImage
from operators.nnunet.zoom import separate_axis
from operators.packages.plans import NnUNetPlans


@dataclass(frozen=True, eq=False)
class Line:
    """The two network voxels between which each of the scan's lies along an axis; the second's share."""

    low: torch.Tensor
    high: torch.Tensor
    share: torch.Tensor

    def stretched(self, plane: torch.Tensor) -> torch.Tensor:
        """Interpolates a plane along its first axis: whole rows are copied, which is fast."""
        low, high = plane.index_select(0, self.low), plane.index_select(0, self.high)
        return low.lerp_(high, self.share[:, None].to(plane.dtype))


def label_source(
    answers: Iterable[torch.Tensor],
    prepared: PreprocessedImage,
    recipe: NnUNetPlans,
    values: Sequence[int] | None,
) -> LabelledScan:
    """Returns labels from a network's outputs (classes, rows, J, K); keeps only these `values`, or all."""
    kept = kept_values(values)
    source = np.zeros([prepared.turned_shape[axis] for axis in np.argsort(prepared.turn.axes)], np.uint8)
    into = prepared.turn.apply(source)[prepared.box]
    lines = lines_of(prepared, recipe)
    certainties, counts = Certainties(), np.zeros(256, np.int64)
    choose = regions if recipe.regions else winners
    between = AVERAGES[recipe.averaged].between
    for number, row in enumerate(source_rows(watched(answers, recipe, certainties), lines[0], between)):
        labels = kept[choose(row, lines[1:], recipe).numpy()]
        counts += np.bincount(labels.ravel(), minlength=256)
        into[number] = labels
    return LabelledScan(source, counts, certainties.table())


def watched(
    answers: Iterable[torch.Tensor], recipe: NnUNetPlans, certainties: Certainties
) -> Iterator[torch.Tensor]:
    """Passes outputs on and adds their probabilities to `certainties`."""
    for rows in answers:
        for row in rows.unbind(1):
            certainties.add(*(each.numpy() for each in winning(row.float(), recipe)))
        yield rows


def lines_of(prepared: PreprocessedImage, recipe: NnUNetPlans) -> list[Line]:
    """Returns a line for each axis; slices that are resampled separately have an order of their own."""
    apart = separate_axis(prepared.network_mm, prepared.spacing_mm, recipe.output)
    sides = zip(prepared.channels.image.shape, prepared.box_shape, strict=True)
    output = recipe.output
    return [
        line_of(before, after, output.order_across if axis == apart else output.order)
        for axis, (before, after) in enumerate(sides)
    ]


def line_of(before: int, after: int, order: int) -> Line:
    """Returns scipy's positions in grid mode, edge repeated: nearest (order 0), between two (order 1)."""
    places = np.clip(before / after * (np.arange(after) + 0.5) - 0.5, 0, before - 1)
    low = np.floor(places if order else places + 0.5).astype(np.int64)
    share = places - low if order else 0 * places
    high = np.minimum(low + (share > 0), before - 1)
    return Line(torch.from_numpy(low), torch.from_numpy(high), torch.from_numpy(share))


def source_rows(answers: Iterable[torch.Tensor], line: Line, between: torch.dtype) -> Iterator[torch.Tensor]:
    """Yields the scan's rows (classes, j, k) along the first axis; within them still the network's voxels."""
    places = list(zip(line.low.tolist(), line.high.tolist(), line.share.tolist(), strict=True))
    first, last = 0, torch.empty(0)
    for rows in answers:
        until = first + rows.shape[1]
        while places and places[0][1] < until:
            low, high, share = places.pop(0)
            before = (rows[:, low - first] if low >= first else last).to(between)
            yield torch.lerp(before, rows[:, high - first].to(between), share) if share else before
        if until > first:
            first, last = until, rows[:, -1].clone()


def at_source(plane: torch.Tensor, lines: Sequence[Line], recipe: NnUNetPlans) -> torch.Tensor:
    """Returns an output of a row (j, k) at the scan's voxels (J, K), rounded as averaging is."""
    down, along = lines
    wide = along.stretched(plane.t().contiguous()).t().contiguous()
    full = down.stretched(wide)
    return full.to(AVERAGES[recipe.averaged].kind).float()


def winners(row: torch.Tensor, lines: Sequence[Line], recipe: NnUNetPlans) -> torch.Tensor:
    """Returns the class with the highest value; the first if several are equal."""
    best = at_source(row[0], lines, recipe)
    labels = torch.zeros(best.shape, dtype=torch.uint8)
    for value, plane in enumerate(row[1:], start=1):
        here = at_source(plane, lines, recipe)
        labels.masked_fill_(here > best, value)
        torch.maximum(best, here, out=best)
    return labels


def regions(row: torch.Tensor, lines: Sequence[Line], recipe: NnUNetPlans) -> torch.Tensor:
    """Returns each output's value where its probability is above a half, later ones over earlier ones."""
    labels = torch.zeros(len(lines[0].low), len(lines[1].low), dtype=torch.uint8)
    for value, plane in zip(recipe.regions, row, strict=True):
        labels.masked_fill_(torch.sigmoid(at_source(plane, lines, recipe)) > 0.5, value)
    return labels


def winning(logits: torch.Tensor, recipe: NnUNetPlans) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the value of each voxel of a row (classes, J, K), and its probability."""
    if not recipe.regions:
        shares = torch.softmax(logits, 0) if recipe.averaged == "logits" else logits
        sure, values = shares.max(0)
        return values, sure
    values = torch.zeros(logits.shape[1:], dtype=torch.int64)
    sure = torch.zeros(logits.shape[1:])
    for value, share in zip(recipe.regions, torch.sigmoid(logits), strict=True):
        values[share > 0.5], sure[share > 0.5] = value, share[share > 0.5]
    return values, sure
