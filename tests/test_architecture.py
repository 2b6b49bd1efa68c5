"""The house of DESIGN.md: imports run downward only, between rooms through their front doors."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "polyreel"
# From the top of the house to the bottom. Rooms of one storey do not import each other.
STOREYS = (
    ("cli",),
    ("server",),
    ("client",),
    ("study",),
    ("library",),
    ("training",),
    ("model",),
    ("evaluation",),
    ("corpora",),
    ("bundle",),
    ("archives", "media"),
    ("clips", "durable", "errors", "languages"),
)
STOREY_OF = {room: storey for storey, rooms in enumerate(STOREYS) for room in rooms}
VOCABULARY = {"clips": set(), "durable": set(), "errors": set(), "languages": {"errors"}}
# The owner's side: no torch, not even late.
TORCHLESS = {
    "archives",
    "bundle",
    "cli",
    "client",
    "corpora",
    "evaluation",
    "library",
    "media",
    "server",
    *VOCABULARY,
}
TORCH = re.compile(r"(torch|torchvision|torchaudio|transformers|sentence_transformers|timm)(\.|$)")
BY_NAME = "by name: "


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


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(file: Path) -> list[Import]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [Import(file, node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute here"
            module = node.module or ""
            # "from polyreel.media import decode" may name a module or something in the package.
            found += [Import(file, node.lineno, f"{module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found.append(Import(file, node.lineno, f"{BY_NAME}{ast.unparse(node)}"))
    return found


FILES = sorted(SOURCE.rglob("*.py"))
IMPORTS = [found for file in FILES for found in imports_of(file)]
OURS = [found for found in IMPORTS if found.target.startswith("polyreel.")]
PACKAGES = sorted(file.parent for file in FILES if file.name == "__init__.py" and file.parent != SOURCE)


def target_parts(found: Import) -> tuple[str, list[str]]:
    """The room that an import leads to, and what it takes from there."""
    _, room, *rest = found.target.split(".")
    return room, rest


def broken(rule) -> list[str]:
    return sorted(found.where for found in OURS if rule(found))


def test_there_is_something_to_look_at():
    assert len(FILES) > 40
    assert len(OURS) > 100
    assert {room_of(file) for file in FILES} - {"__init__", "__main__"} <= set(STOREY_OF)


def test_imports_run_downward():
    def upward(found: Import) -> bool:
        room, _ = target_parts(found)
        if room == found.room or found.room in {"__main__", "__init__"} or room == "__version__":
            return False
        return room not in STOREY_OF or STOREY_OF[room] <= STOREY_OF[found.room]

    assert broken(lambda found: upward(found) and found.room not in VOCABULARY) == []


def test_the_vocabulary_imports_nothing_of_ours():
    assert (
        broken(
            lambda found: found.room in VOCABULARY and target_parts(found)[0] not in VOCABULARY[found.room]
        )
        == []
    )


def test_other_rooms_are_entered_by_the_front_door():
    """``polyreel.media.decode`` is private to ``polyreel.media``, whose ``__all__`` is its public face."""

    def by_the_window(found: Import) -> bool:
        room, rest = target_parts(found)
        package = SOURCE / room
        if room == found.room or not package.is_dir() or not rest:
            return False
        return not (len(rest) == 1 and rest[0] in public_names(package))

    assert broken(by_the_window) == []


def public_names(package: Path) -> list[str]:
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def test_main_enters_by_the_front_door_too():
    assert [found.target for found in OURS if found.room == "__main__"] == ["polyreel.cli.main"]


def test_the_owners_side_imports_no_torch():
    assert [found.where for found in IMPORTS if found.room in TORCHLESS and TORCH.match(found.target)] == []


def test_nothing_imports_what_a_string_names():
    """Registries are closed dicts: no dotted path is imported out of a file or a variable."""
    assert [found.where for found in IMPORTS if found.target.startswith(BY_NAME)] == []


def test_nothing_unpickles():
    risky = re.compile(r"(pickle|dill|cloudpickle|joblib|marshal|shelve)(\.|$)")
    assert [found.where for found in IMPORTS if risky.match(found.target)] == []


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_each_room_names_its_public_face_in_order(package):
    names = public_names(package)
    assert names, f"{package} has no __all__"
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
        ("polyreel.cli", "torch onnx onnxruntime lancedb av pyarrow tokenizers polyreel.library"),
        ("polyreel.library", "torch onnx onnxruntime lancedb tokenizers"),
        ("polyreel.evaluation", "torch onnx onnxruntime lancedb"),
        ("polyreel.corpora", "torch onnx onnxruntime lancedb"),
        ("polyreel.media", "torch onnx onnxruntime lancedb pyarrow"),
    ],
)
def test_a_room_costs_only_what_it_needs(imported, absent):
    """Every command pays for what is imported at its start."""
    code = f"import sys, {imported}; print(*sorted(set({absent.split()!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
