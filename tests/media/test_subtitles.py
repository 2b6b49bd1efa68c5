"""Subtitle files and tracks -> captions with their own times and language."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import videos
from polyreel.clips import Caption
from polyreel.errors import MediaError
from polyreel.languages import UNKNOWN
from polyreel.media import subtitles
from polyreel.media.limited import DecodeOptions, DecodeWorker, Finished
from polyreel.media.subtitles import SubtitleTrack, read_sidecars, read_subtitles, read_tracks, sidecars

DOG_DE = "Ein größerer Hund läuft über die Straße"
GIRLS_DE = "Zwei Mädchen üben für das schöne Fest"
DOG_RU = "Собака бежит по пляжу и лает на чаек"
CHILDREN_RU = "Дети играют с мячом на зелёной траве"

ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\b1}Hello{\\b0},\\Nworld
Comment: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,a note to the translator
Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0{\\p0}
"""
VTT = """WEBVTT - a film

STYLE
::cue { color: red }

NOTE for the translator
in two lines

greeting
00:01.000 --> 00:02.500 align:start
<v Roger>Hello &amp; welcome, <i>all</i> <c.yellow>friends</c> &lt;3

00:00:03.000 --> 00:00:04.000
NOTE <00:00:03.500>the time
"""


def srt(first: str, second: str) -> str:
    return f"1\n00:00:01,000 --> 00:00:02,500\n{first}\n\n2\n00:00:03,000 --> 00:00:04,000\n{second}\n\n"


@pytest.fixture
def film(tmp_path):
    return videos.write_video(tmp_path / "film.mp4", seconds=0.2)


def beside(film: Path, name: str, content: str | bytes) -> Path:
    path = film.with_name(name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def only_track(film: Path) -> SubtitleTrack:
    (track,), failures = read_subtitles(film)
    assert failures == []
    return track


def test_an_srt_file_gives_texts_and_times(film):
    beside(film, "film.srt", srt(f"<i>{DOG_DE}</i>", "{\\an8}Zwei\nZeilen"))
    assert only_track(film) == SubtitleTrack(
        "film.srt", (Caption(DOG_DE, "de", 1.0, 2.5), Caption("Zwei Zeilen", "de", 3.0, 4.0))
    )


def test_an_ass_file_gives_words_without_mark_up_comments_and_drawings(film):
    beside(film, "film.ass", ASS)
    assert only_track(film).captions == (Caption("Hello, world", "en", 1.0, 2.5),)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_vtt_file_gives_words_without_mark_up_notes_and_names(film, newline):
    beside(film, "film.en.vtt", VTT.replace("\n", newline))
    assert only_track(film).captions == (
        Caption("Hello & welcome, all friends <3", "en", 1.0, 2.5),
        Caption("NOTE the time", "en", 3.0, 4.0),
    )


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("film.de.srt", "de"),
        ("film.eng.srt", "en"),
        ("film.Swahili.srt", "sw"),
        ("film.pt-BR.forced.srt", "pt-BR"),
        ("film.zh_Hans.srt", "zh-Hans"),
        ("film.forced.SRT", "ru"),
        ("film.srt", "ru"),
    ],
)
def test_the_language_comes_from_the_name_or_else_from_the_words(film, name, language):
    beside(film, name, srt(DOG_RU, CHILDREN_RU))
    assert {caption.language for caption in only_track(film).captions} == {language}


@pytest.mark.parametrize(
    ("encoding", "lines"),
    [
        ("utf-8", (DOG_RU, CHILDREN_RU)),
        ("utf-8-sig", (DOG_RU, CHILDREN_RU)),
        ("utf-16", (DOG_RU, CHILDREN_RU)),
        ("cp1251", (DOG_RU, CHILDREN_RU)),
        ("latin-1", (DOG_DE, GIRLS_DE)),
        ("cp1250", ("Malý pes běží po pláži", "Děti si hrají s míčem na žluté louce")),
        ("gb18030", ("一只狗在海滩上奔跑", "孩子们在草地上玩球")),
    ],
)
def test_the_encoding_of_a_file_is_found(film, encoding, lines):
    beside(film, "film.srt", srt(*lines).encode(encoding))
    assert tuple(caption.text for caption in only_track(film).captions) == lines


def test_texts_are_composed(film):
    beside(film, "film.srt", srt("Tre\u0302n ba\u0303i", "x"))
    assert only_track(film).captions[0].text == "Trên bãi"


