"""How much a match means: background queries, their scale, and what they cost."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from films import film, index_films, open_library, subtitles
from polyreel.cli.app import main
from polyreel.encoders.card import Confidence, LineParts
from polyreel.encoders.text_roles import against_lines
from polyreel.errors import UsageError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.results import FAIR, STRONG
from polyreel.library.search import calibration as calibrating
from polyreel.library.search.asked_words import AskedWords
from polyreel.library.search.background import BACKGROUND_QUERIES, background_queries, load_background
from polyreel.library.search.calibration import (
    Closeness,
    Scale,
    calibrate,
    closeness_between,
    provisional,
    provisional_closeness,
    scale_of,
)
from polyreel.library.search.clip_evidence import ClipEvidence
from polyreel.library.search.evidence import EXACT, LINES, PICTURES, WORDS, probability
from polyreel.library.search.ranking import Ranking
from polyreel.library.search.search_index import CACHE
from polyreel.library.search.search_query import text_query
from polyreel.library.search.searched_vectors import ExactVectors


@pytest.fixture(scope="module")
def library_folder(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("calibration")
    for colour in ("red", "blue", "white"):
        film(folder / "videos" / f"{colour}.mp4", colour)
    subtitles(folder / "videos" / "white.en.srt", (0, 1, "the dog runs"))
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder / "library"


def test_there_are_as_many_queries_in_each_language():
    queries, _ = background_queries()
    assert list(queries) == list(STUDY_LANGUAGES)
    assert {len(texts) for texts in queries.values()} == {BACKGROUND_QUERIES}
    for texts in queries.values():
        assert len(set(texts)) > 0.95 * len(texts)


@pytest.mark.parametrize("count", [1, 3, 9_000])
def test_the_best_of_each_query_is_found_whatever_the_size_of_the_library(count):
    rng = np.random.default_rng(0)
    clips, queries = units(rng, count), units(rng, 12)
    assert calibrating._best_of(clips, queries) == pytest.approx((queries @ clips.T).max(axis=1), rel=1e-5)


@pytest.mark.parametrize("count", [1, 30, 3_000])
def test_what_unrelated_queries_reach_lies_where_gumbel_has_it(count):
    """Other unrelated queries than those of the fit: half of them lie below the median."""
    rng = np.random.default_rng(0)
    rows, asked = units(rng, count), units(rng, 600)
    scale, reached = scale_of(rows, {"en": units(rng, 600)})
    tells = count >= calibrating._FEWEST_ROWS
    own = [scale.own_deviations(each, rows @ each).max() for each in asked]
    assert np.isnan([*own, *reached.own]).all() == np.isnan([*own, *reached.own]).any() == (not tells)
    for deviations in (
        [scale.deviations(rows @ each).max() for each in asked],
        reached.bare,
        *([own, reached.own] if tells else []),
    ):
        assert np.median(deviations) == pytest.approx(-np.log(np.log(2)), abs=0.3)
        assert np.percentile(deviations, 95) == pytest.approx(-np.log(-np.log(0.95)), abs=0.9)


def test_rows_that_are_all_equal_have_a_scale_and_no_rows_have_none():
    rng = np.random.default_rng(0)
    row, background = units(rng, 1), {"en": units(rng, 50)}
    for count in (40, 400):
        scale, _ = scale_of(np.repeat(row, count, axis=0), background)
        assert scale.deviations(row @ row[0])[0] > 2
        assert np.isnan(scale.own_deviations(row[0], row @ row[0])).all()
    assert scale_of(row[:0], background)[0] is None
    # A bundle that makes one vector of every text cannot tell.
    assert scale_of(row, {"en": np.repeat(row, 50, axis=0)})[0] is None


def test_lines_that_come_again_and_again_are_no_background():
    """Of few different lines nothing can be told of what others reach, however often they are said."""
    rng = np.random.default_rng(0)
    rows, background = units(rng, 3), {"en": units(rng, 50)}
    assert not scale_of(np.repeat(rows, 40, axis=0), background)[0].covariance.any()
    said = pa.array(["mind the step", "wir gehen", "good night"] * 40)
    index = SimpleNamespace(subtitles=pa.table({"text": said}), words=None)
    assert not len(calibrating._words(index))


@pytest.mark.parametrize("count", [1, 2, 4, 12, 40])
def test_in_a_small_library_too_a_line_has_to_stand_out_from_what_its_query_has_with_the_others(count):
    """Queries of the library's own kind are near to all its lines: not one of them need be the answer."""
    rng = np.random.default_rng(0)
    kind = units(rng, 1, 128)
    own, others = units(rng, count, 128), units(rng, 200, 128)
    changed = own + 0.2 * units(rng, count, 128)
    lines, near, there = (unit(rows + 0.6 * kind) for rows in (own, others, changed))
    background = {"en": units(rng, 400, 128)}
    (scale, _), texts = scale_of(lines, background), closeness_between(background, background)

    def passing(asked):
        best = (asked @ lines.T).max(axis=1)
        told = LINES.weigh(scale.deviations(best), scale.own_deviations(asked, best), texts.of(best))
        return float((probability_of(told) >= FAIR).mean())

    assert passing(near) < 0.4
    assert passing(there) > 0.8


