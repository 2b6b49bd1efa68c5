"""YAML files read into pydantic models; every error comes with its line and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from polyreel.errors import RecipeError, did_you_mean
from polyreel.extras import missing_extra
from polyreel.files import read_regular

if TYPE_CHECKING:
    import yaml

__all__ = [
    "Name",
    "Place",
    "Problem",
    "Reading",
    "Seed",
    "examine_recipe",
    "form_problems",
    "read_recipe",
    "recipe_error",
]

Place = tuple[str | int, ...]
Problem = tuple[str, str]
"""Where in a recipe, written with dots (``data.0.corpus``), and what is wrong there."""

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")


def _require_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        message = (
            f"{value!r} may hold the letters a to z, digits, '.', '_' and '-', the first a letter or digit"
        )
        raise ValueError(message)
    return value


Name = Annotated[str, AfterValidator(_require_name)]
"""Of a run or an arm; it becomes the name of a folder."""

Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
"""Where random generators begin; PyTorch's takes no larger one."""

# A node is counted as often as aliases name it, so that a few lines cannot stand for millions of nodes.
_MOST_NODES, _DEEPEST = 20_000, 32
_ROUNDS = 16
_APPEND = "append"
_CONTAINERS = ("_type", "too_short")


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Reading(Generic[M]):
    """What a file says.

    Attributes:
        recipe: the validated model. With ``problems`` it lacks whatever was wrong, and is good for finding
            further mistakes only; None if too much is wrong for that.
        problems: every mistake as one line: where it is, the value and the remedy.
        lines: place in the recipe -> line of the file, counted from 1.
    """

    recipe: M | None
    problems: tuple[str, ...]
    lines: Mapping[Place, int]

    def problem_at(self, place: str, message: str) -> str:
        """One mistake as a line, for a place written with dots."""
        return _line(
            self.lines, tuple(int(part) if part.isdigit() else part for part in place.split(".")), message
        )


def read_recipe(
    path: Path,
    model: type[M],
    overrides: Sequence[str] = (),
    *,
    stand_ins: Mapping[str, object] | None = None,
) -> M:
    """Read a YAML file into a pydantic model.

    Args:
        path: YAML file.
        model: model of the whole file. Its method ``contradictions``, if it has one, is called as well.
        overrides: ``key=value`` strings such as ``objectives.inter_modal.weight=2``. The key is a path of
            names, or of numbers or names in lists; the value is YAML. ``objectives.distillation=null``
            removes an entry of a list, ``objectives.append={name: distillation}`` adds one.
        stand_ins: values for required keys that are wrong in the file, so that the rest can be examined.

    Raises:
        RecipeError: with all mistakes.
        UsageError: PyYAML is not installed.
    """
    reading = examine_recipe(path, model, overrides, stand_ins=stand_ins)
    if reading.recipe is None or reading.problems:
        raise recipe_error(path, reading.problems)
    return reading.recipe


def recipe_error(item: object, problems: Sequence[str]) -> RecipeError:
    """The error that lists ``problems`` of the recipe ``item``."""
    number = len(problems)
    return RecipeError(
        f"the recipe has {number} mistake{'' if number == 1 else 's'}", item=item, value=tuple(problems)
    )


def examine_recipe(
    path: Path,
    model: type[M],
    overrides: Sequence[str] = (),
    *,
    stand_ins: Mapping[str, object] | None = None,
) -> Reading[M]:
    """Read a YAML file and collect everything that is wrong with it.

    Args:
        path, model, overrides, stand_ins: as in ``read_recipe``.

    Raises:
        RecipeError: the file has no YAML mapping to examine.
        UsageError: PyYAML is not installed.
    """
    document, lines, problems = _load(path, model)
    for override in overrides:
        problems += _apply(document, override)
    recipe, errors = _validated(model, document, stand_ins or {})
    problems += [_line(lines, place, message) for place, message in errors]
    reading = Reading(recipe, (), lines)
    find_contradictions = getattr(recipe, "contradictions", list)
    problems += [reading.problem_at(place, message) for place, message in find_contradictions()]
    return Reading(recipe, tuple(dict.fromkeys(problems)), lines)


def form_problems(
    model: type[BaseModel], document: Mapping[str, Any], error: ValidationError
) -> list[tuple[str, Problem]]:
    """What pydantic found in a part of a recipe, in a recipe's words, each with pydantic's type of error.

    Args:
        model: Model of the part.
        document: The part, which ``model`` does not accept.
        error: Why.
    """
    return [
        (one["type"], (".".join(map(str, _place(document, one, {}))), _message(model, [one])))
        for one in error.errors()
    ]


def _line(lines: Mapping[Place, int], place: Place, message: str) -> str:
    known = next((place[:size] for size in range(len(place), 0, -1) if place[:size] in lines), None)
    where = ".".join(map(str, place)) or "the recipe"
    return f"{where}: {message}" if known is None else f"line {lines[known]}, {where}: {message}"


