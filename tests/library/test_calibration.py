"""How much a match means: background queries, their scale, and what they cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from films import film, index_films, open_library, subtitles
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.search import calibration as calibrating
from polyreel.library.search.calibration import (
    BACKGROUND_QUERIES,
    FALSE_ALARM_RATE,
    Calibration,
    calibrate,
    load_background,
)


@pytest.fixture(scope="module")
def library_folder(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("calibration")
    for colour in ("red", "blue", "white"):
        film(folder / "videos" / f"{colour}.mp4", colour)
    subtitles(folder / "videos" / "white.en.srt", (0, 1, "the dog runs"))
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder / "library"


def test_there_are_as_many_queries_in_each_language():
    queries, _ = calibrating._queries()
    assert list(queries) == list(STUDY_LANGUAGES)
    assert {len(texts) for texts in queries.values()} == {BACKGROUND_QUERIES}
    for texts in queries.values():
        assert len(set(texts)) > 0.95 * len(texts)


@pytest.mark.parametrize("count", [1, 3, 9_000])
def test_the_scale_is_what_the_best_clips_reach(count):
    rng = np.random.default_rng(0)
    clips = rng.standard_normal((count, 4), np.float32)
    vectors = {"en": rng.standard_normal((5, 4), np.float32), "sw": rng.standard_normal((7, 4), np.float32)}
    queries = np.concatenate(list(vectors.values()))
    best = calibrating._best_of(clips, vectors)
    assert best == pytest.approx(np.sort((queries @ clips.T).max(axis=1)), rel=1e-5)


def test_strength_is_the_share_of_queries_that_reach_less():
    scale, none = np.array([0.1, 0.2, 0.3, 0.4], np.float32), np.zeros(0, np.float32)
    calibration = Calibration(scale, none)
    assert [calibration.strength_of_clip(cosine) for cosine in (0.05, 0.25, 0.4, 0.9)] == [0, 0.5, 0.75, 1]
    assert calibration.strength_of_line(1.0) == 0.0  # there are no lines


def test_false_alarms_are_as_rare_as_is_said():
    """Background queries themselves pass as often as they should."""
    reached = np.sort(np.random.default_rng(1).random(BACKGROUND_QUERIES).astype(np.float32))
    calibration = Calibration(reached, np.zeros(0, np.float32))
    passed = [calibration.strength_of_clip(cosine) >= 1 - FALSE_ALARM_RATE for cosine in reached]
    assert np.mean(passed) == pytest.approx(FALSE_ALARM_RATE, abs=0.01)


def test_calibrated_results_say_how_strong_they_are(library_folder):
    library = open_library(library_folder)
    before = library.search("red", mode="visual")
    assert (before.false_alarm_rate, before.hits[0].evidence.strength) == (None, None)
    library.calibrate()
    after = library.search("red", mode="visual")
    assert after.false_alarm_rate == FALSE_ALARM_RATE
    assert after.hits[0].evidence.strength > 0.9
    assert after.hits[0].evidence.strength > after.hits[-1].evidence.strength
    assert after.confident
    assert not library.search("qwrtz", mode="visual").confident
    assert library.search("dog", mode="subtitles").confident
    assert library.search("THE DOG RUNS").confident
    assert library.search("dog", mode="subtitles").hits[0].evidence.strength is None


@pytest.mark.parametrize("mode", ["visual", "hybrid"])
def test_hits_and_strength_are_the_same_whichever_language_a_word_is_taken_for(library_folder, mode):
    library = open_library(library_folder)
    library.calibrate()
    taken = [library.search("dog", language=language, mode=mode) for language in ("en", "cs", "und")]
    assert len({(result.hits, result.confident) for result in taken}) == 1
    assert taken[0].hits[0].evidence.strength is not None


def test_a_new_commit_is_measured_anew(library_folder, tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "red.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    library.calibrate()
    film(tmp_path / "videos" / "blue.mp4", "blue")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    assert library.search("red").false_alarm_rate is None


def test_vectors_are_encoded_once_and_kept_where_that_is_possible(tmp_path, tiny_bundle, monkeypatch):
    first = load_background(tiny_bundle, tmp_path)
    (kept,) = tmp_path.glob("background-*.npz")
    monkeypatch.setattr(type(tiny_bundle), "encode_text", lambda *_: pytest.fail("encoded again"))
    again = load_background(tiny_bundle, tmp_path)
    for tag in STUDY_LANGUAGES:
        assert np.array_equal(first[tag], again[tag])
    monkeypatch.undo()
    kept.write_bytes(b"PK\x03\x04 cut short")
    assert len(load_background(tiny_bundle, tmp_path)) == 9
    nowhere = tmp_path / "no folder"
    assert len(load_background(tiny_bundle, nowhere)) == 9
    assert not nowhere.exists()


def test_an_empty_library_can_be_measured(tmp_path: Path, tiny_bundle):
    (tmp_path / "videos").mkdir()
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    library.calibrate()
    result = library.search("red")
    assert (result.hits, result.confident) == ((), False)
    assert calibrate(library.snapshot.index, load_background(tiny_bundle, tmp_path)).clips.size == 0
