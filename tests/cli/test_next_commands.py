"""What the demo found, and what it says to do next: that works pasted into a shell in another folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from films import film, index_films, open_library
from polyreel._version import __version__
from polyreel.cli.demo import _moments, _next_commands
from polyreel.cli.options import own_command
from polyreel.datasets.readers.demo import demo_clips


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The command as an installer writes it, in a folder that a shell has to be told in quotes."""
    path = tmp_path / "my tools" / "polyreel"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom polyreel.cli import main\nsys.exit(main())\n")
    path.chmod(0o755)
    return path


def pasted(command: str, folder: Path) -> str:
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_command_that_no_shell_finds_is_named_by_its_path(program, tmp_path, monkeypatch):
    monkeypatch.chdir(program.parent.parent)
    monkeypatch.setattr(sys, "argv", [os.path.relpath(program)])  # as make calls it
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    command = own_command()
    (tmp_path / "elsewhere").mkdir()
    assert pasted(f"{command} --version", tmp_path / "elsewhere").strip() == __version__


def test_a_command_that_a_shell_finds_is_named_by_its_name(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert own_command() == "polyreel"


def test_another_polyreel_on_the_path_is_not_taken_for_this_one(program, tmp_path, monkeypatch):
    other = tmp_path / "polyreel"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert own_command() == f"'{program}'"


def test_a_module_is_named_with_its_interpreter(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "__main__.py")])
    assert pasted(f"{own_command()} --version", tmp_path).strip() == __version__


def test_the_library_is_named_as_a_shell_takes_it(tmp_path, tiny_bundle, monkeypatch):
    film(tmp_path / "videos" / "red.mp4", "red")
    library = tmp_path / "the demo's library"
    index_films(tmp_path / "videos", library, tiny_bundle)
    monkeypatch.setattr(sys, "argv", ["__main__.py"])
    (serve,) = (each for each in _next_commands(library) if " serve --library " in each)
    (tmp_path / "elsewhere").mkdir()
    said = [pasted(each, tmp_path / "elsewhere") for each in _next_commands(library) if each != serve]
    assert len(said) == 3
    assert "red.mp4" in said[0]
    found = open_library(library).search("red")
    asked = next(iter(demo_clips())).model_copy(update={"id": "red"})
    assert _moments(found, asked) == "*red 0:00-0:02"
    assert _moments(found, asked.model_copy(update={"id": "blue"})) == "red 0:00-0:02"


def test_the_page_is_offered_only_where_it_can_be_served(tmp_path, monkeypatch):
    monkeypatch.setattr("polyreel.cli.demo.find_spec", lambda _name: None)
    assert not any(" serve " in command for command in _next_commands(tmp_path))