def test_how_close_texts_are_lies_between_unrelated_ones_and_the_same():
    """Whatever cosines a bundle gives, and however it weighs the parts of queries against lines."""
    rng = np.random.default_rng(0)
    lines = unit(units(rng, 300, 64) + 2 * units(rng, 1, 64))  # all near to each other
    for weights in (np.ones(64), np.linspace(0, 3, 64)):
        asked = (lines * weights).astype(np.float32)
        texts = closeness_between({"en": asked}, {"en": lines})
        found = texts.of(asked @ lines.T)
        assert np.diag(found).mean() == pytest.approx(1, abs=1e-4)
        assert found[~np.eye(300, dtype=bool)].mean() == pytest.approx(0, abs=0.01)
    assert closeness_between({}, {}).of(np.float32([0.0, 1.0])) == pytest.approx([0, 1])
    # A bundle that makes one vector of every text has no texts that are closer.
    one = {"en": np.repeat(lines[:1], 9, axis=0)}
    assert np.isfinite(closeness_between(one, one).of(np.float32([0.5, 1.0]))).all()


def test_before_a_calibration_a_match_stands_out_from_the_others():
    cosines = np.random.default_rng(0).normal(0.2, 0.05, 1_000).astype(np.float32)
    cosines[7] = 0.8
    found = provisional(cosines, 0.0, SimpleNamespace(every=cosines))
    assert found.argmax() == 7
    assert np.sort(found)[-2] < 3 < found[7]
    for few in (np.zeros(0, np.float32), np.ones(1, np.float32), np.ones(9, np.float32)):
        assert (provisional(few, 0.0, SimpleNamespace(every=few)) == 0).all()
    # A bundle that was measured says itself from where on a match means something.
    few = np.array([0.1, 0.3, 0.5], np.float32)
    assert provisional(few, 0.3, None) == pytest.approx([-4, 0, 4])
    assert provisional_closeness(few, 0.3, None) == pytest.approx([-2 / 7, 0, 2 / 7], abs=1e-6)
    among = SimpleNamespace(every=few)
    assert provisional_closeness(few, 0.0, among) == pytest.approx([-2 / 7, 0, 2 / 7], abs=1e-6)


def probability_of(weights):
    return -np.expm1(-weights)


def units(rng, count, dim=16):
    return unit(rng.standard_normal((count, dim), np.float32))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("weigh", [PICTURES.weigh, WORDS.weigh, lambda each: LINES.weigh(each, each, each)])
def test_the_more_a_match_stands_out_the_more_probable_it_is(weigh):
    weights = weigh(np.array([-np.inf, -3.0, 3.0, 4.0, 300.0]))
    found = [probability(weight) for weight in weights]
    assert (np.diff(weights[1:]) > 0).all()
    assert found[0] == 0 <= weights[1]
    assert 0.99 < found[-1] <= 1


def test_a_second_kind_of_evidence_never_takes_from_the_first():
    stands_out = np.array([1.0, 2.0, 8.0])
    one, other = LINES.weigh(stands_out, stands_out, stands_out / 8), PICTURES.weigh(np.array([-5.0]))[0]
    assert all(probability(weight + other) > probability(weight) for weight in one)


def test_an_exact_line_is_a_strong_match():
    assert STRONG > FAIR
    assert probability(EXACT) > 0.95


