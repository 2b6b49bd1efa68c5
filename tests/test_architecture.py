"""The house of docs/architecture.md: two wings on one ground floor, imports downward only, no circles."""

from __future__ import annotations

import ast
import functools
import importlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "polyreel"
GROUND = (
    "_version",
    "arrays",
    "clips",
    "errors",
    "extras",
    "files",
    "interrupts",
    "languages",
    "memory",
    "problems",
    "progress",
    "query_languages",
    "recipes",
    "remote",
    "text_lines",
    "units",
)
# From the top of the house to the bottom, each wing by itself. Rooms of one storey do not import each other.
SHARED = (("media",), ("encoders",), ("packages",), ("scale",))
OWNERS_WING = (("agents", "server"), ("client",), ("library",), ("recognition",))
RESEARCHERS_WING = (
    ("study",),
    ("training",),
    ("losses",),
    ("models",),
    ("report",),
    ("evaluation",),
    ("datasets",),
    ("codeswitch", "metrics"),
)
ABOVE_BOTH = ("cli", "__init__", "__main__")
WITH_TORCH = {"models", "losses", "training", "study"}
# The one corner of a room without PyTorch that may have it, entered from functions when weights are imported.
TORCH_CORNER = SOURCE / "encoders" / "importing" / "weights"
TORCH = re.compile(r"(torch|torchvision|torchaudio|transformers|sentence_transformers|timm|open_clip)(\.|$)")
BY_NAME = "by name: "


