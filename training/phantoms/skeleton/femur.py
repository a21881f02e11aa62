"""The left proximal femur."""

from __future__ import annotations

from training.phantoms.shapes import Field, Points, chain, ellipsoid, rod, smooth_union, sphere, union
from training.phantoms.skeleton.hip import HEAD_CENTRE, HEAD_RADIUS_MM


def femur(p: Points) -> Field:
    """Returns the distance to the left femur down to mid-shaft; mirror the points for the right one."""
    head = sphere(p, HEAD_CENTRE, HEAD_RADIUS_MM)
    x, y, z = HEAD_CENTRE
    neck = rod(p, (x + 6, y + 1, z - 4), (134, 10, -30), 15.5, 17)
    greater = union(
        [ellipsoid(p, (145, 17, -22), (15, 19, 22)), ellipsoid(p, (140, 27, -4), (9, 10, 12))], 6.0
    )
    lesser = ellipsoid(p, (120, 24, -64), (9, 9, 15))
    shaft = chain(p, [(137, 11, -38, 18), (131, 10, -75, 15.5), (126, 8, -140, 14), (120, 4, -230, 13.5)])
    return smooth_union(head, union([neck, greater, lesser, shaft], 9.0), 3.0)
