"""Colours of fragments: far apart from each other and from the whole bones."""

from __future__ import annotations

import colorsys

GOLDEN_ANGLE = 0.381966


def fragment_colour(bone_rgb: tuple[int, int, int], fragment: int) -> tuple[int, int, int]:
    """A saturated colour for the n-th fragment; hues walk by the golden angle from the bone's own."""
    hue = colorsys.rgb_to_hsv(*(c / 255 for c in bone_rgb))[0]
    brightness = 0.95 - 0.2 * (fragment % 2)
    red, green, blue = colorsys.hsv_to_rgb((hue + fragment * GOLDEN_ANGLE) % 1, 0.75, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)
