"""A study is complete after quiet, at a count, with its series, or at last anyhow."""

from __future__ import annotations

import pytest

from app.node.queue.completeness import (
    Content,
    Patience,
    Waiting,
    count_seen,
    has_series,
    is_complete,
    rule_for,
)
from app.node.settings.configuration import RoutingRule
from operators.dicom.elements.instance_identity import Instance

PATIENCE = Patience(quiet_s=30, forced_s=600)
BONE = Instance("1", "1.1", "1.1.1", "2", "CT", "Trauma spiral", "Bone 1.0 mm")
SOFT = Instance("1", "1.2", "1.2.1", "2", "CT", "Trauma spiral", "Soft 5.0 mm")


def content(images: int, *series: Instance) -> Content:
    return Content(tuple(f"1.1/{n}.dcm" for n in range(images)), series)


def arrivals(*times_s: float) -> Waiting:
    waiting = None
    for count, time_s in enumerate(times_s, 1):
        waiting = count_seen(waiting, content(count).fingerprint, time_s)
    assert waiting is not None
    return waiting


@pytest.mark.parametrize(("now_s", "complete"), [(39.9, False), (40.0, True), (1000.0, True)])
def test_quiet_counts_from_the_last_instance(now_s: float, complete: bool) -> None:
    assert is_complete(arrivals(0, 5, 10), content(3), RoutingRule(), PATIENCE, now_s) is complete


def test_looking_again_does_not_prolong_the_quiet() -> None:
    waiting = arrivals(0)
    for now_s in range(1, 30):
        waiting = count_seen(waiting, content(1).fingerprint, now_s)
    assert is_complete(waiting, content(1), RoutingRule(), PATIENCE, 30)


@pytest.mark.parametrize(("now_s", "complete"), [(599, False), (600, True)])
def test_a_study_that_never_rests_is_taken_at_the_limit(now_s: float, complete: bool) -> None:
    waiting = arrivals(*range(0, 600, 10))
    assert is_complete(waiting, content(60), RoutingRule(), PATIENCE, now_s) is (
        complete or now_s - 590 >= 30
    )


@pytest.mark.parametrize(("images", "complete"), [(2, False), (3, True), (4, True)])
def test_a_count_completes_at_once(images: int, complete: bool) -> None:
    rule = RoutingRule(complete_images=3)
    assert is_complete(arrivals(0), content(images), rule, PATIENCE, 0) is complete


def test_named_series_complete_when_all_are_there() -> None:
    assert has_series((BONE, SOFT), ("bone", "soft 5"))
    assert not has_series((BONE,), ("bone", "soft 5"))
    assert not has_series((BONE,), ())


def test_the_first_rule_that_fits_counts() -> None:
    rules = (
        RoutingRule(modality="MR", urgency="low"),
        RoutingRule(description="trauma", calling_ae="ER", urgency="urgent"),
        RoutingRule(description="spiral", complete_images=7),
    )
    assert rule_for(rules, (BONE,), "ER").urgency == "urgent"
    assert rule_for(rules, (BONE,), "WARD").complete_images == 7
    assert rule_for(rules[:2], (BONE,), "WARD") == RoutingRule()


def test_the_fingerprint_is_of_the_instances() -> None:
    assert content(2).fingerprint == content(2, BONE).fingerprint != content(3).fingerprint