@pytest.mark.parametrize(
    ("query", "line", "share", "exact"),
    [
        ("the dog", "Look, THE DOG runs!", 1.0, True),
        ("the dog", "dog, the", 1.0, False),
        ("the dog", "the doge", 0.5, False),
        ("Cafe", "im Café dort", 1.0, True),
        ("公园", "我们去公园散步", 1.0, True),
        ("公园散步", "公园很大", 1 / 3, False),
        ("!?", "what?", 0.0, False),
        ("dog", "", 0.0, False),
    ],
)
def test_shared_words_count_by_their_letters(query, line, share, exact):
    asked = AskedWords.of(query)
    assert asked.share_in(line) == pytest.approx(share)
    assert asked.stand_in(line) == exact


def test_calibrated_results_say_how_strong_they_are(own_library):
    library = open_library(own_library)
    before = library.search("red", mode="visual")
    assert (before.verdict, before.false_alarm_rate) == ("unmeasured", None)
    assert (before.hits[0].strength, before.hits[0].grade) == (None, None)
    assert "has not been measured" in before.doubt
    library.calibrate()
    after = library.search("red", mode="visual")
    assert after.false_alarm_rate < 0.3
    assert [hit.strength for hit in after.hits] == [hit.evidence.picture for hit in after.hits]
    assert after.hits[0].strength > after.hits[-1].strength
    assert not library.search("qwrtz", mode="visual").confident
    # Kept: another reader of the same commit has it at once.
    for mode in ("visual", "subtitles", "hybrid"):
        kept = open_library(own_library).search("red", mode=mode)
        assert strengths(kept) == pytest.approx(strengths(library.search("red", mode=mode)), abs=1e-5)


def test_a_line_that_says_it_comes_first_and_is_strong(own_library):
    library = open_library(own_library)
    library.calibrate()
    for query in ("dog", "THE DOG RUNS"):
        for mode in ("subtitles", "hybrid"):
            result = library.search(query, mode=mode)
            best = result.hits[0]
            assert (best.grade, result.verdict, result.confident) == ("strong", "good", True)
            assert best.strength >= best.evidence.line > 0.95
            assert best.evidence.subtitle.text == "the dog runs"
            assert best.match.startswith("■■■■ strong")
            assert result.doubt == ""
    assert library.search("dog", mode="subtitles").hits[0].evidence.picture is None


def test_a_damaged_calibration_is_made_anew(own_library):
    library = open_library(own_library)
    library.calibrate()
    file = library.snapshot.calibration_file
    for damage in (b"", b"PK\x03\x04 cut short"):
        file.write_bytes(damage)
        again = open_library(own_library)
        assert again.search("red").verdict == "unmeasured"
        again.calibrate()
        assert strengths(again.search("red")) == pytest.approx(strengths(library.search("red")), abs=1e-5)


def test_a_search_from_the_command_line_measures_what_is_lost_again(own_library, capsys):
    """As after an upgrade, or damage: the background queries are still there, so it takes moments."""
    asked = ["search", "red", "--library", str(own_library), "--no-server", "--json"]
    library = open_library(own_library)
    assert not library.calibrate_if_quick()
    assert (main(asked), json.loads(capsys.readouterr().out)["verdict"]) == (0, "unmeasured")
    library.calibrate()
    file = library.snapshot.calibration_file
    for damage in (b"PK\x03\x04 cut short", None):
        file.unlink() if damage is None else file.write_bytes(damage)
        assert (main(asked), json.loads(capsys.readouterr().out)["verdict"]) == (0, "good")
        assert open_library(own_library).snapshot.calibration is not None


def test_a_scale_that_measures_nothing_is_as_good_as_none(own_library):
    library = open_library(own_library)
    library.calibrate()
    good = library.snapshot.calibration
    for spread in (0.0, -1.0, np.nan):
        bad = replace(good, clips=replace(good.clips, bare=(0.3, spread)))
        bad.write(library.snapshot.calibration_file)
        assert open_library(own_library).snapshot.calibration is None


@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("query", ["dog", "the dog runs", "runs dog"])
def test_a_line_that_says_it_comes_first_before_anything_is_measured(own_library, threshold, query):
    """Whether or not the bundle knows from where on a match means something."""
    library = open_library(own_library)
    snapshot = library.snapshot
    card = library.bundle.card.model_copy(update={"confidence": Confidence(clip=threshold, subtitle=0.3)})
    rng = np.random.default_rng(0)
    asked = text_query(query)
    (vector,) = library.encode([asked])
    pictures = rng.uniform(-1, 1, (len(snapshot.index.clips), 1)).astype(np.float32)
    (cosines,) = ExactVectors(pictures).cosines(np.ones((1, 1), np.float32))
    best = Ranking(snapshot, card, asked, vector, cosines).result().hits[0]
    assert best.evidence.subtitle.text == "the dog runs"


