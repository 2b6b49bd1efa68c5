"""``polyreel index --ray`` where there is no Ray, or no cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from films import film
from polyreel.cli.app import main
from polyreel.extras import install_extra
from polyreel.scale import cluster

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: polyreel[scale]")


@pytest.fixture
def index(tmp_path, tiny_bundle, capsys):
    """Index a film with these options; the exit code, and what is said on stderr."""
    film(tmp_path / "videos" / "film.mp4", "red")

    def run(*options: str) -> tuple[int, str]:
        library, bundle = str(tmp_path / "library"), str(tiny_bundle.folder)
        told = main(["index", str(tmp_path / "videos"), "--library", library, "--bundle", bundle, *options])
        return told, capsys.readouterr().err

    return run


def test_without_the_extra_it_says_what_to_install(index, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda _name: None)
    code, said = index("--ray")
    assert (code, install_extra("scale") in said) == (2, True)


@pytest.mark.parametrize("address", ["nonsense", "ray://host:10001", "10.0.0.1", "host:port"])
def test_what_is_not_an_address_is_refused(index, monkeypatch, address):
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    code, said = index("--ray", address)
    assert code == 2
    assert address in said
    assert "--ray HOST:PORT" in said


def test_a_cluster_that_does_not_answer_is_named_at_once(index, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: name)
    code, said = index("--no-speech", "--ray", "127.0.0.1:9")
    assert code == 2
    assert "cannot be joined: 127.0.0.1:9 (" in said


@pytest.mark.slow
@needs_ray
def test_no_cluster_here_is_said(tmp_path, tiny_bundle):
    """In a process of its own: what Ray is to be told of a cluster it reads once, when it is imported."""
    film(tmp_path / "videos" / "film.mp4", "red")
    command = [sys.executable, "-m", "polyreel", "index", str(tmp_path / "videos"), "--no-speech"]
    command += ["--library", str(tmp_path / "library"), "--bundle", str(tiny_bundle.folder), "--ray", "auto"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 2
    assert "the Ray cluster cannot be joined: auto" in " ".join(done.stderr.split())


@pytest.mark.slow
@needs_ray
def test_ray_reads_the_cluster_of_the_docs():
    from ray.autoscaler._private.util import prepare_config, validate_config

    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    (written,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    validate_config(prepare_config(yaml.safe_load(written)))
