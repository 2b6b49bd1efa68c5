"""Searching: text in any language in, moments with their evidence out."""

from __future__ import annotations

import os
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from films import film, index_films, open_library, subtitles
from polyreel.clips import Clip
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleMismatchError, LibraryError, QueryError, UnknownNameError, UsageError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.results import MODES, SubtitleEvidence
from polyreel.library.search.filters import Filter
from polyreel.library.search.search import Library
from polyreel.library.store.state import generation_of, read_state, write_state
from polyreel.library.store.store import Commit, writing
from tiny_bundle import MEANINGS, PALETTE


@pytest.fixture(scope="module")
def films_folder(tmp_path_factory, tiny_bundle):
    """A film in each colour, one in three, one with words; and the library of them."""
    folder = tmp_path_factory.mktemp("films")
    for colour in PALETTE:
        film(folder / "videos" / f"{colour}.mp4", colour)
    film(folder / "videos" / "tricolour.mp4", "blue", "white", "red", each_s=3)
    film(folder / "videos" / "talk.mp4", "black", "white", "black", "white", each_s=3)
    subtitles(
        folder / "videos" / "talk.en.srt",
        (0.5, 1.5, "good evening"),
        (4, 5, "and then the dog runs away"),
        (7, 8, "a sesquipedalian word"),
        (10, 11, "天气很好，我们去公园散步"),
    )
    index_films(folder / "videos", folder / "library", tiny_bundle)
    return folder


@pytest.fixture
def library(films_folder):
    return open_library(films_folder / "library")


def names(result) -> list[str]:
    return [Path(hit.video).stem for hit in result.hits]


@pytest.mark.parametrize(
    ("language", "word"),
    [(tag, word) for meaning in MEANINGS[:3] for tag, word in zip(STUDY_LANGUAGES, meaning, strict=True)],
)
def test_a_colour_is_found_in_nine_languages(library, language, word):
    wanted = next(meaning[0] for meaning in MEANINGS if word in meaning)
    result = library.search(word, mode="visual", language=language)
    best = [name for name, hit in zip(names(result), result.hits, strict=True) if hit.score > 0.9]
    assert sorted(best) == sorted([wanted, "tricolour"] if wanted in {"red", "blue"} else [wanted])
    assert result.language == language
    assert result.confident
    assert result.hits[0].evidence.visual == pytest.approx(1.0, abs=1e-3)
    assert result.hits[0].score == result.hits[0].evidence.visual


def test_hits_are_ranked_and_complete(library, films_folder):
    result = library.search("Rot", top=100)
    assert [hit.rank for hit in result.hits] == list(range(1, len(result.hits) + 1))
    assert [hit.score for hit in result.hits] == sorted((hit.score for hit in result.hits), reverse=True)
    for hit in result.hits:
        assert hit.end_s > hit.start_s >= 0
        assert Path(hit.thumbnail).read_bytes().startswith(b"\xff\xd8")
        assert Path(hit.video).parent == films_folder / "videos"
    assert (result.query, result.bundle, result.mode) == ("Rot", "tiny", "hybrid")
    assert result.took_ms > 0


@pytest.mark.parametrize("top", [1, 2, 5])
def test_top_says_how_many_hits_come(library, top):
    everything = library.search("red", top=100)
    assert library.search("red", top=top).hits == everything.hits[:top]


def test_a_moment_is_the_part_that_matches(library):
    hit = next(hit for hit in library.search("white", mode="visual").hits if "tricolour" in hit.video)
    assert (hit.start_s, hit.end_s) == (3.0, pytest.approx(6.0))
    assert "0000003000.jpg" in hit.thumbnail


def test_a_hybrid_search_does_not_smear_moments_either(library):
    hit = next(hit for hit in library.search("white").hits if "tricolour" in hit.video)
    assert (hit.start_s, hit.end_s) == (3.0, pytest.approx(6.0))