# YAML


def _load(path: Path, model: type[BaseModel]) -> tuple[dict[str, Any], dict[Place, int], list[str]]:
    """The document, the line of every place, and the keys that come twice."""
    try:
        import yaml  # of the extra "train"
    except ImportError as error:
        raise missing_extra("train", "recipes need PyYAML, which is not here") from error
    lines: dict[Place, int] = {}
    problems = []
    try:
        loader = yaml.SafeLoader(read_regular(path).decode())
        node = loader.get_single_node()
        for number, (place, line) in enumerate(_places(node, ())):
            if number >= _MOST_NODES or len(place) > _DEEPEST:
                message = f"more than {_MOST_NODES:,} values or {_DEEPEST} levels, aliases counted as copies"
                raise ValueError(message)  # noqa: TRY301  told as every other fault of the file
            if place in lines:
                problems.append(_line({place: line}, place, "comes twice"))
            lines[place] = line
        document = None if node is None else _copied(loader.construct_document(node))
    except OSError as error:
        raise RecipeError(
            "the file cannot be read",
            item=path,
            value=error.strerror,
            remedy=_files_beside(path) if isinstance(error, FileNotFoundError) else None,
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = " ".join(str(error).split())
        raise RecipeError("the recipe is not YAML", item=path, value=what) from error
    if not isinstance(document, dict):
        needed = [name for name, field in model.model_fields.items() if field.is_required()]
        raise RecipeError(
            "the file is empty or not a mapping",
            item=path,
            remedy=f"Begin with a line such as '{needed[0]}: ..'; needed are {', '.join(needed)}"
            if needed
            else f"Its keys are {', '.join(model.model_fields)}",
        )
    return document, lines, problems


def _files_beside(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder}"
    names = [file.name for file in folder.iterdir() if file.suffix in {".yaml", ".yml"}]
    return did_you_mean(path.name, names) if names else f"There are no YAML files in {folder}"


def _places(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    """Every value of the tree, and its line; endless where an alias names what it is part of."""
    if node is None or isinstance(node.value, str):
        return
    for number, entry in enumerate(node.value):
        key, value = entry if isinstance(entry, tuple) else (entry, entry)
        here = (*place, str(key.value) if isinstance(entry, tuple) else number)
        yield here, key.start_mark.line + 1
        yield from _places(value, here)


def _copied(value: Any) -> Any:
    """Without shared parts: what an alias names is changed by an override in one place only."""
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def _apply(document: dict[str, Any], override: str) -> list[str]:
    """Change ``document``; returns what is wrong with ``override``."""
    import yaml

    key, equals, raw = override.partition("=")
    *path, last = key.strip().split(".")
    try:
        value = _copied(yaml.safe_load(raw))
    except (yaml.YAMLError, ValueError, RecursionError):
        return [f"--set {override}: the value is not YAML"]
    if not equals or not last:
        return [f"--set {override}: give key=value, as in optimiser.steps=128"]
    target: Any = document
    for part in path:
        if isinstance(target, dict):
            target = target.setdefault(part, {}) if target.get(part) is None else target[part]
        else:
            place = _position(target, part)
            if place is None:
                return [f"--set {override}: there is no {part!r} in the recipe to change"]
            target = target[place]
    if isinstance(target, dict):
        target[last] = value
    elif isinstance(target, list) and last == _APPEND:
        target.append(value)
    elif (place := _position(target, last)) is not None:
        target[place : place + 1] = [] if value is None else [value]
    else:
        return [f"--set {override}: there is no {last!r} in the recipe to change"]
    return []


def _position(target: Any, part: str) -> int | None:
    """Index in a list: by number, or by what an entry's ``name`` or ``corpus`` says."""
    if not isinstance(target, list):
        return None
    if part.isdigit():
        return int(part) if int(part) < len(target) else None
    names = [entry.get("name", entry.get("corpus")) if isinstance(entry, dict) else entry for entry in target]
    return names.index(part) if part in names else None


# Validation


def _validated(
    model: type[M], document: dict[str, Any], stand_ins: Mapping[str, object]
) -> tuple[M | None, list[tuple[Place, str]]]:
    """The model, and the errors of pydantic's pass over ``document``, which is changed.

    Pydantic looks at how parts go together only once each part is valid, so what is wrong is left out and the
    rest validated again, until it is valid or nothing is left.
    """
    errors: list[tuple[Place, str]] = []
    left_out: set[Place] = set()
    numbers: dict[int, list[int]] = {}  # id of a list -> the numbers that its entries have in the file
    for _ in range(_ROUNDS):
        try:
            return model.model_validate({**stand_ins, **document} if left_out else document), errors
        except ValidationError as error:
            found = _by_place((_place(document, one, numbers), one) for one in error.errors())
        drop: set[Place] = set()
        for place, ones in found.items():
            kind = ones[0]["type"]
            if kind.endswith(_CONTAINERS) and any(other[: len(place)] == place != other for other in found):
                continue  # of another alternative, or pydantic does not count the entries that are wrong
            if place not in left_out | drop and not _follows(place, ones[0], left_out):
                errors.append((place, _message(model, ones)))
            drop.add(place[:-1] if kind == "missing" and place in left_out else place)
        if () in drop:
            break
        left_out |= drop
        for place in sorted(drop, key=len, reverse=True):
            _remove(document, place, numbers)
    return None, errors


def _by_place(errors: Iterable[tuple[Place, Any]]) -> dict[Place, list[Any]]:
    """Of a value that may be one of several things there is an error for each."""
    found: dict[Place, list[Any]] = {}
    for place, one in errors:
        found.setdefault(place, []).append(one)
    return found


def _follows(place: Place, error: Any, left_out: set[Place]) -> bool:
    """Whether an error is only there because what was wrong within ``place`` has been left out."""
    within = {str(other[-1]) for other in left_out if other[:-1] == place}
    if error["type"] == "value_error":
        return any(f"'{key}'" in error["msg"] for key in within)
    return error["type"] == "too_short" and bool(within)


def _place(document: Any, error: Any, numbers: dict[int, list[int]]) -> Place:
    """Where in the file: without what pydantic adds, the tags of unions and names of types."""
    place: list[str | int] = []
    for at, part in enumerate(error["loc"]):
        if isinstance(document, dict) and part in document:
            place.append(part)
            document = document[part]
        elif isinstance(document, list) and isinstance(part, int) and part < len(document):
            place.append(numbers.get(id(document), range(len(document)))[part])
            document = document[part]
        elif error["type"] == "missing" and at == len(error["loc"]) - 1:
            place.append(part)
    return tuple(place)


def _remove(document: Any, place: Place, numbers: dict[int, list[int]]) -> None:
    for number, part in enumerate(place):
        index: Any = part
        if isinstance(document, list):
            there = numbers.setdefault(id(document), list(range(len(document))))
            if part not in there:
                return
            index = there.index(part)
        elif not isinstance(document, dict) or part not in document:
            return
        if number < len(place) - 1:
            document = document[index]
            continue
        del document[index]
        if isinstance(document, list):
            del there[index]


def _message(model: type[BaseModel], errors: Sequence[Any]) -> str:
    """What is wrong with one value, in a recipe's words, with the nearest known name."""
    error = errors[0]
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "there is no such key. " + did_you_mean(str(error["loc"][-1]), _keys_at(model, error["loc"]))
    if kind == "missing":
        return "is missing"
    if kind == "literal_error" and len(errors) == 1:
        return f"{_brief(given)} is not {context['expected']}" + _near(given, _quoted(context["expected"]))
    if kind == "union_tag_invalid":
        known = _quoted(context["expected_tags"])
        return f"{context['tag']!r} is not a known name. " + did_you_mean(context["tag"], known)
    if kind == "union_tag_not_found":
        return f"its {context['discriminator']} is missing"
    if kind == "value_error":
        return str(context["error"])
    wanted = " or ".join(dict.fromkeys(_wanted(one) for one in errors))
    return f"it should be {wanted}, found {_brief(given)}"


# Pydantic's types of error -> what is wanted, with its own figures.
_WANTED = {
    "bool_": "true or false",
    "dataclass_": "keys with values",
    "dict_": "keys with values",
    "finite_number": "a finite number",
    "float_": "a number",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "int_": "a whole number",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "list_": "a list",
    "literal_error": "{expected}",
    "model_": "keys with values",
    "string_too_long": "text of at most {max_length} characters",
    "string_too_short": "text that is not empty",
    "string_": "text",
    "too_long": "a list of at most {max_length}",
    "too_short": "a list of at least {min_length}",
    "tuple_": "a list",
}


def _wanted(error: Any) -> str:
    kind = error["type"]
    known = kind if kind in _WANTED else next((start for start in _WANTED if kind.startswith(start)), None)
    if known is None:
        said = str(error["msg"])
        return said.removeprefix("Input should be ")
    figures = {name: f"{of:g}" if isinstance(of, float) else of for name, of in error.get("ctx", {}).items()}
    return _WANTED[known].format(**figures)


def _near(given: object, known: Sequence[str]) -> str:
    """The nearest name, for a message that lists all of them already."""
    said = did_you_mean(str(given), known)
    return f". {said}" if said.endswith("?") else ""


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _keys_at(model: type[BaseModel], loc: Place) -> list[str]:
    """Keys that the mapping around a place of pydantic's may have."""
    models = [model]
    for part in loc[:-1]:
        fields = [one.model_fields[str(part)] for one in models if part in one.model_fields]
        if fields:
            models = [inner for field in fields for inner in _models_in(field.annotation)]
        else:  # the tag of a union
            named = [
                one
                for one in models
                if "name" in one.model_fields and one.model_fields["name"].default == part
            ]
            models = named or models
    return sorted({name for one in models for name in one.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
