"""What the registered study can see: drawn studies whose truth is known (``polyreel.study.simulation``).

    python benchmarks/study_power.py                # P3's power, three minutes of one core
    python benchmarks/study_power.py --null 400     # also how often chance is called a finding, five more

Power is the share of drawn studies whose interval for D − D0 lies above the margin. "Above 0" shows what the
design can see at all; "above +2" is what the register asks for, so an effect has to be 2 points larger for
the same power.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyreel.study.outcomes import Asked, StudyRanks
from polyreel.study.register import Register, read_register
from polyreel.study.simulation import SimulatedSetting, simulate_cells, strength_above, strength_for
from polyreel.study.verdicts import judge_register

REGISTER = Path(__file__).parents[1] / "studies" / "mmp" / "register.yaml"
CLIPS = SimulatedSetting("msrvtt-it", clips=273, sources=268, language="it")
PHOTOS = tuple(
    SimulatedSetting(f"flickr8k-{tag}", clips=937, sources=937, language=tag, folds=5)
    for tag in ("de", "fr", "cs")
)
FEW_PHOTOS = SimulatedSetting("flickr8k-de", clips=300, sources=300, language="de", folds=5)
EFFECTS = (0.0, 2.0, 2.2, 4.2, 8.0)


def gallery(setting: SimulatedSetting) -> int:
    """Items that a cell searches."""
    return len(setting.fold(0))


def power(
    settings: Sequence[SimulatedSetting], *, seeds: int, effect: float, draws: int
) -> tuple[float, float, float]:
    """Share of studies that are clear of 0, and of 2, and the mean half width of the interval.

    Args:
        settings: that the mean is taken over.
        seeds: of each cell.
        effect: true difference in R@10, in points.
        draws: studies.
    """
    strengths = {"D": strength_above(effect, galleries=[gallery(each) for each in settings]), "D0": 0.0}
    asked = Asked("u", tuple(each.name for each in settings), "text to text", "english")
    low, width = [], []
    for draw in range(draws):
        rng = np.random.default_rng([round(10 * effect), seeds, draw])
        cells = simulate_cells(settings, {"text to text": strengths}, seeds=range(seeds), rng=rng)
        found = StudyRanks(cells, resamples=1000).difference(asked, "r@10", ("D", "D0"))
        assert found is not None
        low.append(found.low)
        width.append((found.high - found.low) / 2)
    return float(np.mean(np.array(low) > 0)), float(np.mean(np.array(low) > 2)), float(np.mean(width))


def null_study(register: Register, draws: int) -> None:
    """No effect anywhere; P3 and P4, which ask for more than 2 points, exactly at 2."""
    settings = (CLIPS, FEW_PHOTOS)
    names = tuple(each.name for each in settings)
    questions = {
        name: question.model_copy(update={"encoder": "u", "settings": names, "beside": ()})
        for name, question in register.questions.items()
    }
    register = register.model_copy(update={"questions": questions})
    base, margin = (
        strength_for(50, gallery=187),
        strength_above(2, galleries=[gallery(each) for each in settings]),
    )
    text = dict.fromkeys(("C", "C+", "VC", "VC0"), base) | {"D": margin, "D0": 0.0}
    video = {"S": margin, "VE": 0.0, "VC": 0.0}
    clear, supported = [], 0
    for draw in range(draws):
        rng = np.random.default_rng([7, draw])
        cells = simulate_cells(
            settings, {"text to text": text, "text to video": video}, seeds=range(10), rng=rng
        )
        answers = judge_register(register, StudyRanks(cells, resamples=500))
        clear += [contrast.is_clear for answer in answers for contrast in answer.contrasts]
        supported += any(answer.verdict == "supported" for answer in answers)
    where = " and ".join(f"{setting.name} ({setting.clips} clips)" for setting in settings)
    print(
        f"\nNull, {draws} studies of 10 seeds on {where}: "
        f"{100 * np.mean(clear):.1f}% of {len(clear):,} intervals leave out the truth; "
        f"in {100 * supported / draws:.2f}% of the studies any question is called supported."
    )


def power_table(draws: int) -> None:
    """P3's power at effects of several sizes.

    Args:
        draws: studies a row.
    """
    print("| P3 on | seeds | true D − D0, R@10 | interval, ± | above 0 | above +2 |")
    print("|---|--:|--:|--:|--:|--:|")
    designs = (
        ((CLIPS,), 3, "msrvtt-it"),
        ((CLIPS,), 10, "msrvtt-it"),
        ((CLIPS, *PHOTOS), 10, "all four (registered)"),
    )
    for settings, seeds, title in designs:
        for effect in EFFECTS:
            above, margin, width = power(settings, seeds=seeds, effect=effect, draws=draws)
            shares = f"{100 * above:.0f}% | {100 * margin:.0f}%"
            print(f"| {title} | {seeds} | +{effect:g} | {width:.1f} | {shares} |", flush=True)
    print(f"\n{draws} drawn studies a row.")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="studies a row; 0: no table")
    parser.add_argument("--null", type=int, default=0, metavar="DRAWS")
    options = parser.parse_args()
    if options.draws:
        power_table(options.draws)
    if options.null:
        null_study(read_register(REGISTER), options.null)


if __name__ == "__main__":
    main()