def test_adjacent_hits_of_one_video_are_one_moment(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "long.mp4", "red", each_s=25)
    film(tmp_path / "videos" / "short.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    found = open_library(tmp_path / "library").search("red")
    assert sorted((Path(hit.video).stem, hit.start_s, round(hit.end_s, 6)) for hit in found.hits) == [
        ("long", 0.0, 25.0),
        ("short", 0.0, 2.0),
    ]


def test_words_of_another_language_find_a_subtitle(library):
    for query in ("mbwa anakimbia", "собака бежит", "狗 跑", "perro corre"):
        for mode in ("subtitles", "hybrid"):
            hit = library.search(query, mode=mode).hits[0]
            assert Path(hit.video).stem == "talk"
            assert (hit.start_s, hit.end_s) == (3.0, pytest.approx(6.0))
            assert hit.evidence.subtitle == SubtitleEvidence(
                text="and then the dog runs away", language="en", start_s=4.0, end_s=5.0
            )


def test_a_rare_word_finds_the_line_that_has_it(library):
    for query in ("sesquipedalian", "SESQUIPEDALIAN!", "what is sesquipedalian"):
        hit = library.search(query, mode="subtitles").hits[0]
        assert hit.evidence.subtitle is not None
        assert hit.evidence.subtitle.text == "a sesquipedalian word"
        assert hit.start_s == 6.0


def test_chinese_words_are_found_within_a_sentence(library):
    (hit,) = library.search("公园", mode="subtitles").hits
    assert hit.evidence.subtitle == SubtitleEvidence(
        text="天气很好，我们去公园散步", language="en", start_s=10.0, end_s=11.0
    )


@pytest.mark.parametrize(
    "word",
    ["достопримечательностями", "अंतर्राष्ट्रीयकरण", "donaudampfschifffahrtselektrizitätenhauptbetriebswerkbau"],
)
def test_a_word_of_more_than_forty_bytes_is_found(tmp_path, tiny_bundle, word):
    assert len(word.encode()) > 40
    film(tmp_path / "videos" / "talk.mp4", "black")
    subtitles(tmp_path / "videos" / "talk.srt", (0, 1, f"ab {word} cd"))
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    (hit,) = open_library(tmp_path / "library").search(word, mode="subtitles").hits
    assert hit.evidence.subtitle.text == f"ab {word} cd"


def test_each_mode_shows_its_own_evidence(library):
    for hit in library.search("dog", mode="visual").hits:
        assert hit.evidence.visual is not None
        assert hit.evidence.subtitle is None
    for hit in library.search("dog", mode="subtitles").hits:
        assert hit.evidence.visual is None
        assert hit.evidence.subtitle is not None
    best, *_ = library.search("dog").hits
    assert best.evidence.visual is not None
    assert best.evidence.subtitle is not None


def test_a_line_that_says_it_comes_before_all_pictures(library):
    first, *others = library.search("dog runs").hits
    assert first.evidence.subtitle.text == "and then the dog runs away"
    assert first.score > 0.95 > max(hit.score for hit in others)


def test_nothing_that_matches_is_said_to_be_so(library):
    result = library.search("zzzzz", mode="visual")
    assert result.hits
    assert not result.confident
    result = library.search("zzzzz", mode="subtitles")
    assert result.hits == ()
    assert not result.confident


def test_what_stands_in_quotes_has_to_be_said(library):
    """A line that means the same in other words is no match for exact words, however much it means it."""
    for query in ('"dog runs"', '"DOG runs"', '"dóg" "runs"'):
        best = library.search(query).hits[0]
        assert best.evidence.subtitle.text == "and then the dog runs away"
        assert best.score > 0.95
    for query in ('"mbwa anakimbia"', '"dog walks"', '"runs dog"', 'dog "mbwa"'):
        assert library.search(query, mode="subtitles").hits == ()
        assert {hit.evidence.subtitle for hit in library.search(query).hits} == {None}
    assert library.search("mbwa anakimbia", mode="subtitles").hits


def test_lines_are_searched_by_their_kind(films_folder):
    library = open_library(films_folder / "library")
    snapshot = library.snapshot
    lines = snapshot.index.subtitles
    kinds = ["speech" if "dog" in text else "subtitles" for text in lines["text"].to_pylist()]
    column = lines.column_names.index("kind")
    lines = lines.set_column(column, "kind", pa.array(kinds, pa.string()))
    snapshot.index = replace(snapshot.index, subtitles=lines)

    def found(mode: str) -> set[str | None]:
        hits = library.search("dog sesquipedalian", mode=mode).hits
        return {hit.evidence.subtitle.text if hit.evidence.subtitle else None for hit in hits}

    heard, read = "and then the dog runs away", "a sesquipedalian word"
    assert found("speech") == {heard}
    assert found("subtitles") == {read}
    assert found("screen") == set()
    assert found("speech,subtitles") == {heard, read}
    assert found("screen,visual") == {None}
    assert found(" visual , speech ") == {heard, None}
    assert library.search("dog", mode="speech").hits[0].evidence.subtitle.kind == "speech"


@pytest.mark.parametrize(
    ("mode", "canonical"),
    [
        ("screen,visual", "visual,screen"),
        ("visual,visual", "visual"),
        ("screen,subtitles,speech,visual", "hybrid"),
        ("hybrid,visual", "hybrid"),
    ],
)
def test_what_was_searched_is_told_in_one_way(library, mode, canonical):
    assert library.search("red", mode=mode).mode == canonical


@pytest.mark.parametrize("mode", ["", "Visual", "hybird", "all", "visual,", "visual;speech"])
def test_an_unknown_mode_is_refused(library, mode):
    with pytest.raises(UnknownNameError, match=r"no search mode has this name"):
        library.search("red", mode=mode)


@pytest.mark.parametrize("query", ["", "   ", "\n\t", "\x00", "​ ".strip("​")])
def test_an_empty_query_is_refused(library, query):
    with pytest.raises(QueryError, match=r"the query is empty.*Type what the video shows"):
        library.search(query)


def test_a_very_long_query_is_refused(library):
    with pytest.raises(QueryError, match=r"too long: red red.*\(9,999 characters, at most 1,000\)"):
        library.search("red " * 2_500)


@pytest.mark.parametrize("options", [{"top": 0}, {"top": -1}, {"language": "klingon"}, {"language": ""}])
def test_options_that_cannot_be_are_refused(library, options):
    with pytest.raises(UsageError):
        library.search("red", **options)


AWKWARD = [
    "🐕",
    "👨‍👩‍👧‍👦🎬",
    "كلب يجري",
    "‏שלום‏",
    "a AND b OR (c",
    '"quoted" +plus -minus',
    "text:dog~2^3*",
    "it's; DROP TABLE clips",
    "a\\",
    "%_a",
    "\ud800 half",
    "ｗｉｄｅ",
    "﷽" * 50,
    "x" * 1_000,
    "1234",
    "a" + "\u0301" * 300,
]


@pytest.mark.parametrize("query", AWKWARD)
@pytest.mark.parametrize("mode", MODES)
def test_no_query_breaks_anything(library, query, mode):
    result = library.search(query, mode=mode)
    assert all(np.isfinite(hit.score) for hit in result.hits)
    result.query.encode()


def test_composed_and_decomposed_text_are_one(library):
    composed, decomposed = "màu đỏ vàng", unicodedata.normalize("NFD", "màu đỏ vàng")
    assert composed != decomposed
    assert library.search(composed).hits == library.search(decomposed).hits
    assert library.search(composed, mode="visual").confident


def test_a_commit_shows_without_opening_the_library_again(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "red.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    assert names(library.search("blue")) == ["red"]
    film(tmp_path / "videos" / "blue.mp4", "blue")
    subtitles(tmp_path / "videos" / "blue.srt", (0, 1, "zyzzyva"))
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    assert names(library.search("blue"))[0] == "blue"
    assert names(library.search("zyzzyva", mode="subtitles")) == ["blue"]


def test_the_bundle_has_to_be_the_librarys_own(films_folder, tmp_path, other_bundle):
    with pytest.raises(BundleMismatchError, match=r"needs the bundle tiny .* not other "):
        Library(films_folder / "library", lambda _location: other_bundle)


def test_a_library_that_moves_to_another_bundle_under_an_open_one_says_so(
    tmp_path, tiny_bundle, other_bundle
):
    film(tmp_path / "videos" / "red.mp4", "red")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    state = read_state(tmp_path / "library")
    own = state.generation.model_copy(update={"identity": other_bundle.card.identity, "bundle": "other"})
    write_state(
        tmp_path / "library", state.model_copy(update={"commit": state.commit + 1, "generations": {1: own}})
    )
    with pytest.raises(BundleMismatchError):
        library.search("red")


def test_no_library_is_one_clear_error(tmp_path, tiny_bundle):
    with pytest.raises(LibraryError, match=r"no library is here.*Make one with 'polyreel index FOLDER'"):
        Library(tmp_path, lambda _location: tiny_bundle)


def test_whole_videos_are_scored_by_their_best_clip_or_their_mean(library, tiny_bundle):
    vectors = tiny_bundle.encode_text(["red", "blue", "white"])
    paths, best = library.score_videos(vectors)
    assert [Path(path).stem for path in paths] == sorted([*PALETTE, "tricolour", "talk"])
    place = {Path(path).stem: column for column, path in enumerate(paths)}
    assert best.shape == (3, len(paths))
    assert best[0, place["tricolour"]] == pytest.approx(1.0, abs=1e-3)
    assert best[0, place["red"]] == pytest.approx(1.0, abs=1e-3)
    assert best[0, place["blue"]] == pytest.approx(0.0, abs=1e-2)
    same, mean = library.score_videos(vectors, pooling="mean")
    assert same == paths
    assert mean[:, place["tricolour"]] == pytest.approx(3**-0.5, abs=1e-2)


def test_an_empty_library_gives_no_hits(tmp_path, tiny_bundle):
    (tmp_path / "videos").mkdir()
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    for mode in MODES:
        result = library.search("red", mode=mode)
        assert result.hits == ()
        assert not result.confident
    paths, scores = library.score_videos(tiny_bundle.encode_text(["red"]))
    assert (paths, scores.shape) == ([], (1, 0))


def test_a_damaged_bundle_is_one_clear_error(films_folder, tmp_path, tiny_bundle):
    import shutil

    from polyreel.errors import BundleError

    copy = Path(shutil.copytree(tiny_bundle.folder, tmp_path / "tiny"))
    with (copy / "text.onnx").open("ab") as file:
        file.write(b"x")
    library = Library(films_folder / "library", lambda _location: Bundle(copy))
    with pytest.raises(BundleError, match=r"a part of the bundle is damaged.*text\.onnx"):
        library.search("red")


# The default bundle


def test_a_query_in_one_language_finds_a_subtitle_in_another(tmp_path, small_bundle):
    film(tmp_path / "videos" / "a.mp4", "red", "blue", "green", each_s=3)
    subtitles(
        tmp_path / "videos" / "a.srt",
        (0, 2, "The train leaves at noon."),
        (3, 5, "The children are playing with a ball in the park."),
        (6, 8, "He pays for the bread."),
    )
    film(tmp_path / "videos" / "b.mp4", "white")
    index_films(tmp_path / "videos", tmp_path / "library", small_bundle)
    library = open_library(tmp_path / "library")
    for query, language in (
        ("watoto wanacheza mpira", "sw"),
        ("děti si hrají s míčem", "cs"),
        ("孩子们在公园里玩球", "zh"),
    ):
        for mode in ("subtitles", "hybrid"):
            result = library.search(query, mode=mode)
            assert result.language == language
            assert result.confident
            assert result.hits[0].start_s == 3.0
            assert result.hits[0].evidence.subtitle == SubtitleEvidence(
                text="The children are playing with a ball in the park.",
                language="en",
                start_s=3.0,
                end_s=5.0,
            )


# Videos that lie at several paths


@pytest.fixture
def copied(tmp_path, tiny_bundle):
    """A library of ``a/red.mp4``, its copy ``b/again.mp4`` and ``b/blue.mp4``."""
    videos = tmp_path / "videos"
    film(videos / "a" / "red.mp4", "red")
    film(videos / "b" / "blue.mp4", "blue")
    shutil.copyfile(videos / "a" / "red.mp4", videos / "b" / "again.mp4")
    os.utime(videos / "b" / "again.mp4", (1_000_000_000, 1_000_000_000))
    index_films(videos, tmp_path / "library", tiny_bundle)
    return tmp_path / "library"


def red_of(library):
    (hit,) = library.search("red", top=1, mode="visual").hits
    return hit, library.video(hit.video_id), library.clip(hit.clip_id)


def test_of_several_paths_the_first_that_is_there_is_shown(copied):
    videos = copied.parent / "videos"
    first, other = videos / "a" / "red.mp4", videos / "b" / "again.mp4"
    with open_library(copied) as library:
        hit, video, clip = red_of(library)
        assert (hit.video, hit.media, clip.media) == (str(first),) * 3
        assert (video.name, video.copies, video.media) == ("a/red.mp4", ("b/again.mp4",), str(first))
        first.rename(videos / "elsewhere.mp4")
        hit, video, clip = red_of(library)
        assert (hit.video, hit.media, clip.media) == (str(other),) * 3
        assert (video.name, video.copies, video.media) == ("b/again.mp4", ("a/red.mp4",), str(other))
        assert video.modified.timestamp() == 1_000_000_000
        other.write_bytes(b"something else")  # not the video any more: the first path is named, as gone
        assert red_of(library)[0].video == str(first)
        (videos / "elsewhere.mp4").rename(first)
        assert red_of(library)[0].video == str(first)


def test_of_a_folder_the_copy_that_lies_there_is_told(copied):
    videos = copied.parent / "videos"
    with open_library(copied) as library:
        for folder in ("b", str(videos / "b"), "b/again.mp4"):
            filters = Filter(folder=folder)
            found = [*library.search("red", filters=filters).hits, *library.videos(filters=filters)]
            assert {Path(each.media).parent.name for each in found} == {"b"}
            hit = library.search("red", filters=filters, top=1).hits[0]
            assert hit.video == hit.media == str(videos / "b" / "again.mp4")
        (video,) = (each for each in library.videos(filters=Filter(folder="b")) if each.copies)
        assert (video.name, video.copies) == ("b/again.mp4", ("a/red.mp4",))
        (videos / "b" / "again.mp4").unlink()  # gone, and still no file elsewhere
        assert library.search("red", filters=Filter(folder="b"), top=1).hits[0].video.endswith("b/again.mp4")


def test_what_was_found_by_a_line_is_watched_from_the_line_on(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "long.mp4", "red", each_s=10)
    subtitles(tmp_path / "videos" / "long.srt", (0, 2, "good evening"), (5, 7, "the dog runs away"))
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    with open_library(tmp_path / "library") as library:
        said = library.search("the dog runs away", top=1).hits[0]
        assert (said.start_s, said.end_s, said.watch_start_s, said.watch_end_s) == (0, 10, 4, 10)
        assert (said.evidence.subtitle.start_s, said.evidence.subtitle.end_s) == (5, 7)
        seen = library.search("red", top=1, mode="visual").hits[0]
        assert (seen.watch_start_s, seen.watch_end_s) == (0, 10)


def test_copies_count_for_folders_and_the_common_folder(copied, tmp_path, tiny_bundle):
    with open_library(copied) as library:
        assert library.contents().folders == ("a", "b")
        assert [video.id for video in library.videos(filters=Filter(folder="b"))] == [
            video.id for video in library.videos()
        ]
        assert [video.name for video in library.videos(filters=Filter(folder="a"))] == ["a/red.mp4"]
    outside = tmp_path / "z"
    outside.mkdir()
    shutil.copyfile(tmp_path / "videos" / "b" / "blue.mp4", outside / "blue.mp4")
    index_films([tmp_path / "videos", outside], copied, tiny_bundle)
    with open_library(copied) as library:
        video = next(video for video in library.videos() if video.copies == ("z/blue.mp4",))
        assert video.name == "videos/b/blue.mp4"


def test_moments_past_115_days_are_found(tmp_path, tiny_bundle):
    """Their ids have eleven digits of milliseconds."""
    index_films([film(tmp_path / "a.mp4", "red")], tmp_path / "library", tiny_bundle)
    content, starts = "f" * 32, (9_999_999.0, 10_000_000.0, 10_368_000.5)
    ids = [Clip(content, start_s, start_s + 2).clip_id for start_s in starts]
    (red,) = tiny_bundle.encode_text(["red"])
    row = {
        "path": str(tmp_path / "long.mp4"),
        "video": content,
        "size_bytes": 1,
        "mtime_ns": 2,
        "sidecars": "",
    }
    row |= {"status": "ok", "message": "", "health": "", "indexed_at": ""}
    with writing(tmp_path / "library", generation_of(tiny_bundle.card, str(tiny_bundle.folder))) as writer:
        writer.commit(
            Commit(
                files=[row],
                clips=[
                    {
                        "clip_id": item,
                        "video": content,
                        "start_s": start_s,
                        "end_s": start_s + 2,
                        "thumbnail": "",
                    }
                    for item, start_s in zip(ids, starts, strict=True)
                ],
                embeddings=[{"id": item, "video": content, "kind": "clip"} for item in ids],
                vectors=[red] * 3,
            )
        )
    library = open_library(tmp_path / "library")
    assert [library.clip(item).start_s for item in ids] == list(starts)
    assert ids[-1].endswith("@10368000500")
    assert {hit.clip_id for hit in library.search("red", mode="visual", top=20).hits} >= {ids[-1]}


def test_a_clip_whose_vector_is_zero_is_a_clip_like_any_other(tmp_path, tiny_bundle, monkeypatch):
    """A cosine is not defined for it; stores of vectors leave such rows out."""
    encode = type(tiny_bundle).encode_video

    def blank(bundle, features):
        vectors = encode(bundle, features)
        return vectors * (vectors @ bundle.encode_text(["red"])[0] > 0.9)[:, None]

    film(tmp_path / "videos" / "two.mp4", "red", "green", each_s=3)
    with monkeypatch.context() as patch:
        patch.setattr(type(tiny_bundle), "encode_video", blank)
        index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    library = open_library(tmp_path / "library")
    scores = {hit.start_s: hit.evidence.visual for hit in library.search("red", mode="visual", top=9).hits}
    assert scores == {0.0: pytest.approx(1, abs=1e-3), 3.0: 0.0}
