"""Everything that a study found, in one document: the pages and the ledger are made from it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from polyreel.study.design import Spec
from polyreel.study.outcomes import Asked, StudyRanks, chance_of
from polyreel.study.recipe_facts import RecipeFacts
from polyreel.study.register import (
    Exploration,
    Outcome,
    QueriesIn,
    Question,
    Register,
    Task,
    registration_of,
)
from polyreel.study.results import StudyCells
from polyreel.study.verdicts import Answer, StudyFigure, judge_register, measured_of

__all__ = ["ArmRow", "ArmTable", "ExploredFigures", "Findings", "SettingContrasts", "find"]

_SHOWN_RESAMPLES = 2000


class ArmRow(Spec):
    """One arm: outcome -> its figure."""

    arm: str
    figures: Mapping[Outcome, StudyFigure]


class ArmTable(Spec):
    """All arms with one encoder on one task.

    Attributes:
        encoder, task, queries: what was asked, and in which languages.
        settings: over which the mean is taken, each counting alike; one, or several.
        gallery: items searched, mean over the settings.
        chance: outcome -> what a system scores whose scores say nothing.
        rows: in the order of the cells.
    """

    encoder: str
    task: Task
    queries: QueriesIn
    settings: tuple[str, ...]
    gallery: float
    chance: Mapping[Outcome, float]
    rows: tuple[ArmRow, ...]

    @property
    def title(self) -> str:
        """Of the table."""
        where = self.settings[0] if len(self.settings) == 1 else f"mean of {', '.join(self.settings)}"
        asked = {
            "all": "all queries",
            "english": "queries in English",
            "others": "queries in other languages",
        }
        return f"{self.task}, {asked[self.queries]}, {self.encoder}: {where}"


class SettingContrasts(Spec):
    """The contrasts of a question in one of its settings; they decide nothing by themselves."""

    question: str
    setting: str
    figures: tuple[StudyFigure, ...]


class ExploredFigures(Spec):
    """What an exploration of the register found; corrected for nothing."""

    name: str
    asks: str
    note: str
    encoder: str
    settings: tuple[str, ...]
    figures: tuple[StudyFigure, ...]


class Findings(Spec):
    """``findings.json``.

    Attributes:
        schema_version: of this document.
        study: its name.
        command: that makes it.
        made_with: versions.
        rules: the register under which it is judged.
        register_sha256: of the register's file.
        registered: whether every cell was run under that very file.
        registration: the same in a sentence.
        cells: how many there are.
        cells_sha256: of the file with their ranks.
        hours: of one core that they took.
        missing: encoder, setting, arm and seed that the register names seeds for and that are not there.
        answers: to the questions, in the register's order.
        by_setting: their contrasts, setting by setting.
        explorations: of the register.
        tables: every arm's figures.
        switched: encoder -> setting -> language -> share of all words switched, mean over arms that switch.
        encoders: name -> what it was trained on, as the register says.
        origins: name -> the same as the encoder's own spec says; empty where only ranks are judged.
        shortened: what the register asks for and the study was not to have; empty for a whole one.
        limits: what a reader should not conclude.
    """

    schema_version: Literal[1] = 1
    study: str
    command: str
    made_with: Mapping[str, str]
    rules: Register
    register_sha256: str
    registered: bool
    registration: str
    cells: int
    cells_sha256: str
    hours: float
    missing: tuple[str, ...]
    answers: tuple[Answer, ...]
    by_setting: tuple[SettingContrasts, ...]
    explorations: tuple[ExploredFigures, ...]
    tables: tuple[ArmTable, ...]
    switched: Mapping[str, Mapping[str, Mapping[str, float]]]
    encoders: Mapping[str, str]
    origins: Mapping[str, str] = {}
    shortened: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()

    def trained_on(self, encoder: str) -> str:
        """What an encoder was trained on, in the words of the register and of its spec."""
        words = self.encoders.get(encoder, ""), self.origins.get(encoder, "")
        return " ".join(each if each.endswith(".") else f"{each}." for each in words if each)

    def answer(self, name: str) -> Answer | None:
        """The answer to a question, if the register has it."""
        return next((found for found in self.answers if found.name == name), None)


def find(
    cells: StudyCells,
    register: Register,
    *,
    sha256: str,
    cells_sha256: str = "",
    command: str,
    made_with: Mapping[str, str],
    facts: RecipeFacts | None = None,
) -> Findings:
    """Judge the cells by the register, and gather what pages show.

    Args:
        cells: All that there are.
        register: Questions and rules.
        sha256: Of the register's file.
        cells_sha256: Of the file with the ranks.
        command: That makes this.
        made_with: Versions.
        facts: What the study's recipe says; None where only ranks are judged.

    Raises:
        ResultError: cells contradict each other.
    """
    facts = facts or RecipeFacts()
    of_cells = {f"{c.encoder}, {c.setting}, {c.arm}, seed {c.seed}": c.register_sha256 for c in cells.cells}
    registration = registration_of(sha256, of_cells)
    shown = StudyRanks(cells, resamples=_SHOWN_RESAMPLES)
    return Findings(
        study=cells.study,
        command=command,
        made_with=made_with,
        rules=register,
        register_sha256=sha256,
        registered=registration.holds,
        registration=registration.words,
        cells=len(cells.cells),
        cells_sha256=cells_sha256,
        hours=round(sum(cell.took_s for cell in cells.cells) / 3600, 2),
        missing=tuple(_missing(cells, register)),
        answers=judge_register(register, StudyRanks(cells, resamples=register.resamples)),
        by_setting=tuple(_by_setting(register, shown)),
        explorations=tuple(_explored(register, shown)),
        tables=tuple(_tables(cells, register, shown)),
        switched=_switched(cells),
        encoders=register.encoders,
        origins=facts.origins,
        shortened=facts.shortened,
        limits=facts.limits,
    )


def _missing(cells: StudyCells, register: Register) -> Iterator[str]:
    """Seeds that an arm lacks in a setting where it has others."""
    there: dict[tuple[str, str, str], set[int]] = {}
    for cell in cells.cells:
        there.setdefault((cell.encoder, cell.setting, cell.arm), set()).add(cell.seed)
    for (encoder, setting, arm), seeds in there.items():
        for seed in register.seeds.get(encoder, ()):
            if seed not in seeds:
                yield f"{encoder}, {setting}, {arm}, seed {seed}"


def _by_setting(register: Register, ranks: StudyRanks) -> Iterator[SettingContrasts]:
    for name, question in register.questions.items():
        pairs = [rule.arms for rule in question.contrasts] + list(question.beside)
        outcomes = [question.outcome, *([question.gain.outcome] if question.gain else [])]
        for setting in question.settings:
            asked = Asked(question.encoder, (setting,), question.task, question.queries)
            figures = tuple(_differences(ranks, asked, pairs, dict.fromkeys(outcomes)))
            if figures:
                yield SettingContrasts(question=name, setting=setting, figures=figures)


def _explored(register: Register, ranks: StudyRanks) -> Iterator[ExploredFigures]:
    for name, entry in register.explorations.items():
        asked = Asked(entry.encoder, entry.settings, entry.task, entry.queries)
        yield ExploredFigures(
            name=name,
            asks=entry.asks,
            note=entry.note,
            encoder=entry.encoder,
            settings=entry.settings,
            figures=tuple(_differences(ranks, asked, entry.contrasts, entry.outcomes)),
        )


def _differences(
    ranks: StudyRanks,
    asked: Asked,
    pairs: Sequence[tuple[str, str]],
    outcomes: Sequence[Outcome] | dict[Outcome, None],
) -> Iterator[StudyFigure]:
    for arms in pairs:
        for outcome in outcomes:
            found = measured_of(ranks.difference(asked, outcome, arms), outcome, arms)
            if found is not None:
                yield found


def _tables(cells: StudyCells, register: Register, ranks: StudyRanks) -> Iterator[ArmTable]:
    """Of each registered group of settings the mean, then of every setting by itself."""
    wanted: dict[tuple[str, Task, QueriesIn, tuple[str, ...]], None] = {}
    entries: list[Question | Exploration] = [
        *register.questions.values(),
        *register.explorations.values(),
    ]
    for entry in entries:
        wanted.setdefault((entry.encoder, entry.task, entry.queries, entry.settings))
    for entry in entries:
        for setting in entry.settings:
            wanted.setdefault((entry.encoder, entry.task, entry.queries, (setting,)))
    for encoder, task, queries, settings in wanted:
        asked = Asked(encoder, settings, task, queries)
        rows = [
            row for arm in ranks.arms(encoder, settings) if (row := _row(register, ranks, asked, arm)).figures
        ]
        if rows:
            gallery = _gallery(cells, asked)
            yield ArmTable(
                encoder=encoder,
                task=task,
                queries=queries,
                settings=settings,
                gallery=round(gallery, 1),
                chance={outcome: round(chance_of(outcome, gallery), 3) for outcome in rows[0].figures},
                rows=tuple(rows),
            )


def _row(register: Register, ranks: StudyRanks, asked: Asked, arm: str) -> ArmRow:
    deep = ("r@10", "found in both@10", "kappa@10")
    outcomes: list[Outcome] = [
        outcome for outcome in register.order if asked.task != "x-mnli" or outcome not in deep
    ]
    found = {
        outcome: measured_of(ranks.estimate(asked, outcome, arm), outcome, (arm,)) for outcome in outcomes
    }
    return ArmRow(arm=arm, figures={key: figure for key, figure in found.items() if figure is not None})


def _gallery(cells: StudyCells, asked: Asked) -> float:
    sizes: dict[str, list[int]] = {}
    for cell in cells.cells:
        if cell.encoder == asked.encoder and cell.setting in asked.settings:
            own = [task.gallery for task in cell.ranks if task.task == asked.task]
            sizes.setdefault(cell.setting, []).extend(own)
    return float(np.mean([np.mean(each) for each in sizes.values() if each]))


def _switched(cells: StudyCells) -> dict[str, dict[str, dict[str, float]]]:
    rates: dict[str, dict[str, dict[str, list[float]]]] = {}
    for cell in cells.cells:
        own = rates.setdefault(cell.encoder, {}).setdefault(cell.setting, {})
        for tag, values in cell.switched.items():
            if values:
                own.setdefault(tag, []).append(values[0])
    return {
        encoder: {
            setting: {tag: round(float(np.mean(each)), 4) for tag, each in tags.items()}
            for setting, tags in settings.items()
        }
        for encoder, settings in rates.items()
    }
