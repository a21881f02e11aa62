"""What is said of a radiograph, and of the radiographs of a study."""

from __future__ import annotations

from operators.segmentation.radiograph_answer import RadiographAnswer, Verdict
from operators.segmentation.study_verdict import study_verdict
from operators.segmentation.summary import summary
from tests.support.radiographs.radiograph_result_cases import made, projection


def answer(count: int, verdict: Verdict | None = None) -> RadiographAnswer:
    found = made(count, verdict=verdict).answer
    assert found is not None
    return found


def test_a_fracture_comes_with_its_findings() -> None:
    first, shown, one, two, *_ = summary(made(2))
    assert first == "Fracture (87%; balanced threshold 31%). 2 findings are outlined."
    assert shown == "Body part: hand, left (98%); view: frontal (90%)."
    assert one.startswith("Fracture 1: 87%, ")
    assert one.endswith(" mm².")
    assert two.startswith("Fracture 2: 62%, ")


def test_areas_are_in_pixels_where_their_size_is_not_known() -> None:
    assert summary(made(1, projection(spacing=None)))[2].endswith(" pixels.")


def test_no_finding_is_no_proof() -> None:
    first = summary(made(0))[0]
    assert first.startswith("No fracture found (4%; balanced threshold 31%).")
    assert "The absence of a finding does not rule out a fracture." in first


def test_a_study_has_a_fracture_if_any_image_has_one() -> None:
    none, found, doubtful = answer(0), answer(1), answer(0, Verdict.UNCERTAIN)
    whole = study_verdict([none, found, doubtful])
    assert (whole.verdict, whole.probability, whole.views) == (Verdict.FRACTURE, 0.87, 3)
    assert (
        whole.sentence == "Fracture in 1 of 3 radiographs (highest probability 87%; balanced threshold 31%)."
    )
    assert study_verdict([none, doubtful]).verdict is Verdict.UNCERTAIN
    alone = study_verdict([none])
    assert alone.verdict is Verdict.NO_FRACTURE
    assert alone.sentence.startswith("No fracture found in 1 radiograph (highest probability 4%; ")


def test_a_study_says_how_many_views_were_not_read_or_are_doubtful() -> None:
    whole = study_verdict([answer(0)], not_read=2, doubtful=1)
    assert (whole.views, whole.not_read, whole.doubtful) == (1, 2, 1)
    assert whole.sentence.startswith(
        "Only 1 of 3 radiographs could be read. No fracture found in 1 radiograph ("
    )
    assert whole.sentence.endswith(
        " 1 radiograph may be of another kind or body part than the networks were trained on."
    )


def test_others_are_named_only_where_there_are_others() -> None:
    none, doubtful = answer(0), answer(0, Verdict.UNCERTAIN)
    said = [study_verdict(each).sentence for each in ([doubtful], [doubtful, none], [doubtful, none, none])]
    starts = [sentence.partition(" (")[0] for sentence in said]
    assert starts == [
        "Uncertain in 1 radiograph",
        "Uncertain in 1 of 2 radiographs, no fracture found in the other",
        "Uncertain in 1 of 3 radiographs, no fracture found in the others",
    ]
    assert study_verdict([answer(1)]).sentence.startswith("Fracture in 1 radiograph (")