def test_lines_and_pictures_may_weigh_the_parts_of_a_query_otherwise(own_library):
    """By the card: a part that only pictures were trained on says little of a line."""
    library = open_library(own_library)
    snapshot, card, width = library.snapshot, library.bundle.card, library.bundle.card.dim // 2
    asked = text_query("dog")
    (vector,) = library.encode([asked])
    (line,) = np.asarray(snapshot.index.subtitle_vectors)
    weighed = card.model_copy(update={"lines": LineParts(width=width, first=0.25, other=1.5)})
    both = 0.25 * vector[:width] @ line[:width] + 1.5 * vector[width:] @ line[width:]
    for own, wanted in ((card, vector @ line), (weighed, both)):
        assert against_lines(own, vector) @ line == pytest.approx(wanted, abs=1e-6)
        (of_clips,) = snapshot.index.clip_vectors.cosines(vector[None])
        evidence = ClipEvidence(snapshot, own, asked, vector, of_clips)
        assert evidence.line_cosines.every == pytest.approx([wanted], abs=1e-6)
    background = load_background(library.bundle, own_library)
    as_clips, as_lines = (calibrate(snapshot.index, background, each) for each in (card, weighed))
    assert as_clips.clips.bare == as_lines.clips.bare
    queries = {tag: against_lines(weighed, each) for tag, each in background.items()}
    assert as_lines.lines.bare == scale_of(line[None], queries)[0].bare != as_clips.lines.bare


def test_lines_below_the_threshold_are_ranked_and_said_to_be_weak(own_library):
    """Before anything is measured, they could not be told from a match."""
    library = open_library(own_library)
    assert library.search("qwrtz", mode="subtitles").hits == ()
    library.calibrate()
    found = library.search("qwrtz", mode="subtitles")
    assert [hit.evidence.subtitle.text for hit in found.hits] == ["the dog runs"]
    assert (found.hits[0].grade, found.verdict, found.confident) == ("weak", "poor", False)
    # Nor are they matches of what is searched among pictures, or has to be said just so.
    assert {hit.evidence.subtitle for hit in library.search("qwrtz").hits} == {None}
    assert library.search('"qwrtz"', mode="subtitles").hits == ()


def test_a_fair_match_below_the_threshold_is_evidence(own_library):
    """A threshold that was found among many lines hides what stands out among few."""
    library = open_library(own_library)
    snapshot = library.snapshot
    card = library.bundle.card.model_copy(update={"confidence": Confidence(clip=0.2, subtitle=1.1)})
    asked = text_query("mbwa anakimbia")
    (vector,) = library.encode([asked])
    (cosines,) = ExactVectors(snapshot.index.clip_vectors).cosines(vector[None])
    assert {
        hit.evidence.subtitle for hit in Ranking(snapshot, card, asked, vector, cosines).result().hits
    } == {None}
    library.calibrate()
    found = Ranking(library.snapshot, card, asked, vector, cosines).result()
    assert (found.hits[0].evidence.subtitle.text, found.verdict) == ("the dog runs", "good")


@pytest.mark.parametrize("per_video", [None, 1])
@pytest.mark.parametrize("is_measured", [True, False])
def test_the_verdict_does_not_depend_on_how_many_hits_are_shown(own_library, is_measured, per_video):
    """A weak line comes first, and what may be a match by its picture is not shown."""
    library = open_library(own_library)
    snapshot, card = library.snapshot, library.bundle.card
    if is_measured:
        library.calibrate()
        measured = snapshot.calibration
        pictures = replace(measured.clips, bare=(0.3, 0.2))
        said = Scale(np.zeros(card.dim), np.zeros((card.dim, card.dim)), (0.0, 0.01), (0.0, 0.01))
        snapshot.calibration = replace(
            measured, clips=pictures, lines=said, texts=Closeness(unrelated=0.73, same=1.0)
        )
    speaks = snapshot.index.subtitles["clip"][0].as_py()
    seen = np.full((len(snapshot.index.clips), 1), 0.6, np.float32)
    seen[speaks] = 0.1
    (cosines,) = ExactVectors(seen).cosines(np.ones((1, 1), np.float32))
    told = []
    for top in (1, 2, 3, 100):
        asked = text_query("dog runs red", top=top, per_video=per_video)
        (vector,) = library.encode([asked])
        told.append(Ranking(snapshot, card, asked, vector, cosines).result())
    assert [len(result.hits) for result in told] == [1, 2, 3, 3]
    assert {result.hits[0].evidence.subtitle.text for result in told} == {"the dog runs"}
    assert {(result.verdict, result.confident) for result in told} == {
        ("unsure", False) if is_measured else ("unmeasured", True)
    }


