"""Splits a bone into fragments: the table FRAGMENTS, by `fragments.strategy` of package.toml."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from operators.fragments.evidence import EVEN, FractureEvidence, Fragments, LeastOdds
from operators.fragments.watershed import watershed_and_merge
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.confidence import CERTAIN


def split(evidence: FractureEvidence, rules: FragmentRules, least: LeastOdds = EVEN) -> Fragments:
    """Returns the fragments of a bone, each decision with its log-odds; those below `least` part nothing."""
    return FRAGMENTS[rules.strategy](evidence, rules, least)


def whole(evidence: FractureEvidence, rules: FragmentRules, least: LeastOdds) -> Fragments:
    """Returns the bone in one piece, for anatomies whose fractures are not segmented."""
    del rules, least
    return Fragments(evidence.bone.astype(np.uint16), {}, -CERTAIN)


FRAGMENTS: dict[str, Callable[[FractureEvidence, FragmentRules, LeastOdds], Fragments]] = {
    "watershed_and_merge": watershed_and_merge,
    "none": whole,
}
