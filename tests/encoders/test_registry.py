"""Bundles by name and by place."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyreel.encoders import registry
from polyreel.encoders.build.bundle_spec import BundleSpec, shipped
from polyreel.encoders.build.small import made_of
from polyreel.encoders.card import CARD_FILE, BundleCard, Confidence, read_card
from polyreel.encoders.registry import (
    build_bundle,
    bundle_with_features,
    earlier_build,
    list_bundles,
    locate_bundle,
)
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError, FetchError, UnknownNameError, UsageError
from tiny_bundle import write_tiny_bundle


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty cache, where bundles live in a folder of their own."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "bundles"


@pytest.fixture
def built(home, monkeypatch):
    """The default bundle's name stands for the tiny bundle; gives the folders that were built."""
    folders = []

    def build(folder: Path, trained: BundleSpec, *, step: object, **_: object) -> BundleCard:
        folders.append(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if step is not None:
            step("painting", 1, 1)
        return read_card(write_tiny_bundle(folder, name=trained.name))

    def current(folder: Path, _trained: BundleSpec) -> BundleCard | None:
        return read_card(folder) if (folder / CARD_FILE).is_file() else None

    monkeypatch.setattr(registry, "build_on_default", build)
    monkeypatch.setattr(registry, "_current", current)
    return folders


def test_a_slip_in_a_name_is_answered_with_the_nearest(home):
    with pytest.raises(UnknownNameError, match=r"'smal'.*Did you mean 'small'\?"):
        locate_bundle("smal")
    with pytest.raises(UnknownNameError, match="Known: small"):
        locate_bundle("elephant")
    with pytest.raises(UnknownNameError, match=r"can be built.*'tiny'"):
        build_bundle("tiny")


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-this-name", "nul\0", "", "..", "/", "a/b", "~"])
def test_no_name_is_worse_than_unknown(home, name):
    with pytest.raises(UnknownNameError):
        locate_bundle(name)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300).filter(lambda name: name != "small"))
def test_any_other_text_is_an_unknown_name(home, name):
    with pytest.raises(UnknownNameError):
        locate_bundle(name)


def test_a_bundle_is_found_by_its_folder(home, tmp_path, monkeypatch):
    folder = write_tiny_bundle(tmp_path / "mine")
    assert locate_bundle(str(folder)) == folder
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate_bundle("~/mine") == folder
    monkeypatch.chdir(tmp_path)
    assert locate_bundle("mine").samefile(folder)


def test_an_installed_bundle_is_found_by_its_name_and_listed(home):
    folder = write_tiny_bundle(home / "tiny")
    assert locate_bundle("tiny") == folder
    entries = {entry.name: entry for entry in list_bundles()}
    assert list(entries) == ["small", "tiny", "training-free"]
    assert entries["tiny"].card.name == "tiny"
    assert (entries["small"].card, entries["small"].problem) == (None, None)


def test_a_damaged_bundle_is_listed_with_its_problem(home):
    (write_tiny_bundle(home / "tiny") / CARD_FILE).write_text("{")
    (entry,) = [entry for entry in list_bundles() if entry.name == "tiny"]
    assert entry.card is None
    assert isinstance(entry.problem, BundleError)


def test_a_bundle_is_built_on_first_use_only(built, home):
    told = []
    folder = locate_bundle("small", step=lambda *facts: told.append(facts))
    assert (folder.parent, folder.name[:6]) == (home, "small-")
    assert Bundle(locate_bundle("small")).card.name == "small"
    assert build_bundle("small").name == "small"
    assert built == [folder]
    assert told == [("painting", 1, 1)]


def test_a_bundle_can_be_built_again(built):
    locate_bundle("small")
    build_bundle("small", force=True)
    assert len(built) == 2


def test_two_first_uses_at_once_build_once(built):
    users = [threading.Thread(target=locate_bundle, args=("small",)) for _ in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len(built) == 1


def test_sources_that_cannot_be_had_are_a_fetch_error_and_leave_nothing(home, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(FetchError, match="did not deliver"):
        locate_bundle("small")
    assert [path.name for path in home.iterdir() if path.is_dir()] == []


def test_a_card_that_searches_read_otherwise_lies_in_another_folder():
    """Its vectors are the same, so libraries keep them; yet what was built before says something else."""
    spec = shipped()
    halves, alone, as_clips = (replace(spec, trained_in_lines=share) for share in (0.5, 1.0, None))
    unsure = replace(spec, confidence=Confidence(clip=0.1, subtitle=0.3))
    assert len({made_of(each) for each in (spec, halves, alone, as_clips, unsure)}) == 5
    # The factors take the stored shares, 0.3 and 0.7, to the wanted ones.
    assert (halves.lines(384).first * 0.3, halves.lines(384).other * 0.7) == pytest.approx((0.5, 0.5))
    assert (alone.lines(384).first, alone.lines(384).other * 0.7) == pytest.approx((0, 1))
    assert as_clips.lines(384) is None


@pytest.mark.parametrize("name", registry._BUILT)
def test_a_bundle_lies_in_a_folder_of_what_it_is_made_of(name, home):
    made_of_now = made_of(registry._BUILT[name]())
    (entry,) = [entry for entry in list_bundles() if entry.name == name]
    assert entry.folder == home / f"{name}-{made_of_now[:12]}", "run scripts/ship_small.py --made-of"


def test_the_bundle_of_an_older_polyreel_is_not_taken_for_the_present_one(built, home):
    older = [write_tiny_bundle(home / name, name="small") for name in ("small", "small-0123456789ab")]
    assert locate_bundle("small") not in older
    assert [entry.name for entry in list_bundles()] == ["small", "small-0123456789ab", "training-free"]


def test_the_bundle_that_made_a_library_is_found_by_its_identity(built, home):
    older = read_card(write_tiny_bundle(home / "small", name="small", revision=2)).identity
    present = read_card(locate_bundle("small")).identity
    assert earlier_build("small", older) == home / "small"
    assert earlier_build("small", present) is None
    assert earlier_build("small", "0" * 64) is None
    assert earlier_build(str(home / "small"), older) is None


def test_a_bundle_is_found_by_the_width_of_its_features():
    assert [bundle_with_features(width) for width in (1280, 2560)] == ["training-free", "small"]
    with pytest.raises(UsageError, match=r"no bundle.*77.*2,560 \(small\) or 1,280 \(training-free\)"):
        bundle_with_features(77)


def test_a_bundle_as_it_ships_now_is_not_built_again_and_a_changed_one_is(
    small_bundle, tmp_path, monkeypatch
):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path))
    (folder,) = (entry.folder for entry in list_bundles() if entry.name == "small")
    shutil.copytree(small_bundle.folder, folder)
    built = []
    monkeypatch.setattr(registry, "build_on_default", lambda folder, *_, **__: built.append(folder))
    assert build_bundle("small").identity == small_bundle.card.identity
    assert built == []
    older = read_card(folder).model_copy(update={"identity": "0" * 64})
    (folder / CARD_FILE).write_text(older.model_dump_json(), encoding="utf-8")
    build_bundle("small")
    assert built == [folder]
