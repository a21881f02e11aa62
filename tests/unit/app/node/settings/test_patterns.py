"""Patterns of rules: what is none, or could match for ever, is refused when the configuration is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.node.queue.completeness import rule_for
from app.node.settings.configuration import RoutingRule
from app.node.settings.patterns import LONGEST_PATTERN, is_found, is_named
from operators.dicom.elements.instance_identity import Instance

FIELDS = ("calling_ae", "modality", "description")
GOOD = (
    "CT", "ER-CT", "trauma|polytrauma", r"bone\s+1\.0", "thorax.*pelvis.*1.*mm", r"(CT|MR)\d?",
    "^(?!topo).*$", r"(\d{2}\.)+", "[a-z ]*", "(ab)*", "(?i:er).*", "",
)  # fmt: skip
NO_PATTERNS = ("[", "(", "*CT", "CT(1", "(?P<a>x)(?P<a>y)", "a{5,2}", "\\")
ENDLESS = (
    "(a+)+$", "(a*)*b", "(a|aa)+$", "(a{1,8})+b", "((a?)?)*b", "(.*)*", "a*a*a*a*a*b", "(x+x+)+y",
    "(?:a+){20}b", "a?" * 40 + "a" * 40, "(?=(a+)+b)",
)  # fmt: skip


@pytest.mark.parametrize("pattern", GOOD)
def test_ordinary_patterns_are_taken(pattern: str) -> None:
    assert RoutingRule(calling_ae=pattern, modality=pattern, description=pattern, complete_series=(pattern,))


@pytest.mark.parametrize("pattern", [*NO_PATTERNS, *ENDLESS, "a" * (LONGEST_PATTERN + 1)])
@pytest.mark.parametrize("field", FIELDS)
def test_what_is_no_pattern_or_has_no_end_is_refused(field: str, pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a (regular expression|pattern)"):
        RoutingRule.model_validate({field: pattern})


@pytest.mark.parametrize("pattern", ["[", "(a+)+$"])
def test_one_of_the_series_patterns_is_refused_as_well(pattern: str) -> None:
    with pytest.raises(ValidationError, match="expected a"):
        RoutingRule(complete_series=("bone", pattern))


def test_a_text_longer_than_dicom_allows_is_matched_in_its_beginning_only() -> None:
    assert is_found("bone", ["x" * 60 + "bone"])
    assert not is_found("bone", ["x" * 61 + "bone"])
    # Four open repeats, the most there may be, against the worst text of a hostile peer
    assert not is_found("a*a*a*a*b", ["a" * 1_000_000])


def test_titles_and_modalities_are_themselves_or_patterns_of_the_whole() -> None:
    assert is_named("ER-CT", "ER-CT")
    assert not is_named("ER-CT", "ER-CT2")
    assert not is_named("CT", "CTPROTOCOL")
    assert is_named("ER.*", "ER-CT")
    assert is_named("CT|MR", "MR")
    # A title with a letter that patterns use otherwise still means itself
    assert is_named("CT+1", "CT+1")
    assert not is_named("er-ct", "ER-CT")


def test_a_rule_fits_by_patterns() -> None:
    series = (Instance("1", "1.1", "1.1.1", "2", "CT", "Trauma", "Bone"),)
    rules = (
        RoutingRule(calling_ae="ER-.*", modality="CT|CR", urgency="urgent"),
        RoutingRule(modality="C", urgency="low"),
    )
    assert rule_for(rules, series, "ER-7").urgency == "urgent"
    assert rule_for(rules, series, "WARD") == RoutingRule()
