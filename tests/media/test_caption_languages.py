"""The lines of a track whose name tells no language have each the language that they are in."""

from __future__ import annotations

import pytest

from polyreel.media.caption_languages import detect_lines
from polyreel.media.subtitles import read_sidecars

ENGLISH = [
    "The dog runs along the beach",
    "and nobody knows where it came from.",
    "The children laugh at it.",
]
GERMAN = [
    "Der Hund läuft den Strand entlang",
    "und niemand weiß, woher er kam.",
    "Die Kinder lachen darüber.",
]
RUSSIAN = ["Собака бежит вдоль берега моря", "и никто не знает, откуда она.", "Дети смеются над ней."]
CHINESE = ["狗沿着海滩奔跑", "没有人知道它从哪里来", "孩子们在笑"]


@pytest.mark.parametrize(
    ("tag", "lines"), [("en", ENGLISH), ("de", GERMAN), ("ru", RUSSIAN), ("zh", CHINESE)]
)
def test_a_track_in_one_language_has_it_in_every_line(tag, lines):
    assert detect_lines(lines) == [tag] * 3
    assert detect_lines(lines * 20) == [tag] * 60
    assert detect_lines([*lines, "12:30", "♪"]) == [tag] * 5


def test_lines_of_several_scripts_side_by_side_are_told_apart():
    lines = [line for three in zip(ENGLISH, RUSSIAN, CHINESE, strict=True) for line in three]
    assert detect_lines(lines * 4) == ["en", "ru", "zh"] * 12


def test_a_language_that_changes_is_told_after_some_sentences():
    found = detect_lines([*ENGLISH * 8, *GERMAN * 8, *ENGLISH * 8])
    assert set(found[:21]) == {"en"}
    assert set(found[27:45]) == {"de"}
    assert set(found[51:]) == {"en"}


def test_a_few_words_of_another_language_change_nothing():
    assert detect_lines([*ENGLISH * 4, "Bonjour, mon ami!", *ENGLISH * 4]) == ["en"] * 25


@pytest.mark.parametrize("lines", [[], ["..."], ["12", "", "♪ ♪"]])
def test_where_nothing_tells_it_is_unknown(lines):
    assert detect_lines(lines) == ["und"] * len(lines)


def test_a_file_that_names_its_language_is_believed(tmp_path):
    cues = [
        f"{place}\n00:00:{place:02}.000 --> 00:00:{place:02}.900\n{text}\n"
        for place, text in enumerate(RUSSIAN * 4)
    ]
    for name in ("film.en.srt", "film.srt"):
        (tmp_path / name).write_text("\n".join(cues).replace(".000", ",000").replace(".900", ",900"))
    tracks, problems = read_sidecars(tmp_path / "film.mp4")
    assert problems == []
    assert {track.source: {each.language for each in track.captions} for track in tracks} == {
        "film.en.srt": {"en"},
        "film.srt": {"ru"},
    }
