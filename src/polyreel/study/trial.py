"""Train one arm in memory and measure it. Needs PyTorch.

A cell takes seconds, so nothing of it is written down before it is whole: one that is killed begins again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from polyreel.codeswitch.switching import CodeSwitcher, SwitchRule
from polyreel.languages import Parts
from polyreel.progress import ignore_progress
from polyreel.recipes import recipe_error
from polyreel.study.arms import Cell
from polyreel.study.encoding import Towers
from polyreel.study.measuring import CellQueries, log2_rank_of_switched, measure
from polyreel.study.recipe import StudyRecipe
from polyreel.study.results import CellResult
from polyreel.study.study_data import Part, StudyData
from polyreel.training.assembly import build_batches, build_engine, device_of, open_training_sets, step_count
from polyreel.training.distributed import Group
from polyreel.training.problems import problems_of
from polyreel.training.recipe import Recipe
from polyreel.training.step import train_step
from polyreel.training.switch_rates import SwitchRates

__all__ = ["Trial", "TrialRunner"]

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """A training run of a study.

    Attributes:
        cell: arm, setting, encoder and seed.
        part: of the setting, what is trained on and what is asked for.
        document: the training recipe.
        digest: of everything that decides what comes out.
        register_sha256: of the register that it is run under.
    """

    cell: Cell
    part: Part
    document: dict[str, Any]
    digest: str
    register_sha256: str = ""


@dataclass(slots=True)
class _Seen:
    """What a training has seen.

    Attributes:
        texts: language -> texts.
        rates: how many words were switched.
    """

    texts: dict[str, int] = field(default_factory=dict)
    rates: SwitchRates = field(default_factory=SwitchRates)


class TrialRunner:
    """Runs trials of one study, one after another, on one core.

    Args:
        recipe: of the study.
        data: folder that datasets are relative to.
    """

    def __init__(self, recipe: StudyRecipe, data: Path | None) -> None:
        self._recipe = recipe
        self._data = StudyData(recipe, data, on_progress=ignore_progress)

    def cell(self, trial: Trial) -> CellResult:
        """Train and rank every query.

        Raises:
            PolyreelError: it cannot be trained or measured.
        """
        began = time.process_time()
        towers, seen, steps = self._trained(trial)
        setting = self._recipe.settings[trial.cell.setting]
        measured = CellQueries(
            trial.part,
            self._data.test_clips(trial.part),
            self._data.premises(trial.part.setting),
            setting.languages,
        )
        return CellResult(
            setting=trial.cell.setting,
            encoder=trial.cell.encoder,
            arm=trial.cell.arm.name,
            seed=trial.cell.seed,
            digest=trial.digest,
            ranks=measure(towers, measured),
            switched={tag: _ends(rates) for tag, rates in seen.rates.by_language().items()},
            steps=steps,
            texts=seen.texts,
            register_sha256=trial.register_sha256,
            took_s=round(time.process_time() - began, 1),
        )

    def tuning_score(self, trial: Trial) -> float:
        """Train and ask for switched captions: mean log2 rank over both ways and all languages.

        Raises:
            PolyreelError: it cannot be trained.
        """
        towers, _, _ = self._trained(trial)
        clips, setting = self._data.test_clips(trial.part), self._recipe.settings[trial.part.setting]
        english = dict(zip(clips.ids, clips.captions["en"], strict=True))
        scores = []
        for switched in self._words_switched(trial, english, setting.others).values():
            asked = [english[name] or "" for name in switched]
            scores.append(log2_rank_of_switched(towers, asked, list(switched.values())))
        return float(np.mean(scores))

    def _words_switched(
        self, trial: Trial, english: Mapping[str, str | None], languages: Sequence[str]
    ) -> dict[str, dict[str, Parts]]:
        """Language -> id -> the words of a caption that a lexicon translates into it, always alike.

        The words that stay English are left out, for by them a caption finds itself untrained; so are
        captions that keep none.
        """
        catalog, folder = self._data.catalog, self._recipe.lexicons
        found = {}
        for tag in languages:
            rule = SwitchRule(mode="bilingual", p=1.0)
            switcher = CodeSwitcher(catalog.lexicons(folder, [tag]), rule, seed=trial.cell.seed)
            parts = {
                name: switcher.switch(text or "", key=name, epoch=0).parts for name, text in english.items()
            }
            kept = {name: _in_language(each, tag) for name, each in parts.items()}
            found[tag] = {name: each for name, each in kept.items() if each}
        return found

    def _trained(self, trial: Trial) -> tuple[Towers, _Seen, int]:
        training = Recipe.model_validate(trial.document)
        catalog = self._data.catalog
        if problems := problems_of(training, catalog):
            lines = [f"{place}: {what}" for place, what in problems]
            raise recipe_error(f"{self._recipe.study}, {trial.cell.name}", lines)
        sets = open_training_sets(training, catalog)
        steps = step_count(training, sets)
        engine = build_engine(
            training, sets, total_steps=steps, device=device_of(training), group=Group(), catalog=catalog
        )
        batches, seen = build_batches(training, sets, engine, catalog=catalog), _Seen()
        for step in range(steps):
            batch = batches.make()
            train_step(engine, batch, step)
            seen.rates.add(batch.switched)
            for number, count in zip(*torch.unique(batch.language, return_counts=True), strict=True):
                tag = training.text_languages[int(number)]
                seen.texts[tag] = seen.texts.get(tag, 0) + int(count)
        encoder = self._recipe.encoders[trial.cell.encoder]
        return Towers(engine, reads_class_names=encoder.reads_class_names), seen, steps


def _in_language(parts: Parts, language: str) -> Parts:
    """The stretches in one language, with spaces between them."""
    words = [text for tag, text in parts if tag == language]
    return ((language, " ".join(words)),) if words else ()


def _ends(rates: Sequence[float]) -> tuple[float, ...]:
    """Mean over the epochs, the first and the last."""
    return tuple(round(float(rate), _DIGITS) for rate in (np.mean(rates), rates[0], rates[-1]))
