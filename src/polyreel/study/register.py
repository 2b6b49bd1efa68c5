"""The register of a study: what is asked and how it is decided, written down before anything is run.

A register is a YAML file. It is known by the SHA-256 of its bytes: every cell of a study keeps the digest
under which it was run, and a report says whether all of them are that of the file as it is now. Whoever
changes a rule after seeing a cell changes the digest, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from polyreel.errors import RecipeError, UnknownNameError
from polyreel.files import read_regular
from polyreel.recipes import Name, Problem, read_recipe
from polyreel.study.design import Spec

__all__ = [
    "Amendment",
    "ContrastRule",
    "Exploration",
    "GainRule",
    "Outcome",
    "QueriesIn",
    "Question",
    "RefutationRule",
    "Register",
    "RegisteredSetting",
    "Registration",
    "Task",
    "TuningRule",
    "digest_of_register",
    "read_register",
    "register_sha256",
    "registration_of",
]

Outcome = Literal["log2 rank", "r@10", "mrr", "r@1", "found in both@10", "found in both@1", "kappa@10"]
"""What is made of ranks. Differences of ``log2 rank`` are turned round, so that more is better in all of
them; all but ``log2 rank`` (bits), ``mrr`` (0 to 1) and ``kappa@10`` (-1 to 1) are in points, 0 to 100."""

Task = Literal["text to text", "text to video", "x-mnli"]
QueriesIn = Literal["all", "english", "others"]
"""Language of the queries. Text to text is between English and each other language: ``english`` asks for
captions in the others, ``others`` for English ones, ``all`` is both ways."""

Arms = tuple[str, str]
Setting = Annotated[str, Field(min_length=1)]


class RegisteredSetting(Spec):
    """Data that the study is run on.

    Attributes:
        data: what it is, and how it is divided.
        languages: English first.
        train, test: clips at most, before those without a caption in the languages are left out; with folds
            ``test`` is that of all folds.
        human: whether the measured captions of the other languages were written or translated by people.
    """

    data: str = Field(min_length=1)
    languages: tuple[str, ...] = Field(min_length=2)
    train: int = Field(ge=1)
    test: int = Field(ge=1)
    human: bool


class ContrastRule(Spec):
    """All of the interval of the first arm minus the second has to lie above ``above``."""

    arms: Arms
    above: float = Field(default=0.0, ge=0)


class GainRule(Spec):
    """A gain that has to be worth having: the difference itself, not its interval, is ``least`` or more."""

    arms: Arms
    outcome: Outcome
    least: float = Field(gt=0)


class RefutationRule(Spec):
    """What refutes: all of the interval of this difference lies below ``below``."""

    arms: Arms
    below: float


class Question(Spec):
    """A question with the rule that decides it.

    Attributes:
        asks: The question in a sentence.
        encoder: That decides; others stand beside it.
        settings: Over which the mean is taken, each counting alike.
        task, queries, outcome: What is measured.
        contrasts: All of them have to hold.
        gain: What has to be gained besides.
        refuted: When the answer is no.
        no_effect: The answer is "no effect worth having" where the interval of ``refuted.arms`` lies within
            plus and minus this.
        beside: Differences that are shown and decide nothing.
        caveat: Goes with every verdict.
    """

    asks: str = Field(min_length=1)
    encoder: str
    settings: tuple[Setting, ...] = Field(min_length=1)
    task: Task
    queries: QueriesIn
    outcome: Outcome
    contrasts: tuple[ContrastRule, ...] = Field(min_length=1)
    gain: GainRule | None = None
    refuted: RefutationRule
    no_effect: float = Field(gt=0)
    beside: tuple[Arms, ...] = ()
    caveat: str = ""


class Exploration(Spec):
    """What is looked at without deciding anything.

    Attributes:
        asks: The question.
        encoder, settings, task, queries, outcomes: What is measured.
        contrasts: Pairs of arms; of each the first minus the second.
        note: How it is run, where that is not plain.
    """

    asks: str = Field(min_length=1)
    encoder: str
    settings: tuple[Setting, ...] = Field(min_length=1)
    task: Task
    queries: QueriesIn
    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    contrasts: tuple[Arms, ...] = Field(min_length=1)
    note: str = ""


class TuningRule(Spec):
    """How settings of the training were chosen for each arm, with no look at what is measured.

    Attributes:
        share: of the training clips, held back to choose on.
        by: what is compared there.
        grid: key of the training recipe -> values; the same for all arms.
    """

    share: float = Field(gt=0, lt=1)
    by: str = Field(min_length=1)
    grid: Mapping[str, tuple[float, ...]] = Field(min_length=1)


class Amendment(Spec):
    """A change after the register was first used: when, what, and why; the old text stays in ``was``."""

    on: date
    what: str = Field(min_length=1)
    why: str = Field(min_length=1)
    was: str = Field(min_length=1)


class Register(Spec):
    """Everything that is fixed before the first cell. One without questions decides nothing: it explores.

    Attributes:
        study: Name of the studies that it is for.
        question: Of the whole.
        registered: When.
        level: Of all decisions together, for what is called supported (Holm over ``family``).
        resamples: Of the crossed bootstrap.
        encoders: Name -> what it is, and what it was trained on.
        seeds: Encoder -> seeds of each cell.
        settings: Name -> data.
        arms: Name -> what it trains on.
        alike: What all arms have alike.
        tuning: What is chosen for each arm, and how.
        questions: Name -> question, those that decide.
        family: Names of the questions that are corrected together.
        explorations: Name -> what decides nothing.
        exclusions: What is left out, and why.
        order: In which figures are printed.
        amendments: Changes after the first cell.
    """

    study: Name
    question: str = Field(min_length=1)
    registered: date
    level: float = Field(default=0.05, gt=0, lt=0.5)
    resamples: int = Field(default=10_000, ge=1000)
    encoders: Mapping[Name, str] = Field(min_length=1)
    seeds: Mapping[str, tuple[int, ...]]
    settings: Mapping[Name, RegisteredSetting] = Field(min_length=1)
    arms: Mapping[str, str] = Field(min_length=2)
    alike: str = Field(min_length=1)
    tuning: TuningRule | None = None
    questions: Mapping[Name, Question] = {}
    family: tuple[str, ...] = ()
    explorations: Mapping[Name, Exploration] = {}
    exclusions: tuple[str, ...] = ()
    order: tuple[Outcome, ...] = Field(min_length=1)
    amendments: tuple[Amendment, ...] = ()

    def contradictions(self) -> list[Problem]:
        """Names that stand for nothing, and rules that nothing could meet."""
        found = [
            (where, str(UnknownNameError(kind, name, known)))
            for where, kind, names, known in self._names()
            for name in dict.fromkeys(names)
            if name not in known
        ]
        found += [(where, f"{value!r} comes twice") for where, value in self._twice()]
        for name, question in self.questions.items():
            found += [(f"questions.{name}.{where}", what) for where, what in _contradictions(question)]
        for name, setting in self.settings.items():
            if setting.languages[0] != "en":
                found.append((f"settings.{name}.languages", "English comes first"))
        if not self.questions and not self.explorations:
            found.append(("questions", "there is neither a question nor an exploration"))
        if self.questions and not self.family:
            found.append(("family", "names none of the questions, which are corrected together"))
        for name in self.encoders:
            if len(self.seeds.get(name, ())) < 2:
                found.append(("seeds", f"{name!r} needs two seeds at least"))
        return found

    def _names(self) -> Iterator[tuple[str, str, Sequence[str], Iterable[str]]]:
        yield "family", "question", self.family, self.questions
        yield "seeds", "encoder", tuple(self.seeds), self.encoders
        for kind, entries in (("questions", self.questions), ("explorations", self.explorations)):
            for name, entry in entries.items():
                where = f"{kind}.{name}"
                yield f"{where}.encoder", "encoder", (entry.encoder,), self.encoders
                yield f"{where}.settings", "setting", entry.settings, self.settings
                yield f"{where}.arms", "arm", tuple(arms_in(entry)), self.arms

    def _twice(self) -> Iterator[tuple[str, object]]:
        lists: dict[str, Sequence[object]] = {"family": self.family, "order": self.order}
        lists |= {f"seeds.{name}": seeds for name, seeds in self.seeds.items()}
        lists |= {f"settings.{name}.languages": s.languages for name, s in self.settings.items()}
        lists |= {f"questions.{name}.settings": q.settings for name, q in self.questions.items()}
        for where, values in lists.items():
            yield from ((where, value) for value in dict.fromkeys(values) if values.count(value) > 1)


def arms_in(entry: Question | Exploration) -> Iterator[str]:
    """Every arm that an entry names."""
    if isinstance(entry, Exploration):
        pairs = list(entry.contrasts)
    else:
        pairs = [*(rule.arms for rule in entry.contrasts), entry.refuted.arms, *entry.beside]
        pairs += [] if entry.gain is None else [entry.gain.arms]
    for pair in pairs:
        yield from pair


def _contradictions(question: Question) -> Iterator[Problem]:
    decided = [rule.arms for rule in question.contrasts]
    rules = [("contrasts", arms) for arms in decided] + [("beside", arms) for arms in question.beside]
    if question.gain is not None:
        rules.append(("gain.arms", question.gain.arms))
    for where, (one, other) in rules:
        if one == other:
            yield where, f"{one!r} is compared with itself"
    if question.refuted.arms not in decided:
        yield "refuted.arms", "they are none of the contrasts that decide"


def register_sha256(path: Path) -> str:
    """Hexadecimal digest of the file's bytes, by which cells know it.

    Raises:
        RecipeError: the file cannot be read.
    """
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except OSError as error:
        raise RecipeError(
            "the register cannot be read",
            item=path,
            value=error.strerror,
            remedy="Give the file that the study names",
        ) from error


def digest_of_register(file: str) -> str:
    """Hex SHA-256 of the register that a study names; empty where it names none.

    Raises:
        RecipeError: it is not a register, with all mistakes: said before anything is run under it.
    """
    if not file:
        return ""
    read_register(Path(file))
    return register_sha256(Path(file))


def read_register(path: Path) -> Register:
    """The register in a YAML file.

    Raises:
        RecipeError: with all mistakes.
        UsageError: PyYAML is not installed.
    """
    return read_recipe(path, Register, stand_ins={"study": "unnamed"})


@dataclass(frozen=True, slots=True)
class Registration:
    """Whether results are those of a register.

    Attributes:
        sha256: of the register as it is now.
        others: names of the cells that were run under another one, or none.
        cells: how many there are.
    """

    sha256: str
    others: tuple[str, ...]
    cells: int

    @property
    def holds(self) -> bool:
        """Whether all cells were run under this very register."""
        return not self.others

    @property
    def words(self) -> str:
        """The status in a sentence."""
        if self.holds:
            return f"Registered: all {self.cells:,} cells were run under register {self.sha256[:12]}."
        return (
            f"Not registered: {len(self.others):,} of {self.cells:,} cells were run under another register "
            f"than {self.sha256[:12]}, or none, the first {self.others[0]}."
        )


def registration_of(sha256: str, cells: Mapping[str, str]) -> Registration:
    """Compare a register with the digests that cells keep.

    Args:
        sha256: Of the register as it is now.
        cells: Name -> digest of the register that it was run under, empty for none.
    """
    return Registration(sha256, tuple(name for name, own in cells.items() if own != sha256), len(cells))
