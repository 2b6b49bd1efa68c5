"""The conditions of a study and what is made of them: arms, contrasts, what pages show and warn of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

from polyreel.errors import UnknownNameError
from polyreel.recipes import Name, Problem

__all__ = [
    "AGREEMENT",
    "ALL",
    "GAP",
    "OTHERS",
    "OUTCOMES",
    "TOGETHER",
    "Arm",
    "Design",
    "LimitSpec",
    "Spec",
    "SwitchingRoles",
]

ALL, OTHERS, GAP = "mean", "others", "gap"
TOGETHER, AGREEMENT = "all languages at once", "agreement"
OUTCOMES = (ALL, OTHERS, GAP, TOGETHER, AGREEMENT)
"""What is made of the languages of a benchmark: the mean, the mean without English, English minus that mean,
the share found in every language, and how far two languages agree on what they find."""


class Spec(BaseModel):
    """Part of a document: what a file of a study says, or of its results."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Arm(Spec):
    """One condition: the study's training recipe with a change.

    Attributes:
        name: Its key in the design.
        title: What it is, for people; it becomes the description of the training recipe.
        trains_on: ``nothing``; ``text`` of the study; ``captions`` of the videos, without them; the
            ``video``s with their captions; or these with the videos ``shuffled`` between clips.
        code_switched: Whether English captions are code-switched.
        multilingual: Whether captions in other languages are shown.
        training: What of the training recipe is otherwise, mappings within mappings too.
    """

    name: str
    title: str
    trains_on: Literal["nothing", "text", "captions", "video", "shuffled"] = "video"
    code_switched: bool = False
    multilingual: bool = False
    training: dict[str, Any] = {}

    @property
    def is_trained(self) -> bool:
        """Whether there is anything to train."""
        return self.trains_on != "nothing"

    @property
    def sees(self) -> bool:
        """Whether the arm has a video tower."""
        return self.trains_on in ("video", "shuffled")


class SwitchingRoles(Spec):
    """Which arms show what code-switching does.

    Attributes:
        arm: The code-switched one; variants of the study change one thing of it.
        baseline: The same without switching.
    """

    arm: str
    baseline: str


class LimitSpec(Spec):
    """A sentence on what a reader should not conclude.

    Attributes:
        text: The sentence; ``{text}`` stands for the names of the study's text corpora, and a study without
            any leaves the sentence out.
        encoder: Only where the study has this encoder.
        benchmark: Only where this benchmark was measured.
    """

    text: str
    encoder: str | None = None
    benchmark: str | None = None


def _named(arms: object) -> object:
    """Arms with their names, which are the keys."""
    if not isinstance(arms, dict):
        return arms
    return {k: {"name": k, **arm} if isinstance(arm, dict) else arm for k, arm in arms.items()}


class Design(Spec):
    """Arms, and what of them is compared and shown.

    Attributes:
        arms: Name -> condition.
        contrasts: Pairs of arms; the first is set against the second.
        switching: Which arms show what code-switching does; None where no arm is about it.
        examples: Arms whose nearest clips of a few queries are shown.
        matrices: Arms whose figures are shown for every pair of languages, where a benchmark has them.
        titles: Name of a benchmark -> how pages write it.
        limits: What a reader should not conclude.
    """

    arms: Annotated[Mapping[Name, Arm], BeforeValidator(_named)] = {}
    contrasts: tuple[tuple[str, str], ...] = ()
    switching: SwitchingRoles | None = None
    examples: tuple[str, ...] = ()
    matrices: tuple[str, ...] = ()
    titles: Mapping[str, str] = {}
    limits: tuple[LimitSpec, ...] = ()

    def contradictions(self) -> list[Problem]:
        """Arms that are named and not there, and contrasts of an arm with itself."""
        roles = self.switching
        named = {
            "contrasts": [name for pair in self.contrasts for name in pair],
            "switching": [] if roles is None else [roles.arm, roles.baseline],
            "examples": self.examples,
            "matrices": self.matrices,
        }
        found = [
            (where, str(UnknownNameError("arm", name, self.arms)))
            for where, names in named.items()
            for name in dict.fromkeys(names)
            if name not in self.arms
        ]
        return found + [
            (f"contrasts.{at}", f"{one!r} is compared with itself: name two arms")
            for at, (one, other) in enumerate(self.contrasts)
            if one == other
        ]
