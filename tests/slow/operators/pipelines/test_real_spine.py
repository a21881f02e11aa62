"""The shipped networks outline the vertebrae of a real lumbar CT one by one, and name none wrongly."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from operators.measure.flags import LEVEL_UNCERTAIN, flag_result
from operators.measure.measuring import measure_segments
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_package
from operators.pipelines import several
from tests.support.bones.synthetic_spine import SPINE
from training.ct_files import read_ct

DATA = Path(__file__).parents[5] / "shared" / "data"
# L5 to T10, of which the scan cuts the last one
COUNT = 8


@pytest.mark.real_data
def test_a_lumbar_spine_is_outlined_bone_by_bone_and_named_or_said_to_be_uncertain() -> None:
    ct = read_ct(DATA / "real_ct" / "lumbar_sagittal_3mm")
    found = several.segment(ct, [read_package(SPINE)], Networks(Device("auto", 1)), lambda *_: None)
    made = flag_result(measure_segments(found, ct), ct)
    assert len({segment.bone for segment in made.segments}) == len(made.segments) == COUNT
    volumes_ml = [segment.volume_ml for segment in made.segments]
    assert all(35 < volume_ml < 65 for volume_ml in volumes_ml[1:])
    values = [segment.value for segment in made.segments]
    grid = made.label_map.grid
    centres = grid.to_lps(
        np.array(ndimage.center_of_mass(made.label_map.labels > 0, made.label_map.labels, values))
    )
    # From the top down
    steps_mm = [high[2] - low[2] for high, low in pairwise(centres)]
    assert all(20 < step_mm < 45 for step_mm in steps_mm)
    uncertain = any(flag.code == LEVEL_UNCERTAIN for flag in made.flags)
    assert uncertain or made.segments[-1].label == "L5 vertebra"