def rooms_of(wing: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    """Room -> how many storeys of its wing lie below it."""
    return {room: height for height, storey in enumerate(reversed(wing)) for room in storey}


OWNERS, RESEARCHERS, BOTH_USE = rooms_of(OWNERS_WING), rooms_of(RESEARCHERS_WING), rooms_of(SHARED)


@dataclass(frozen=True)
class Import:
    """One imported module or name, anywhere in a file, functions and type checking included."""

    file: Path
    line: int
    target: str

    @property
    def where(self) -> str:
        return f"{self.file.relative_to(SOURCE.parent)}:{self.line} imports {self.target}"

    @property
    def room(self) -> str:
        return room_of(self.file)

    @property
    def target_room(self) -> str:
        """The room that the import leads to; ``__init__`` for a name of the package itself."""
        parts = self.target.split(".")
        known = len(parts) > 1 and ((SOURCE / parts[1]).is_dir() or (SOURCE / f"{parts[1]}.py").exists())
        return parts[1] if known else "__init__"


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


@functools.cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@functools.cache
def imports_of(file: Path) -> tuple[Import, ...]:
    return tuple(_imports_in(file))


def _imports_in(file: Path) -> Iterator[Import]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            # "from polyreel.media import decode" may name a module or something in the package.
            yield from (Import(file, node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called(node).endswith(("import_module", "__import__")):
            yield Import(file, node.lineno, f"{BY_NAME}{ast.unparse(node)}")


def called(node: ast.Call) -> str:
    """The last name of what is called; empty where that has none."""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


FILES = sorted(SOURCE.rglob("*.py"))
PACKAGES = sorted(file.parent for file in FILES if file.name == "__init__.py")


# Read where they are wanted: every worker collects these tests, and one runs them.
def imports() -> list[Import]:
    return [found for file in FILES for found in imports_of(file)]


def ours() -> list[Import]:
    return [found for found in imports() if found.target.partition(".")[0] == "polyreel"]


def test_every_file_has_its_place():
    assert len(FILES) > 40
    assert len(ours()) > 100
    places = {*GROUND, *ABOVE_BOTH, *OWNERS, *RESEARCHERS, *BOTH_USE}
    assert {room_of(file) for file in FILES} <= places


def may_import(room: str, target: str) -> bool:
    if room == target or room in ABOVE_BOTH:
        return True
    if target in ABOVE_BOTH:
        return False
    if room in GROUND:
        return target in GROUND
    if target in GROUND:
        return True
    for wing in (OWNERS, RESEARCHERS, BOTH_USE):
        if room in wing and target in wing:
            return wing[target] < wing[room]
    return room not in BOTH_USE and target in BOTH_USE


def test_imports_run_downward_and_never_from_wing_to_wing():
    assert sorted(found.where for found in ours() if not may_import(found.room, found.target_room)) == []


def test_no_files_import_each_other_in_a_circle():
    """Imports in functions and for type checking count, and so does the package's own ``__init__``."""
    arrows = {file: {target for found in imports_of(file) if (target := file_of(found))} for file in FILES}
    assert circles(arrows) == []


def file_of(found: Import) -> Path | None:
    """The file that an import executes; None outside polyreel."""
    parts = found.target.split(".")
    if parts[0] != "polyreel":
        return None
    for length in range(len(parts), 0, -1):
        place = SOURCE.joinpath(*parts[1:length])
        for file in (
            place.with_suffix(".py") if length > 1 else SOURCE / "__init__.py",
            place / "__init__.py",
        ):
            if file.exists():
                return file
    raise AssertionError(f"{found.where}: there is no such module")


def circles(arrows: dict[Path, set[Path]]) -> list[str]:
    """Each circle as one line, by peeling off what imports nothing that is left."""
    left = {file: set(targets) - {file} for file, targets in arrows.items()}
    while True:
        done = {file for file, targets in left.items() if not targets & left.keys()}
        if not done:
            break
        left = {file: targets for file, targets in left.items() if file not in done}
    # What only imports a circle, and is in none itself, goes as well.
    while unused := {file for file in left if not any(file in targets for targets in left.values())}:
        left = {file: targets for file, targets in left.items() if file not in unused}
    return sorted(
        f"{file.relative_to(SOURCE)} -> {target.relative_to(SOURCE)}"
        for file, targets in left.items()
        for target in targets & left.keys()
    )


def test_a_circle_would_be_seen():
    first, second, third = Path(SOURCE / "a"), Path(SOURCE / "b"), Path(SOURCE / "c")
    assert circles({first: {second}, second: {third}, third: set()}) == []
    assert circles({first: {second}, second: {first}, third: {first}}) == ["a -> b", "b -> a"]


def test_main_enters_by_the_front_door_too():
    assert [found.target for found in ours() if found.room == "__main__"] == ["polyreel.cli.app.main"]


def may_have_torch(file: Path) -> bool:
    return room_of(file) in WITH_TORCH or file.is_relative_to(TORCH_CORNER)


def test_torch_is_imported_where_models_are_trained_or_imported_and_nowhere_else():
    assert [
        found.where for found in imports() if TORCH.match(found.target) and not may_have_torch(found.file)
    ] == []


def test_the_corner_with_torch_is_entered_from_functions_only():
    """Who runs a bundle, or imports a ready one, pays nothing for PyTorch and does not need it."""
    outside = [file for file in FILES if not may_have_torch(file)]
    entered = [
        f"{file.relative_to(SOURCE.parent)} imports {node.module}"
        for file in outside
        for node in tree_of(file).body
        if isinstance(node, ast.ImportFrom)
        and str(node.module).startswith("polyreel.encoders.importing.weights")
    ]
    assert entered == []


def test_nothing_imports_what_a_string_names():
    """Registries are closed dicts: no dotted path is imported out of a file or a variable."""
    assert [found.where for found in imports() if found.target.startswith(BY_NAME)] == []


def test_nothing_unpickles():
    risky = re.compile(r"(pickle|dill|cloudpickle|joblib|marshal|shelve)(\.|$)")
    assert [found.where for found in imports() if risky.match(found.target)] == []


def public_names(package: Path) -> list[str]:
    for node in tree_of(package / "__init__.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


@pytest.mark.parametrize(
    "package", [p for p in PACKAGES if public_names(p)], ids=lambda package: package.name
)
def test_a_public_face_is_in_order_and_there(package):
    names = public_names(package)
    assert names == sorted(names, key=ruff_order)
    assert len(names) == len(set(names))
    module = importlib.import_module(".".join(package.relative_to(SOURCE.parent).parts))
    for name in names:
        assert getattr(module, name) is not None


def ruff_order(name: str) -> tuple[int, str]:
    """RUF022: constants, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("polyreel", "numpy"),
        (
            "polyreel.cli.app",
            "torch onnx onnxruntime lancedb av pyarrow tokenizers polyreel.library.search.search",
        ),
        ("polyreel.agents.tools", "torch onnx onnxruntime lancedb mcp"),
        ("polyreel.library.search.search", "torch onnx onnxruntime lancedb tokenizers av pysubs2"),
        ("polyreel.evaluation.run", "torch onnx onnxruntime lancedb"),
        ("polyreel.encoders.importing.importer", "torch transformers onnx onnxruntime lancedb PIL"),
        ("polyreel.datasets.registry", "torch onnx onnxruntime lancedb"),
        ("polyreel.media.decode", "torch onnx onnxruntime lancedb pyarrow"),
    ],
)
def test_a_room_costs_only_what_it_needs(imported, absent):
    """Every command pays for what is imported at its start."""
    code = f"import sys, {imported}; print(*sorted(set({absent.split()!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_class_name_stands_for_two_things():
    places: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(file.relative_to(SOURCE)))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_no_two_files_of_tests_have_one_name():
    """Without packages among the tests, pytest refuses to collect both in one run, and only then."""
    names = Counter(file.name for file in Path(__file__).parent.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