def test_the_ending_of_the_video_in_the_name_is_no_language(tmp_path):
    film = tmp_path / "film.ts"  # "ts" is Tsonga too
    (tmp_path / "film.ts.srt").write_text(srt(DOG_RU, CHILDREN_RU))
    (tmp_path / "film.TS.de.srt").write_text(srt(DOG_DE, GIRLS_DE))
    assert {track.source: track.captions[0].language for track in read_sidecars(film)[0]} == {
        "film.ts.srt": "ru",
        "film.TS.de.srt": "de",
    }


def test_a_decoder_leaves_the_detection_of_languages_to_the_program(film):
    beside(film, "film.srt", srt(DOG_DE, GIRLS_DE))
    beside(film, "film.cs.srt", srt(DOG_DE, GIRLS_DE))
    tracks, _ = read_tracks(film, None, [])
    assert {track.source: track.captions[0].language for track in tracks} == {
        "film.srt": UNKNOWN,
        "film.cs.srt": "cs",
    }
    assert [{caption.language for caption in track.with_language().captions} for track in tracks] == [
        {"cs"},
        {"de"},
    ]
    with DecodeWorker() as worker:
        (finished,) = worker.decode(film, DecodeOptions(32, 32, pictures=False))
    assert [track.captions[0].language for track in finished.subtitles] == ["cs", "de"]


def test_only_files_of_the_same_name_belong_to_a_video(film):
    for name in ("film.srt", "film.de.vtt", "film.txt", "filming.srt", "other.srt"):
        beside(film, name, "")
    assert [path.name for path in sidecars(film)] == ["film.de.vtt", "film.srt"]


