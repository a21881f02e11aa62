"""A contact sheet of development images, whose copyright is not the project's: it is never committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from operators.radiographs.detections import Decoding, detections
from training.radiograph.datasets.radiograph import Mask
from training.radiograph.fitting import Answered
from training.radiograph.metrics import Found, score_limit
from training.radiograph.predictions import Case
from training.radiograph.report import FALSE_PER_IMAGE

Picture = NDArray[np.uint8]
TRUE, FOUND = (255, 60, 60), (255, 230, 0)
TILE_PIXELS = 460
COLUMNS = 4
CAPTION_PIXELS, INK = 22, (230, 230, 230)
SOURCE = (
    "Radiographs: FracAtlas, Abedeen et al., Scientific Data 2023;10:521, CC BY 4.0. Outlines drawn in: red "
    "those of the data set, yellow the network's."
)


def write_sheet(
    answered: Sequence[Answered], found: Sequence[Found | None], decoding: Decoding, path: Path
) -> None:
    """Writes up to four images each with true positives, with false negatives, and with false positives.

    It outlines the detections above the threshold of FALSE_PER_IMAGE false positives an image.
    """
    known = [(each, own) for each, own in zip(answered, found, strict=True) if own is not None]
    limit = score_limit([own for _, own in known], FALSE_PER_IMAGE)
    strips: list[Picture] = []
    for title, chosen in chosen_images(known, limit).items():
        if chosen:
            strips.append(caption(title))
            strips.append(sheet([each.case for each in chosen], decoding, max(limit, 0.0)))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack([*strips, caption(SOURCE)])).save(path)


def chosen_images(known: Sequence[tuple[Answered, Found]], limit: float) -> Mapping[str, Sequence[Answered]]:
    """Returns the images to show by kind, the most certain ones of each."""
    fractured = [(each, own) for each, own in known if each.image.fractured]
    others = [(each, own) for each, own in known if not each.image.fractured]
    hit = [(each, own) for each, own in fractured if right_score(own) > limit]
    missed = [(each, own) for each, own in fractured if right_score(own) <= limit]
    alarms = [(each, own) for each, own in others if own.scores.max(initial=-np.inf) > limit]
    return {
        "found": [each for each, _ in sorted(hit, key=lambda row: -right_score(row[1]))[:COLUMNS]],
        "missed": [each for each, _ in sorted(missed, key=lambda row: row[0].score)[:COLUMNS]],
        "false positives": [one for one, _ in sorted(alarms, key=lambda row: -row[1].scores.max())[:COLUMNS]],
    }


def right_score(found: Found) -> float:
    """Returns the highest score of a detection that hits a fracture; -inf if there is none."""
    return float(found.hit_scores.max(initial=-np.inf))


def caption(text: str) -> Picture:
    """Returns a line of text over the whole width."""
    image = Image.new("RGB", (COLUMNS * TILE_PIXELS, CAPTION_PIXELS))
    ImageDraw.Draw(image).text((6, 4), text, INK)
    return np.asarray(image)


def sheet(cases: Sequence[Case], decoding: Decoding, score_limit: float = 0.0) -> Picture:
    """Returns up to COLUMNS cases side by side; detections that score no more are left out."""
    tiles = [tile(picture(case, decoding, score_limit)) for case in cases]
    return np.hstack(tiles + [np.zeros_like(tiles[0])] * (COLUMNS - len(tiles)))


def tile(image: Picture) -> Picture:
    """Returns the picture padded to a square tile."""
    square = np.zeros((TILE_PIXELS, TILE_PIXELS, 3), np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    return square


def picture(case: Case, decoding: Decoding, score_limit: float = 0.0) -> Picture:
    """Returns the greyscale image, rescaled to its range, with both kinds of outlines."""
    grey = case.image.pixels.astype(np.float32)
    low, high = np.percentile(grey, (1, 99))
    shown = np.clip((grey - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    image = np.repeat(shown[..., None], 3, -1)
    for mask in case.image.masks():
        image[border(mask)] = TRUE
    for one in detections(case.prediction.probabilities, decoding):
        if one.score > score_limit:
            image[border(one.mask)] = FOUND
    return image


def border(mask: Mask) -> Mask:
    """Returns the mask's outermost pixels."""
    return mask & ~ndimage.binary_erosion(mask)
