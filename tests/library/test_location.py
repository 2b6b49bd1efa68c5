"""A library goes on with the bundle that made it, also where a newer polyreel builds another so named."""

from __future__ import annotations

import shutil

import pytest

import polyreel
from films import film
from polyreel.cli.app import main
from polyreel.encoders.registry import DEFAULT_BUNDLE, list_bundles
from polyreel.errors import BundleMismatchError
from polyreel.library.location import bundle_location, newer_build
from polyreel.library.store.doctor import examine
from tiny_bundle import write_tiny_bundle


@pytest.fixture
def bundles(tmp_path, monkeypatch):
    """A library of the default bundle, which a newer polyreel builds otherwise; where the former one lies."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    (present,) = (entry.folder for entry in list_bundles() if entry.name == DEFAULT_BUNDLE)
    write_tiny_bundle(present, name=DEFAULT_BUNDLE)
    film(tmp_path / "videos" / "a.mp4", "red", "blue")
    polyreel.index(tmp_path / "videos", tmp_path / "library")
    former = present.with_name(f"{DEFAULT_BUNDLE}-0123456789ab")
    present.rename(former)
    write_tiny_bundle(present, name=DEFAULT_BUNDLE, revision=2)
    return present, former


def test_it_is_searched_and_indexed_with_the_former_build(bundles, tmp_path, capsys):
    _, former = bundles
    library = tmp_path / "library"
    assert bundle_location(library) == str(former)
    assert newer_build(library) == DEFAULT_BUNDLE
    assert polyreel.open(library).search("red").hits[0].start_s == 0
    film(tmp_path / "videos" / "b.mp4", "green")
    assert main(["index", str(tmp_path / "videos"), "--library", str(library)]) == 0
    assert "goes on with the 'small' that made it" in capsys.readouterr().err
    assert polyreel.open(library).search("green").hits[0].video.endswith("b.mp4")
    health = examine(library)
    assert (health.usable, health.bundle_state[-26:]) == (True, "polyreel bundles set small")


def test_without_the_former_build_the_message_names_the_way(bundles, tmp_path):
    _, former = bundles
    shutil.rmtree(former)
    with pytest.raises(BundleMismatchError, match="polyreel bundles set small moves the library"):
        polyreel.open(tmp_path / "library").search("red")