@pytest.mark.parametrize(
    "content",
    [b"Dear diary", bytes(1000), bytes(range(256)) * 4, b"{1}{25}no frame rate", b"[Events]\nx"],
)
def test_a_malformed_file_is_reported_and_the_others_are_read(film, content):
    beside(film, "film.de.srt", srt(DOG_DE, GIRLS_DE))
    bad = beside(film, "film.en.srt", content)
    tracks, failures = read_subtitles(film)
    assert [track.source for track in tracks] == ["film.de.srt"]
    assert str(bad) in str(failures[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([".srt", ".vtt", ".ass"]),
    st.one_of(
        st.binary(max_size=400),
        st.text(max_size=200).map(str.encode),
        st.lists(st.sampled_from([*srt("a", "b"), *ASS.splitlines(), *VTT.splitlines()])).map(
            lambda lines: "\n".join(lines).encode()
        ),
    ),
)
def test_whatever_a_subtitle_file_holds_it_is_read_or_reported(film, suffix, content):
    path = beside(film, f"film{suffix}", content)
    tracks, failures = read_subtitles(film)
    path.unlink()
    assert all(isinstance(failure, MediaError) and str(path) in str(failure) for failure in failures)
    assert all(0 <= c.start_s <= c.end_s and c.text for track in tracks for c in track.captions)


def test_an_oversized_file_is_reported_without_being_read(film):
    path = beside(film, "film.srt", "")
    with path.open("r+b") as file:
        file.truncate(33 << 20)
    tracks, (failure,) = read_subtitles(film)
    assert tracks == []
    assert "too large" in str(failure)


def test_a_folder_or_a_pipe_by_the_name_of_a_subtitle_file_is_reported(film):
    film.with_name("film.de.srt").mkdir()
    os.mkfifo(film.with_name("film.en.srt"))
    tracks, failures = read_subtitles(film)
    assert tracks == []
    assert [failure.what for failure in failures] == ["the subtitle file is no regular file"] * 2


def test_lines_without_words_or_with_reversed_times_are_left_out(film):
    reversed_line = "3\n00:00:09,000 --> 00:00:08,000\nbackwards\n\n"
    beside(film, "film.en.srt", srt("<i></i>", "kept") + reversed_line)
    assert [caption.text for caption in only_track(film).captions] == ["kept"]


def test_lines_are_in_the_order_of_their_times(film):
    late = "1\n00:00:09,000 --> 00:00:10,000\nlate\n\n2\n00:00:01,000 --> 00:00:02,000\nearly\n\n"
    beside(film, "film.en.srt", late)
    assert [caption.text for caption in only_track(film).captions] == ["early", "late"]


@pytest.mark.parametrize("offset_s", [0.0, 10.0])
@pytest.mark.parametrize(
    ("suffix", "video_codec", "subtitle_codec"),
    [
        (".mkv", "libx264", "srt"),
        (".mkv", "libx264", "ass"),
        (".mp4", "libx264", "mov_text"),
        (".webm", "libvpx-vp9", "webvtt"),
    ],
)
def test_tracks_inside_a_video_keep_their_times(tmp_path, suffix, video_codec, subtitle_codec, offset_s):
    path = videos.write_video(
        tmp_path / f"film{suffix}",
        codec=video_codec,
        start_offset_s=offset_s,
        subtitles={
            "de": [(0.5, 1.5, f"{{\\i1}}{DOG_DE}{{\\i0}}, ja"), (2.0, 2.75, "Zwei\\NZeilen")],
            "und": [(0.0, 1.0, "A dog is running along the beach"), (1.0, 2.0, "and a child laughs")],
        },
        subtitle_codec=subtitle_codec,
    )
    tracks, failures = read_subtitles(path)
    assert failures == []
    assert [track.source for track in tracks] == ["track 0", "track 1"]
    assert tracks[0].captions == (
        Caption(f"{DOG_DE}, ja", "de", offset_s + 0.5, offset_s + 1.5),
        Caption("Zwei Zeilen", "de", offset_s + 2.0, offset_s + 2.75),
    )
    assert [caption.language for caption in tracks[1].captions] == ["en", "en"]


def test_a_video_that_cannot_be_opened_is_reported_beside_its_subtitle_file(film):
    beside(film, "film.de.srt", srt(DOG_DE, GIRLS_DE))
    film.write_bytes(b"no video")
    (track,), (failure,) = read_subtitles(film)
    assert track.source == "film.de.srt"
    assert str(film) in str(failure)


def test_a_video_without_subtitles_has_no_tracks_and_no_failures(film):
    assert read_subtitles(film) == ([], [])


def texts_of(film: Path) -> list[str]:
    return [caption.text for caption in only_track(film).captions]


def test_vtt_times_with_a_comma_are_read(film):
    beside(
        film,
        "film.vtt",
        "WEBVTT\n\n00:00:01,000 --> 00:00:02,000\nfirst\n\n00:03,500 --> 00:04,000\nsecond\n",
    )
    assert texts_of(film) == ["first", "second"]


@pytest.mark.parametrize(("name", "content"), [("film.srt", srt("one", "two")), ("film.ass", ASS)])
def test_lines_may_end_as_on_an_old_mac(film, name, content):
    beside(film, name, content)
    as_usual = texts_of(film)
    beside(film, name, content.replace("\n", "\r"))
    assert texts_of(film) == as_usual != []


@pytest.mark.parametrize("name", ["film.vtt", "film.srt"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_a_last_line_of_digits_is_a_line(film, name, end):
    head = "WEBVTT\n\n" if name.endswith("vtt") else ""
    beside(
        film,
        name,
        f"{head}1\n00:00:01.000 --> 00:00:02.000\nThe year is\n\n2\n00:00:03.000 --> 00:00:04.000\n1984{end}",
    )
    assert texts_of(film) == ["The year is", "1984"]


@pytest.mark.parametrize(
    "line", ["[Script Info]", "{1}{25}old", "<SAMI>", "<tt xmlns='x'>", "WEBVTT", '{"a": 1}', "[Events]"]
)
def test_a_line_that_looks_like_another_format_is_a_line(film, line):
    beside(film, "film.srt", srt(line, "kept"))
    assert texts_of(film)[-1] == "kept"


@pytest.mark.parametrize(
    "content",
    [
        "WEBVTT\n\nNOTE nothing else\n",
        "1\n00:00:01,000 --> 00:00:0x,000\nwords\n",
        "<?xml version='1.0'?><tt xmlns='http://www.w3.org/ns/ttml'><body>"
        "<p begin='1t' end='2t'>&x;</p></body></tt>",
        '[{"start": 1e300, "end": Infinity, "text": "x"}]',
        "[" * 100_000,
    ],
)
def test_a_file_with_content_and_no_line_is_one_remark_that_names_it(film, content):
    bad = beside(film, "film.de.srt", content)
    beside(film, "film.en.srt", srt("kept", "too"))
    tracks, (problem,) = read_subtitles(film)
    assert [track.source for track in tracks] == ["film.en.srt"]
    assert str(bad) in str(problem)


@pytest.mark.parametrize("content", [b"", b"\r\n \n", b"\xef\xbb\xbf", b"\xff\xfe\n\0"])
def test_an_empty_file_is_empty_and_not_broken(film, content):
    beside(film, "film.de.srt", content)
    beside(film, "film.en.srt", srt("kept", "too"))
    assert [track.source for track in read_subtitles(film)[0]] == ["film.en.srt"]
    assert read_subtitles(film)[1] == []


def test_times_that_cannot_be_read_are_named_by_their_line(film):
    beside(
        film,
        "film.srt",
        srt("one", "two").replace("00:00:03,000 -->", "00:00:3x,000 -->").replace("3x", "03.0.0"),
    )
    (track,), (problem,) = read_subtitles(film)
    assert [caption.text for caption in track.captions] == ["one"]
    assert "line 6" in str(problem)


def test_a_line_beyond_reason_is_cut_and_named(film):
    beside(film, "film.en.srt", srt("word " * 900, "kept"))
    (track,), (problem,) = read_subtitles(film)
    assert [len(caption.text) <= 2_000 for caption in track.captions] == [True, True]
    assert "line 2: cut" in str(problem)


def test_a_file_that_takes_too_long_costs_itself_alone(film, monkeypatch):
    beside(film, "film.de.srt", "slow")
    beside(film, "film.en.srt", srt("kept", "too"))
    parse = subtitles._parse
    monkeypatch.setattr(subtitles, "_TIME_LIMIT_S", 0.2)
    monkeypatch.setattr(
        subtitles, "_parse", lambda text, *rest: time.sleep(30) if text == "slow" else parse(text, *rest)
    )
    tracks, (problem,) = read_subtitles(film)
    assert [track.source for track in tracks] == ["film.en.srt"]
    assert "took too long" in str(problem)
    assert "film.de.srt" in str(problem)


@pytest.mark.parametrize(
    "raised", [RecursionError("deep"), OverflowError("inf"), MemoryError(), TypeError("odd")]
)
def test_whatever_a_parser_raises_costs_its_file_alone(film, monkeypatch, raised):
    def parse(*_args):
        raise raised

    beside(film, "film.de.srt", "x")
    monkeypatch.setattr(subtitles, "_parse", parse)
    tracks, (problem,) = read_subtitles(film)
    assert tracks == []
    assert "film.de.srt" in str(problem)


def test_a_subtitle_file_belongs_to_the_longest_name_that_is_there(tmp_path):
    for name in ("talk.mp4", "talk.part2.mp4", "talk.en.srt", "talk.part2.en.srt", "talk.part3.en.srt"):
        (tmp_path / name).touch()
    assert [path.name for path in sidecars(tmp_path / "talk.part2.mp4")] == ["talk.part2.en.srt"]
    assert [path.name for path in sidecars(tmp_path / "talk.mp4")] == ["talk.en.srt", "talk.part3.en.srt"]


@pytest.mark.parametrize(
    ("video", "subtitle"),
    [("Caf\u00e9.mp4", "Cafe\u0301.de.srt"), ("Cafe\u0301.mp4", "Caf\u00e9.srt"), ("Film.MP4", "film.srt")],
)
def test_names_match_however_accents_and_capitals_are_written(tmp_path, video, subtitle):
    (tmp_path / video).touch()
    (tmp_path / subtitle).write_text(srt(DOG_DE, GIRLS_DE))
    (track,), _ = read_sidecars(tmp_path / video)
    assert track.captions[0].language == "de"


@pytest.mark.parametrize(
    ("name", "language"), [("film.hi.eng.srt", "en"), ("film.en.hi.srt", "en"), ("film.hi.srt", "hi")]
)
def test_hi_beside_a_language_is_for_the_hearing_impaired(film, name, language):
    beside(film, name, srt(DOG_DE, GIRLS_DE))
    assert only_track(film).captions[0].language == language


def test_captions_that_roll_up_are_said_once(film):
    said = ["so this is", "the first thing", "that we will", "look at today"]
    cues, before = [], " "
    for at, line in enumerate(said):
        cues.append(
            f"00:00:{at * 2:02d}.000 --> 00:00:{at * 2 + 1:02d}.990 align:start\n{before}\n"
            f"{line[:4]}<00:00:{at * 2:02d}.500><c>{line[4:]}</c>"
        )
        cues.append(f"00:00:{at * 2 + 1:02d}.990 --> 00:00:{at * 2 + 2:02d}.000 align:start\n{line}\n ")
        before = line
    beside(film, "film.en.vtt", "WEBVTT\nKind: captions\n\n" + "\n\n".join(cues) + "\n")
    assert [(caption.text, caption.start_s) for caption in only_track(film).captions] == [
        (line, at * 2.0) for at, line in enumerate(said)
    ]


def test_a_line_said_twice_stays_twice(film):
    beside(film, "film.en.srt", srt("No!", "No!"))
    assert texts_of(film) == ["No!", "No!"]


def test_entities_and_mark_up_of_srt_are_gone(film):
    beside(
        film,
        "film.en.srt",
        srt("Tom &amp; Jerry <font color='#fff'>&lt;3</font>", "{\\an8}{\\i1}up{\\i0} there\\Nnow, 1 < 2"),
    )
    assert texts_of(film) == ["Tom & Jerry <3", "up there now, 1 < 2"]


def test_ass_without_styles_is_read(film):
    beside(film, "film.en.ass", ASS[ASS.index("[Events]") :])
    assert texts_of(film) == ["Hello, world"]


def begin_at(path: Path, start_s: int) -> Path:
    """Let the edit lists of an mp4 begin all tracks at ``start_s``, as a cut by stream copy does."""
    data = bytearray(path.read_bytes())
    moov, end = videos.find_box(bytes(data), b"moov")
    for kind, start, stop in videos.boxes(bytes(data), moov + 8, end):
        if kind == b"trak":
            header, _ = videos.find_box_within(bytes(data), start, stop, b"mdia", b"mdhd")
            (ticks,) = struct.unpack_from(">I", data, header + 20)
            edits, _ = videos.find_box_within(bytes(data), start, stop, b"edts", b"elst")
            struct.pack_into(">i", data, edits + 20, start_s * ticks)
    path.write_bytes(bytes(data))
    return path


def test_texts_of_an_mp4_cut_by_copy_keep_their_times(tmp_path):
    whole = videos.write_video(
        tmp_path / "cut.mp4",
        seconds=60,
        fps=2,
        encoder_options={"g": "50", "bf": "0"},
        subtitles={"en": [(40.0, 42.0, "first"), (50.0, 52.0, "second")]},
        subtitle_codec="mov_text",
    )
    part = begin_at(whole, 25)
    with av.open(str(part)) as container:  # the fault: what FFmpeg makes of it by itself
        stamps = [float(p.pts * p.time_base) for p in container.demux(subtitles=0) if p.size > 2]
    assert stamps == [0.0, 10.0]
    (track,), problems = read_subtitles(part)
    assert problems == []
    assert [(c.text, c.start_s, c.end_s) for c in track.captions] == [
        ("first", 15.0, 17.0),
        ("second", 25.0, 27.0),
    ]


def test_tracks_beyond_what_one_message_holds_are_left_out_and_named(film, monkeypatch):
    beside(film, "film.de.srt", srt(DOG_DE * 5, GIRLS_DE * 5))
    beside(film, "film.en.srt", srt("kept", "too"))
    monkeypatch.setattr(subtitles, "_MAX_TOTAL_CHARS", 300)
    (track,), (problem,) = read_subtitles(film)
    assert track.source == "film.en.srt"
    assert "film.de.srt" in str(problem)


def test_bad_subtitle_files_cost_a_worker_neither_their_video_nor_the_lines_of_the_next(film):
    for number, content in enumerate(
        [
            "<?xml version='1.0'?><tt xmlns='http://www.w3.org/ns/ttml'><p begin='9t'>&x;</p></tt>",
            '{"start": [1e300, Infinity]',
            "[" * 50_000,
            "1\n99999:00:00,000 --> 99999:00:01,000\nwords\n",
        ]
    ):
        beside(film, f"film.{number}.srt", content)
    other = videos.write_video(film.with_name("other.mp4"), seconds=0.2)
    beside(film, "other.en.srt", srt("its own", "lines"))
    with DecodeWorker() as worker:
        first, second = (list(worker.decode(path, DecodeOptions(8, 8)))[-1] for path in (film, other))
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert first.health is not None
    assert len(first.problems) == 4
    assert all(f"film.{number}.srt" in problem for number, problem in enumerate(first.problems))
    assert [caption.text for track in second.subtitles for caption in track.captions] == ["its own", "lines"]
    assert second.problems == ()
