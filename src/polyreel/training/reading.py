"""Read a recipe: YAML with ``--set`` on top, checked whole, so that all mistakes are told at once."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from polyreel.errors import RecipeError
from polyreel.training.recipe import Recipe

__all__ = ["Reading", "examine_recipe", "mistaken", "read_recipe"]

_Place = tuple[str | int, ...]
_ROUNDS = 8
_APPEND = "append"
_GAP = ...  # in place of what was left out of a list; YAML has nothing like it
# For what a recipe must have and is wrong in it, to see what else is.
_STAND_INS = {"run": "unnamed", "optimiser": {"steps": 1}}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says.

    Attributes:
        recipe: None where too much is wrong. Where mistakes could be left out it is what remains without
            them, good for finding further mistakes and for nothing else.
        problems: every mistake, a line each, with its place and the remedy.
        lines: place in the recipe -> line of the file, from 1.
    """

    recipe: Recipe | None
    problems: tuple[str, ...]
    lines: dict[_Place, int]

    def problem(self, place: _Place, what: str) -> str:
        """A mistake as it is told."""
        known = next((place[:size] for size in range(len(place), 0, -1) if place[:size] in self.lines), None)
        line = f"line {self.lines[known]}, " if known else ""
        return f"{line}{'.'.join(map(str, place))}: {what}"

    def problem_at(self, place: str, what: str) -> str:
        """The same for a place written with dots."""
        return self.problem(tuple(int(part) if part.isdigit() else part for part in place.split(".")), what)


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in ``path``.

    Args:
        path: a YAML file.
        overrides: ``key=value``, as in ``batch.items=128`` or ``objectives.inter_modal.weight=2``: the key
            is a path of names, and of places or names in lists; the value is YAML. A part of a list goes by
            ``objectives.distillation=null`` and comes by ``objectives.append={name: distillation}``.

    Raises:
        RecipeError: with all mistakes.
    """
    reading = examine_recipe(path, overrides)
    if reading.recipe is None or reading.problems:
        raise mistaken(path, reading.problems)
    return reading.recipe


def mistaken(path: Path, problems: tuple[str, ...]) -> RecipeError:
    """The error that tells of all ``problems``."""
    number = len(problems)
    return RecipeError(
        f"the recipe has {number} mistake{'' if number == 1 else 's'}", item=path, value=problems
    )


def examine_recipe(path: Path, overrides: Sequence[str] = ()) -> Reading:
    """The recipe in ``path`` and what is wrong with it.

    Raises:
        RecipeError: there is no YAML mapping to examine.
    """
    document, lines, problems = _load(path)
    for override in overrides:
        problems += _apply(document, override)
    reading = Reading(None, (), lines)
    recipe, mistakes = _validated(document)
    problems += [reading.problem(place, what) for place, what in mistakes]
    if recipe is not None:
        problems += [reading.problem_at(place, what) for place, what in recipe.contradictions()]
    return Reading(recipe, tuple(dict.fromkeys(problems)), lines)


def _validated(document: dict[str, Any]) -> tuple[Recipe | None, list[tuple[_Place, str]]]:
    """The recipe without what is wrong in it, and all that is.

    What is wrong is left out and the rest looked at again, because a mistake hides others: how parts of a
    mapping go together is looked at only once each part is right by itself.
    """
    mistakes: list[tuple[_Place, str]] = []
    left_out: set[_Place] = set()
    rest = document
    for _ in range(_ROUNDS):
        try:
            return Recipe.model_validate(_STAND_INS | _without_gaps(rest) if left_out else rest), mistakes
        except ValidationError as error:
            leave_out: set[_Place] = set()
            for found in _own_mistakes(error):
                place = _shown(rest, found["loc"])
                if _follows(place, found["type"], left_out):
                    leave_out.add(place if found["type"] == "too_short" else place[:-1])
                elif place not in leave_out:
                    leave_out.add(place)
                    mistakes.append((place, _said(found)))
            if () in leave_out:
                return None, mistakes
            left_out |= leave_out
            rest = _without(rest, leave_out)
    return None, mistakes


def _load(path: Path) -> tuple[dict[str, Any], dict[_Place, int], list[str]]:
    try:
        text = path.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
        node = yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise RecipeError(
            "the recipe cannot be read",
            item=path,
            value=error.strerror,
            remedy="Recipes are in the folder recipes/",
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        raise RecipeError("the recipe is not YAML", item=path, value=what) from error
    if not isinstance(document, dict) or node is None:
        raise RecipeError(
            "the recipe is empty or no mapping", item=path, remedy="Begin with a line such as 'run: first'"
        )
    lines: dict[_Place, int] = {}
    problems = []
    for place, mark in _nodes(node, ()):
        if place in lines:
            problems.append(f"line {mark}, {'.'.join(map(str, place))}: comes twice")
        lines[place] = mark
    return document, lines, problems


def _nodes(node: yaml.Node, place: _Place) -> Iterator[tuple[_Place, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*place, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _nodes(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, number), value.start_mark.line + 1
            yield from _nodes(value, (*place, number))


def _apply(document: dict[str, Any], override: str) -> list[str]:
    """Change ``document``; what is wrong with ``override``."""
    key, equals, raw = override.partition("=")
    *path, last = key.strip().split(".")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        return [f"--set {override}: the value is no YAML"]
    if not equals or not last:
        return [f"--set {override}: give key=value, as in batch.items=128"]
    target: Any = document
    for part in path:
        target = _child(target, part)
        if target is None:
            return [f"--set {override}: there is no {part!r} in the recipe to change"]
    if isinstance(target, dict):
        target[last] = value
        return []
    if isinstance(target, list) and last == _APPEND:
        target.append(value)
        return []
    place = _position(target, last)
    if place is None:
        return [f"--set {override}: there is no {last!r} in the recipe to change"]
    target[place : place + 1] = [] if value is None else [value]
    return []


def _child(target: Any, part: str) -> Any:
    if isinstance(target, dict):
        return target.setdefault(part, {}) if target.get(part) is None else target[part]
    place = _position(target, part)
    return None if place is None else target[place]


def _position(target: Any, part: str) -> int | None:
    """Where in a list ``part`` is: by number, or by what an entry's ``name`` or ``corpus`` says."""
    if not isinstance(target, list):
        return None
    if part.isdigit():
        return int(part) if int(part) < len(target) else None
    names = [entry.get("name", entry.get("corpus")) if isinstance(entry, dict) else entry for entry in target]
    return names.index(part) if part in names else None


