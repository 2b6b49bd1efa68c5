"""The conditions of a study: what each arm trains on, and what pages say beside its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from polyreel.errors import UnknownNameError
from polyreel.recipes import Problem

__all__ = ["Arm", "Design", "LimitSpec", "Spec", "TextsShown"]

_ARM = re.compile("[A-Za-z0-9][A-Za-z0-9._+-]*")

TextsShown = Literal["english", "switched", "halves", "human"]
"""``english`` captions; these and the same ``switched`` into the other languages, anew each epoch; English on
one half of the clips and human captions in the other languages on the other half (``halves``), so that no
clip has both; or ``human`` captions in all languages on every clip."""


class Spec(BaseModel):
    """Part of a document: what a file of a study says, or of its results."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _require_arm_name(value: str) -> str:
    if not _ARM.fullmatch(value):
        raise ValueError(f"{value!r} may hold the letters a to z, digits, '.', '_', '+' and '-'")
    return value


ArmName = Annotated[str, AfterValidator(_require_arm_name)]


class Arm(Spec):
    """One condition.

    Attributes:
        name: Its key in the design.
        title: What it is, for people; it becomes the description of the training recipe.
        videos: ``none``, the clips' ``own``, or ``shuffled`` between clips.
        texts: Captions that it is shown.
        objectives: Terms of its loss, as a training recipe says them. Tuned weights multiply those of all
            terms but the first.
        training: What of the training recipe is otherwise, mappings within mappings too.
        tuned_as: Arm whose tuned values it takes; empty for its own.
    """

    name: str
    title: str
    videos: Literal["none", "own", "shuffled"] = "none"
    texts: TextsShown
    objectives: tuple[dict[str, Any], ...] = Field(min_length=1)
    training: dict[str, Any] = {}
    tuned_as: str = ""

    @property
    def sees(self) -> bool:
        """Whether the arm has a video tower."""
        return self.videos != "none"

    @model_validator(mode="after")
    def _terms_are_named(self) -> Arm:
        for at, term in enumerate(self.objectives):
            if not isinstance(term.get("name"), str):
                raise ValueError(f"its 'objectives.{at}' has no 'name'")  # noqa: TRY004  pydantic reports it
        return self


class LimitSpec(Spec):
    """A sentence on what a reader should not conclude.

    Attributes:
        text: The sentence.
        encoder: Only where the study has this encoder.
        setting: Only where the study has this setting.
    """

    text: str
    encoder: str | None = None
    setting: str | None = None


def _named(arms: object) -> object:
    """Arms with their names, which are the keys."""
    if not isinstance(arms, dict):
        return arms
    return {k: {"name": k, **arm} if isinstance(arm, dict) else arm for k, arm in arms.items()}


class Design(Spec):
    """Arms, and what a reader should not conclude from them.

    Attributes:
        arms: Name -> condition.
        titles: Name of a setting or task -> how pages write it.
        limits: What a reader should not conclude.
    """

    arms: Annotated[Mapping[ArmName, Arm], BeforeValidator(_named)] = {}
    titles: Mapping[str, str] = {}
    limits: tuple[LimitSpec, ...] = ()

    def contradictions(self) -> list[Problem]:
        """Arms that take the tuned values of none, or of one that takes another's."""
        found = []
        for name, arm in self.arms.items():
            if arm.tuned_as and arm.tuned_as not in self.arms:
                found.append((f"arms.{name}.tuned_as", str(UnknownNameError("arm", arm.tuned_as, self.arms))))
            elif arm.tuned_as and self.arms[arm.tuned_as].tuned_as:
                found.append((f"arms.{name}.tuned_as", f"{arm.tuned_as!r} takes another's itself"))
        return found
