"""Five verdicts: what each takes, and that chance is called a finding as seldom as is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from polyreel.study.outcomes import Asked, StudyRanks
from polyreel.study.register import Register, read_register
from polyreel.study.simulation import (
    SimulatedSetting,
    recall_of,
    simulate_cells,
    strength_above,
    strength_for,
)
from polyreel.study.verdicts import Answer, StudyFigure, answers_of, judge_register

REGISTER = Path(__file__).parents[2] / "studies" / "mmp" / "register.yaml"
SETTINGS = (
    SimulatedSetting("msrvtt-it", clips=273, sources=260, language="it"),
    SimulatedSetting("flickr8k-de", clips=300, sources=300, language="de", folds=5),
)


@pytest.fixture(scope="module")
def register() -> Register:
    """That of the repository, on two settings."""
    found = read_register(REGISTER)
    names = tuple(setting.name for setting in SETTINGS)
    questions = {
        name: question.model_copy(update={"encoder": "u", "settings": names, "beside": ()})
        for name, question in found.questions.items()
    }
    return found.model_copy(update={"questions": questions})


def figure(low: float, high: float, *, p: float = 0.001, unit: str = "points") -> dict[str, object]:
    return {
        "value": (low + high) / 2,
        "low": low,
        "high": high,
        "p": p,
        "unit": unit,
        "detectable": high - low,
        "seeds": 10,
        "queries": 500,
        "sources": 260,
    }


def answer(register: Register, name: str, **figures: dict[str, object]) -> Answer:
    """To one question; of the others every contrast is far above its margin."""

    def measuring(question: str):
        def measure(outcome: str, arms: tuple[str, str], null: float) -> StudyFigure | None:
            given = figures if question == name else {}
            key = "_".join((*arms, *(["gain"] if outcome == "r@10" and question in ("P1", "P5") else [])))
            found = given.get(key.replace("+", "x"), figure(8, 9))
            return None if found is None else StudyFigure(arms=arms, outcome=outcome, null=null, **found)  # type: ignore[arg-type]

        return measure

    found = answers_of(register, {each: measuring(each) for each in register.questions})
    return next(each for each in found if each.name == name)


class TestRules:
    def test_supported_takes_every_contrast_and_the_gain(self, register: Register) -> None:
        assert answer(register, "P1").verdict == "supported"
        for arms in ("VC_C", "VC_Cx", "VC_VC0"):
            found = answer(register, "P1", **{arms: figure(-0.02, 0.3)})
            assert found.verdict == "undecided"
            assert "holds 0 points; a difference of 0.32 points would have been seen" in found.because
        found = answer(register, "P1", VC_VC0_gain=figure(0.5, 2.5))
        assert found.verdict == "undecided"
        assert "gains +1.50 in r@10, less than 2 points" in found.because

    def test_a_contrast_on_the_other_side_is_said_to_be(self, register: Register) -> None:
        found = answer(register, "P1", VC_C=figure(-0.4, -0.1))
        assert found.verdict == "undecided"
        assert "VC − C -0.25 [-0.40, -0.10] lies below 0 points" in found.because
        assert found.p == 1

    def test_refuted_is_below_what_would_be_worth_having(self, register: Register) -> None:
        assert answer(register, "P1", VC_VC0=figure(-0.3, 0.04)).verdict == "refuted"
        assert answer(register, "P1", VC_VC0=figure(-0.3, 0.06)).verdict == "undecided"
        # Only the deciding contrast refutes.
        assert answer(register, "P1", VC_C=figure(-0.3, 0.04)).verdict == "undecided"

    def test_an_interval_within_the_bounds_is_no_effect(self, register: Register) -> None:
        assert answer(register, "P1", VC_VC0=figure(-0.04, 0.04)).verdict == "no effect worth having"
        # Clear, and still too little to be worth having.
        assert answer(register, "P1", VC_VC0=figure(0.01, 0.04)).verdict == "no effect worth having"
        assert answer(register, "P2", VC_VC0=figure(-0.9, 0.9)).verdict == "no effect worth having"
        assert answer(register, "P2", VC_VC0=figure(-1.1, 0.9)).verdict == "refuted"

    def test_a_margin_is_for_the_whole_interval(self, register: Register) -> None:
        assert answer(register, "P3", D_D0=figure(2.1, 8)).verdict == "supported"
        assert answer(register, "P3", D_D0=figure(1.5, 8)).verdict == "undecided"
        assert answer(register, "P3", D_D0=figure(1.1, 1.9)).verdict == "refuted"
        assert answer(register, "P3", D_D0=figure(-0.5, 0.9)).verdict == "no effect worth having"

    def test_what_is_not_measured_is_named(self, register: Register) -> None:
        found = answer(register, "P1", VC_Cx=None)
        assert (found.verdict, found.p) == ("cannot be tested here", None)
        assert "VC − C+" in found.because
        assert len(found.contrasts) == 2
        found = answer(register, "P1", VC_VC0_gain=None)
        assert "VC − VC0 in r@10" in found.because

    def test_the_largest_p_of_the_contrasts_is_corrected_over_the_questions(self, register: Register) -> None:
        found = answer(register, "P2", VC_C=figure(0.1, 3, p=0.04))
        # The largest of five is not made larger.
        assert (found.p, found.p_holm, found.verdict) == (0.04, 0.04, "supported")

    def test_a_question_that_is_clear_by_itself_alone_is_undecided(self, register: Register) -> None:
        def measuring(name: str):
            p = {"P1": 0.03, "P2": 0.04}.get(name, 0.2)

            def measure(outcome: str, arms: tuple[str, str], null: float) -> StudyFigure:
                return StudyFigure(arms=arms, outcome=outcome, null=null, **figure(8, 9, p=p))  # type: ignore[arg-type]

            return measure

        first, second, *_ = answers_of(register, {name: measuring(name) for name in register.questions})
        assert (first.verdict, first.p_holm) == ("undecided", 0.15)
        assert "not among all questions (p 0.160 after Holm)" in second.because


STRENGTH = strength_for(50, gallery=187)


def simulated(
    register: Register,
    text: Mapping[str, float],
    video: Mapping[str, float],
    draw: int,
) -> Mapping[str, Answer]:
    cells = simulate_cells(
        SETTINGS,
        {"text to text": text, "text to video": video},
        seeds=range(10),
        rng=np.random.default_rng([7, draw]),
    )
    return {each.name: each for each in judge_register(register, StudyRanks(cells, resamples=500))}


def null_draws(register: Register, draws: int) -> list[Mapping[str, Answer]]:
    """Nothing that is asked for is true; P3 and P4 are just at their margins."""
    margin = strength_above(2, galleries=[273, 60])
    text = dict.fromkeys(("C", "C+", "VC", "VC0"), STRENGTH) | {"D": margin, "D0": 0.0}
    video = {"S": margin, "VE": 0.0, "VC": 0.0}
    return [simulated(register, text, video, draw) for draw in range(draws)]


def test_strengths_are_recalls(register: Register) -> None:
    assert strength_for(recall_of(0.7, gallery=273), gallery=273) == pytest.approx(0.7)
    assert recall_of(0.0, gallery=273) == pytest.approx(100 * 10 / 273, abs=0.2)
    cells = simulate_cells(
        SETTINGS, {"text to text": {"D": 0.7}}, seeds=range(10), rng=np.random.default_rng(0)
    )
    ranks = StudyRanks(cells, resamples=100)
    found = ranks.estimate(Asked("u", ("msrvtt-it",), "text to text", "all"), "r@10", "D")
    assert found is not None
    assert found.mean == pytest.approx(recall_of(0.7, gallery=273), abs=3)


def test_what_is_true_is_found_and_what_is_not_is_not(register: Register) -> None:
    more = strength_for(60, gallery=187)
    text = dict.fromkeys(("C", "C+", "VC0"), STRENGTH) | {"VC": more, "D": 0.8, "D0": 0.0}
    found = simulated(register, text, {"S": 0.0, "VE": 0.3, "VC": 0.9}, 0)
    assert {name: each.verdict for name, each in found.items()} == {
        "P1": "supported",
        "P2": "supported",
        "P3": "supported",
        "P4": "refuted",
        "P5": "supported",
    }
    assert found["P1"].contrasts[0].seeds == 10
    assert found["P1"].contrasts[0].sources == 260 + 300


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_of_chance_three_to_six_percent_is_clear_and_at_most_six_supported(register: Register) -> None:
    draws = null_draws(register, 400)
    clear = [contrast.is_clear for found in draws for each in found.values() for contrast in each.contrasts]
    assert len(clear) == 400 * 9
    assert 0.03 <= np.mean(clear) <= 0.06
    supported = [any(each.verdict == "supported" for each in found.values()) for found in draws]
    assert np.mean(supported) <= 0.06