def _shown(document: Any, loc: _Place) -> _Place:
    """A place without what pydantic adds to it: tags of unions, names of types. Gaps in lists count."""
    shown: list[str | int] = []
    for number, part in enumerate(loc):
        if isinstance(document, list) and isinstance(part, int):
            part = [place for place, value in enumerate(document) if value is not _GAP][part]
        inside = isinstance(document, list) and isinstance(part, int)
        known = isinstance(document, dict) and (part in document or number == len(loc) - 1)
        if inside or known:
            shown.append(part)
            document = document[part] if inside or part in document else None
    return tuple(shown)


def _own_mistakes(error: ValidationError) -> list[Any]:
    """Without the lists that are too short only because what is in them is wrong."""
    places = [found["loc"] for found in error.errors()]
    return [
        found
        for found in error.errors()
        if found["type"] != "too_short"
        or not any(place != found["loc"] and place[: len(found["loc"])] == found["loc"] for place in places)
    ]


def _said(error: Any) -> str:
    """What pydantic says, in a recipe's words, with the nearest right name."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "there is no such key." + _nearest(str(error["loc"][-1]), _keys_at(error["loc"]))
    if kind == "missing":
        return "is missing"
    if kind == "literal_error":
        return f"{_brief(given)} is not {context['expected']}." + _nearest(
            str(given), _quoted(context["expected"])
        )
    if kind == "union_tag_invalid":
        tags = _quoted(context["expected_tags"])
        return f"no objective has the name {context['tag']!r}." + _nearest(context["tag"], tags)
    if kind == "value_error":
        return str(context["error"])
    message = error["msg"].replace("Input should", "it should")
    return f"{message}, found {_brief(given)}" if not isinstance(given, dict | list) else message


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(sorted(known))}"


def _keys_at(loc: _Place) -> list[str]:
    """Keys that the mapping around a place may have."""
    models: list[type[BaseModel]] = [Recipe]
    for part in loc[:-1]:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        if fields:
            models = [model for field in fields for model in _models_in(field.annotation)]
        elif isinstance(part, str):
            models = (
                [m for m in models if m.model_fields["name"].default == part]
                if _are_tagged(models)
                else models
            )
    return sorted({name for model in models for name in model.model_fields})


def _are_tagged(models: list[type[BaseModel]]) -> bool:
    return len(models) > 1 and all("name" in model.model_fields for model in models)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _follows(place: _Place, kind: str, left_out: set[_Place]) -> bool:
    """Whether something is missing, or a list too short, only because of what was left out."""
    return (kind == "missing" and place in left_out) or (
        kind == "too_short" and any(place == other[:-1] for other in left_out)
    )


def _without(document: dict[str, Any], places: Iterable[_Place]) -> dict[str, Any]:
    rest = copy.deepcopy(document)
    for place in sorted(places, key=len, reverse=True):
        target: Any = rest
        for part in place[:-1]:
            target = target[part]
        if place and isinstance(target, dict):
            target.pop(place[-1], None)
        elif place and isinstance(target, list) and isinstance(place[-1], int):
            target[place[-1]] = _GAP  # numbers of the others stay what they are
    return rest


def _without_gaps(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_gaps(part) for key, part in value.items()}
    return [_without_gaps(part) for part in value if part is not _GAP] if isinstance(value, list) else value
