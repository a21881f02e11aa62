"""Operating points: names of thresholds by which a package decides between a fracture and none."""

from __future__ import annotations

from collections.abc import Mapping

# Each package's own: "balanced" for radiographs, "specific" for CTs
AUTO = "auto"
SENSITIVE, BALANCED, SPECIFIC = "sensitive", "balanced", "specific"
OPERATING_POINTS = (SENSITIVE, BALANCED, SPECIFIC)


def threshold_of(points: Mapping[str, float], point: str) -> float:
    """Returns an operating point's least probability, by name or number. Raises ValueError for neither."""
    if point in points:
        return points[point]
    value = float(point)
    if not 0 < value < 1:
        raise ValueError(point)
    return value


def check_operating_points(where: str, points: Mapping[str, float]) -> None:
    """Raises ValueError unless each operating point has a probability as its threshold."""
    if set(points) != set(OPERATING_POINTS):
        raise ValueError(f"{where}: expected {', '.join(OPERATING_POINTS)}, got {', '.join(points)}")
    wrong = {name: value for name, value in points.items() if not 0 <= value < 1}
    if wrong:
        raise ValueError(f"{where}: expected probabilities from 0 to 1, got {wrong}")
