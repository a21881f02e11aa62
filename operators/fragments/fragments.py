"""Splits a bone into fragments: the table FRAGMENTS, by `fragments.strategy` of package.toml."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from operators.fragments.evidence import FractureEvidence, Fragments
from operators.fragments.watershed import watershed_and_merge
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.confidence import CERTAIN


def split(evidence: FractureEvidence, rules: FragmentRules, least_odds: float = 0.0) -> Fragments:
    """Returns the fragments of a bone, each decision with its log-odds; faces below `least_odds` do not
    separate.
    """
    return FRAGMENTS[rules.strategy](evidence, rules, least_odds)


def whole(evidence: FractureEvidence, rules: FragmentRules, least_odds: float = 0.0) -> Fragments:
    """Returns the bone in one piece, for anatomies whose fractures are not segmented."""
    del rules, least_odds
    return Fragments(evidence.bone.astype(np.uint16), {}, -CERTAIN)


FRAGMENTS: dict[str, Callable[[FractureEvidence, FragmentRules, float], Fragments]] = {
    "watershed_and_merge": watershed_and_merge,
    "none": whole,
}