def test_what_looks_like_a_picture_has_no_strength(own_library):
    """What texts reach is no scale for pictures."""
    library = open_library(own_library)
    library.calibrate()
    like = library.search_like(library.search("red").hits[0].clip_id)
    assert (like.verdict, like.doubt, like.hits[0].strength) == ("unmeasured", "", None)


def strengths(result):
    return [hit.strength for hit in result.hits]


@pytest.fixture
def own_library(library_folder, tmp_path):
    """A copy that nobody has measured."""
    copy = Path(shutil.copytree(library_folder, tmp_path / "library"))
    shutil.rmtree(copy / CACHE, ignore_errors=True)
    return copy


@pytest.mark.parametrize("mode", ["visual", "hybrid"])
def test_hits_and_strength_are_the_same_whichever_language_a_word_is_taken_for(library_folder, mode):
    library = open_library(library_folder)
    library.calibrate()
    taken = [library.search("dog", language=language, mode=mode) for language in ("en", "cs", "und")]
    assert len({(result.hits, result.confident) for result in taken}) == 1
    assert taken[0].hits[0].strength is not None


def test_a_new_commit_is_measured_anew(library_folder, tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "red.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    library.calibrate()
    film(tmp_path / "videos" / "blue.mp4", "blue")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    assert library.search("red").false_alarm_rate is None


def test_an_empty_library_can_be_measured(tmp_path: Path, tiny_bundle):
    (tmp_path / "videos").mkdir()
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    library.calibrate()
    result = library.search("red")
    assert (result.hits, result.confident, result.verdict) == ((), False, "poor")
    assert str(result).endswith("There is no video to search in: none has been indexed to its end.")
    assert (library.snapshot.calibration.clips, library.snapshot.calibration.lines) == (None, None)
    assert open_library(tmp_path / "library").search("red").verdict == "poor"


def test_hits_that_match_less_than_asked_for_are_left_out_and_counted(library_folder):
    with open_library(library_folder) as library:
        library.calibrate()
        every = library.search("the dog runs")
        strengths = [hit.strength for hit in every.hits]
        assert strengths == sorted(strengths, reverse=True)
        least = (strengths[0] + strengths[1]) / 2
        found = every.at_least(least)
        assert found.hits == every.hits[:1]
        assert (every.left_out, found.left_out) == (0, len(every.hits) - 1)
        assert f"Left out: {found.left_out} hits that match less." in str(found)
        assert every.at_least(0) == every
        assert found.at_least(1).left_out == len(every.hits)
        unknown = [hit.model_copy(update={"strength": None}) for hit in every.hits]
        with pytest.raises(UsageError, match=r"how well these match is not known.*polyreel index"):
            every.model_copy(update={"hits": tuple(unknown)}).at_least(0.2)
        with pytest.raises(UsageError, match=r"not from 0 to 100% \(2000%\)"):
            every.at_least(20)


def test_the_least_match_is_asked_for_everywhere(library_folder, capsys):
    with open_library(library_folder) as library:
        library.calibrate()
    where = ["--library", str(library_folder), "--no-server"]
    assert main(["search", "the dog runs", "--min-match", "50", *where]) == 0
    found = capsys.readouterr()
    assert [line.rsplit("/", 1)[1] for line in found.out.splitlines()] == ["white.mp4"]
    assert "Left out: 2 moments that match less." in found.err
    assert main(["search", "the dog runs", "--min-match", "50", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == 2
    assert main(["search", "qwrtzpsd", "--min-match", "100", *where]) == 0
    found = capsys.readouterr()
    assert (found.out, "Nothing found that matches so well; left out: 3 moments." in found.err) == ("", True)
    assert main(["search", "--like", "1", "--min-match", "5", *where]) != 0
