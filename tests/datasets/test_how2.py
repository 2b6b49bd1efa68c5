import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import NFC, NFD, write

from polyreel.clips import Caption
from polyreel.datasets.how2.aligning import AlignmentReport, align_video
from polyreel.datasets.how2.reader import How2Files, find_how2
from polyreel.datasets.how2.scanning import scan
from polyreel.datasets.how2.tracks import Track, VideoTracks, cleaned
from polyreel.datasets.how2.values import parse_value
from polyreel.errors import DatasetError
from polyreel.languages import clean
from polyreel.problems import Problems

LINES = {"text": ["one", "two"], "start": [0.0, 2.0], "end": [2.0, 4.0]}
GERMAN = "Jetzt schneiden wir die Zwiebel in kleine Stücke und geben sie in die Pfanne"
SPANISH = "Ahora cortamos la cebolla en trozos pequeños y los ponemos en la sartén"


def value(*lines: tuple[str, float | None, float | None]) -> dict[str, list[object]]:
    columns = zip(*lines, strict=True)
    return dict(zip(("text", "start", "end"), map(list, columns), strict=True))


def read(folder: Path, **options: str) -> tuple[list, AlignmentReport, Problems]:
    problems, report = Problems(), AlignmentReport()
    files = How2Files(find_how2(folder, problems), problems)
    records = []
    for video in files.videos():
        records += align_video(video, report, **options)
        records += problems.drain()
    return [*records, *problems.drain()], report, problems


def texts(record) -> dict[str, str]:
    return {caption.language: caption.text for caption in record.captions}


def parsed(content: object) -> tuple[Track | None, Problems]:
    problems = Problems()
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return parse_value(raw, "how2_en.json, video a", problems, language="en"), problems


# --- the files ---


def test_lines_of_every_language_come_together_whatever_the_order_of_the_videos(tmp_path):
    write(
        tmp_path,
        {
            "how2_en.json": {"a": LINES, "b": value(("bee", 1.0, 3.0))},
            "how2_de.json": {"b": value(("Biene", 1.0, 3.0)), "c": value(("See", 0.0, 1.0)), "a": LINES},
        },
    )
    records, report, problems = read(tmp_path)
    assert [(r.clip.video, r.clip.start_s, texts(r)) for r in records] == [
        ("a", 0.0, {"en": "one", "de": "one"}),
        ("a", 2.0, {"en": "two", "de": "two"}),
        ("b", 1.0, {"en": "bee", "de": "Biene"}),
        ("c", 0.0, {"de": "See"}),
    ]
    assert report.coverage("de") == 1.0
    assert report.coverage("en") == 0.75
    assert len(problems) == 0


@pytest.mark.parametrize("chunk", [7, 64, 4 << 20])
def test_scanning_finds_what_json_finds(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("polyreel.datasets.how2.scanning._CHUNK_BYTES", chunk)
    tricky = {
        'with "quotes" and {braces}': value(('she said: "}],{" \\', 0.0, 1.0)),
        "ünïcode": value((NFC, 0.5, 2.0), ("\u2028\x0b", 2.0, 3.0)),
        "": LINES,
        "empty": {},
    }
    for indent, ascii_only in ((None, True), (2, False)):
        text = json.dumps(tricky, indent=indent, ensure_ascii=ascii_only)
        path = write(tmp_path, {"f.json": text}) / "f.json"
        problems = Problems()
        entries = list(scan(path, problems))
        data = path.read_bytes()
        found = {e.key: json.loads(data[e.offset : e.offset + e.length]) for e in entries}
        assert found == tricky
        assert len(problems) == 0


@given(st.dictionaries(st.text(), st.fixed_dictionaries({"text": st.lists(st.text())})), st.booleans())
def test_scanning_any_object(tmp_path_factory, videos, ascii_only):
    path = tmp_path_factory.mktemp("scan") / "f.json"
    path.write_bytes(json.dumps(videos, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))
    assert [entry.key for entry in scan(path, Problems())] == list(videos)


def test_a_byte_order_mark_and_windows_line_ends(tmp_path):
    text = json.dumps({"a": LINES, "b": LINES}, indent=1).replace("\n", "\r\n")
    write(tmp_path, {"how2_en.json": b"\xef\xbb\xbf" + text.encode()})
    records, _, problems = read(tmp_path)
    assert len(records) == 4
    assert len(problems) == 0


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.99])
def test_a_file_cut_short_gives_what_is_whole(tmp_path, share):
    whole = json.dumps({f"v{number}": LINES for number in range(20)})
    write(tmp_path, {"how2_en.json": whole[: int(len(whole) * share)]})
    records, _, problems = read(tmp_path)
    complete = whole[: int(len(whole) * share)].count("}")
    assert len({record.clip.video for record in records}) == complete
    (problem,) = problems.examples
    assert "cut short" in str(problem)
    assert "how2_en.json, line 1, byte" in str(problem)
    assert f"after video v{complete - 1}" in str(problem)


def test_a_broken_entry_ends_the_file_and_is_named_with_its_line(tmp_path):
    text = json.dumps({"a": LINES, "b": LINES, "c": LINES}, indent=None).replace(', "b"', ',\n"b"')
    write(tmp_path, {"how2_en.json": text.replace('"b":', '"b"'), "how2_de.json": {"c": LINES}})
    records, _, problems = read(tmp_path)
    assert {record.clip.video for record in records} == {"a", "c"}
    (problem,) = problems.examples
    assert "not as it should be" in str(problem)
    assert "line 2" in str(problem)
    assert "after video a" in str(problem)


def test_a_quotation_mark_that_is_never_closed_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("polyreel.datasets.how2.scanning._CHUNK_BYTES", 1 << 10)
    text = json.dumps({"a": LINES})[:-1] + ', "b": {"text": ["' + "x" * 1_000_000 + '"], "start": []}}'
    path = write(tmp_path, {"f.json": text}) / "f.json"
    problems = Problems()
    assert [entry.key for entry in scan(path, problems, max_entry_bytes=10_000)] == ["a"]
    assert "an entry has no end" in str(problems.examples[0])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[1, 2]", "no JSON object"),
        (b"", "no JSON object"),
        (b"\x80\x04\x95 pickled", "no JSON object"),
        (json.dumps({"a": LINES}).encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_no_caption_file_is_refused(tmp_path, content, said):
    write(tmp_path, {"how2_en.json": content})
    with pytest.raises(DatasetError, match=said) as caught:
        read(tmp_path)
    assert "how2_en.json" in str(caught.value)


def test_a_file_without_videos_and_one_that_goes_on(tmp_path):
    write(tmp_path, {"how2_en.json": "{}", "how2_de.json": json.dumps({"a": LINES}) + ' {"b": 1}'})
    records, _, problems = read(tmp_path)
    assert len(records) == 2
    assert [problem.what for problem in problems.examples] == [
        "the file has no videos",
        "the file goes on behind its last bracket",
    ]


def test_a_video_that_occurs_twice_in_a_file(tmp_path):
    first, second = (json.dumps(value((text, 0.0, 1.0))) for text in ("first", "second"))
    write(tmp_path, {"how2_en.json": f'{{"a": {first}, "a": {second}}}'})
    records, _, problems = read(tmp_path)
    assert [texts(record) for record in records] == [{"en": "first"}]
    assert "a video occurs twice" in str(problems.examples[0])


def test_unknown_codes_packed_files_and_empty_folders(tmp_path):
    with pytest.raises(DatasetError, match=r"Put how2_en\.json"):
        find_how2(tmp_path / "nowhere", Problems())
    write(tmp_path, {"how2_en.json.gz": {}})
    with pytest.raises(DatasetError, match=r"Unpack how2_en\.json\.gz"):
        find_how2(tmp_path, Problems())
    write(tmp_path, {"how2_en.json": {"a": LINES}, "how2_xq.json": {"a": LINES}, "how2_eng.json": {}})
    problems = Problems()
    assert list(find_how2(tmp_path, problems)) == ["en"]
    assert {problem.what for problem in problems.examples} == {
        "an unknown language code in a file's name: left out",
        "two files of one language: left out",
    }


def test_a_file_that_is_not_in_the_language_of_its_name(tmp_path):
    def videos(sentence):
        return {f"v{number}": value((f"{sentence} {number}", 0.0, 2.0)) for number in range(5)}

    write(tmp_path, {"how2_de.json": videos(GERMAN), "how2_sw.json": videos(SPANISH)})
    problems = Problems()
    files = How2Files(find_how2(tmp_path, problems), problems)
    assert files.detected() == {"sw": "es"}
    assert "how2_sw.json (es, not sw)" in str(problems.examples[0])
    assert {tag for video in files.videos() for tag in video.tracks} == {"de", "sw"}, "only when asked to"
    files.relabel({"sw": "es"})
    assert files.languages == ["de", "es"]
    assert {tag for video in files.videos() for tag in video.tracks} == {"de", "es"}


def test_a_relabelled_file_does_not_displace_the_real_one(tmp_path):
    write(tmp_path, {"how2_es.json": {"a": LINES}, "how2_sw.json": {"b": LINES}})
    problems = Problems()
    files = How2Files(find_how2(tmp_path, problems), problems)
    files.relabel({"sw": "es"})
    assert {video.video for video in files.videos() if video.tracks} == {"a"}
    assert "how2_sw.json (es, as how2_es.json)" in str(problems.examples[0])


# --- the values ---


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"text": ["a"], "start": [0.0]}, "lack a list"),
        ({"text": "a", "start": [0.0], "end": [1.0]}, "lack a list"),
        ({"text": ["a", "b"], "start": [0.0], "end": [1.0, 2.0]}, "differ in length"),
        ({"text": ["a"], "start": [0.0], "end": [1.0, 2.0]}, "differ in length"),
        (["a"], "no object"),
        (None, "no object"),
        (b'{"text": [', "no JSON"),
        ({"text": ["a"], "start": [0], "end": ["soon"]}, "an end is no time"),
        ({"text": ["a"], "start": ["now"], "end": [1.0]}, "a start is no time"),
        ({"text": ["a"], "start": [0.0], "end": [float("inf")]}, "an end is no time"),
        ({"text": ["a"], "start": [float("nan")], "end": [1.0]}, "a start is no time"),
        ({"text": ["a"], "start": [3.0], "end": [1.0]}, "ends before it starts"),
        ({"text": ["a"], "start": [-3.0], "end": [-1.0]}, "before the video"),
        ({"text": [7], "start": [0.0], "end": [1.0]}, "no string"),
        ({"text": [" \t\u200b"], "start": [0.0], "end": [1.0]}, "has no text"),
    ],
)
def test_a_line_or_video_that_cannot_be_used_is_named(content, said):
    track, problems = parsed(content)
    assert track is None
    assert said in str(problems.examples[0])
    assert "how2_en.json, video a" in str(problems.examples[0])


def test_one_bad_line_costs_only_itself():
    track, problems = parsed(value(("a", 0.0, 1.0), ("b", 5.0, 2.0), ("c", 2.0, 3.0)))
    assert track.texts == ["a", "c"]
    assert problems.counts.total() == 1


def test_a_missing_end_is_the_next_start_but_at_most_five_seconds():
    track, problems = parsed(value(("a", 0.0, None), ("b", 2.0, None), ("c", 60.0, 60.0)))
    assert track.ends_s == [2.0, 7.0, 65.0]
    shorter, more = parsed({"text": ["a", "b"], "start": [0.0, 2.0], "end": [1.5]})
    assert shorter.ends_s == [1.5, 7.0]
    assert {*problems.counts, *more.counts} == {"an end is missing: the line lasts until the next"}


def test_a_negative_start_is_cut_and_disorder_is_sorted():
    track, problems = parsed(value(("b", 3.0, 4.0), ("a", -1.0, 3.5)))
    assert (track.texts, track.starts_s, track.ends_s) == (["a", "b"], [0.0, 3.0], [3.5, 4.0])
    assert set(problems.counts) == {
        "a start is negative: cut at 0",
        "lines are not in order of time: sorted",
        "lines overlap each other: kept",
    }


def test_another_encoding_and_a_key_that_occurs_twice():
    # Old files were put together from pieces: one line is UTF-8, the next is not.
    lines = json.dumps(value((GERMAN, 0.0, 1.0), ("Größe #", 1.0, 2.0)), ensure_ascii=False)
    raw = lines.encode().replace("Größe #".encode(), "Größe #".encode("cp1252"))
    track, problems = parsed(raw)
    assert track.texts == [GERMAN, "Größe #"]
    assert "read as another encoding: how2_en.json, video a (cp1252)" in str(problems.examples[0])
    russian = json.dumps(value(("лук", 0.0, 1.0)), ensure_ascii=False).encode("cp1251")
    assert parse_value(russian, "", Problems(), language="ru").texts == ["лук"]
    track, problems = parsed(b'{"text": ["a"], "start": [0], "end": [1], "text": ["b"]}')
    assert track.texts == ["a"]
    assert "twice" in str(problems.examples[0])


@given(st.text())
def test_cleaning_is_that_of_every_text(text):
    assert cleaned(text) == clean(text)
    assert cleaned(NFD) == NFC


def test_problems_are_all_counted_and_some_kept():
    told = []
    problems = Problems(told.append)
    for number in range(50):
        problems.leave_out("no good", item=number)
    assert (len(problems), len(problems.examples), len(told)) == (50, 20, 50)
    assert [missing.id for missing in problems.drain()] == [str(number) for number in range(50)]
    assert list(problems.drain()) == []


# --- the alignment ---


def track(*lines: tuple[str, float, float]) -> Track:
    said, starts, ends = (list(column) for column in zip(*lines, strict=True))
    return Track(said, starts, ends)


def aligned(**tracks: Track) -> list[tuple[float, float, dict[str, str]]]:
    records = align_video(VideoTracks("v", tracks), AlignmentReport())
    return [(r.clip.start_s, r.clip.end_s, texts(r)) for r in records]


def test_a_line_that_is_two_elsewhere_takes_both():
    german = track(("das", 0.0, 1.8), ("ist", 2.0, 4.0), ("gut", 5.0, 6.0))
    chinese = track(("这", 0.0, 1.8), ("好", 2.0, 4.0))
    assert aligned(en=track(("this is", 0.0, 4.0), ("good", 5.0, 6.0)), de=german, zh=chinese) == [
        (0.0, 4.0, {"en": "this is", "de": "das ist", "zh": "这好"}),
        (5.0, 6.0, {"en": "good", "de": "gut"}),
    ]


def test_two_lines_that_are_one_elsewhere_become_one_clip():
    english = track(("and a couple", 0.0, 5.0), ("of people", 5.2, 9.0), ("asked", 9.0, 11.0))
    russian = track(("и несколько человек", 0.0, 9.0), ("спросили", 9.0, 11.0))
    assert aligned(en=english, ru=russian) == [
        (0.0, 9.0, {"en": "and a couple of people", "ru": "и несколько человек"}),
        (9.0, 11.0, {"en": "asked", "ru": "спросили"}),
    ]


def test_a_language_in_one_long_line_joins_nothing_and_is_not_attached():
    english = track(*[(str(n), 3.0 * n, 3.0 * n + 3.0) for n in range(20)])
    assert aligned(en=english, de=track(("alles auf einmal", 0.0, 60.0)))[0][2]["en"] == "0 1 2 3 4 5"
    lone = align_video(
        VideoTracks("v", {"en": english, "de": track(("alles auf einmal", 0.0, 60.0))}),
        AlignmentReport(),
        max_clip_s=3.0,
    )
    assert all(set(texts(record)) == {"en"} for record in lone)


def test_rolling_captions_are_not_one_endless_clip():
    lines = [(f"line {n}", 2.0 * n, 2.0 * n + 4.0) for n in range(50)]
    found = aligned(en=track(*lines), de=track(*lines))
    assert [(start, end) for start, end, _ in found[:2]] == [(0.0, 2.0), (2.0, 4.0)]
    assert len(found) == 50
    assert all(said["en"] == said["de"] for _, _, said in found)


def test_shifted_lines_go_to_the_clip_that_they_overlap_most():
    english = track(*[(f"e{n}", 4.0 * n, 4.0 * n + 4.0) for n in range(5)])
    late = track(*[(f"d{n}", 4.0 * n + 1.0, 4.0 * n + 5.0) for n in range(5)])
    assert [said.get("de") for _, _, said in aligned(en=english, de=late)] == ["d0", "d1", "d2", "d3", "d4"]


def test_lines_that_begin_together_are_one_clip_and_without_english_another_language_leads():
    assert aligned(en=track(("A: yes", 0.0, 2.0), ("B: no", 0.1, 2.5))) == [
        (0.0, 2.5, {"en": "A: yes B: no"})
    ]
    assert aligned(es=track(("sí", 0.0, 2.0)), vi=track(("có", 0.0, 2.0))) == [
        (0.0, 2.0, {"vi": "có", "es": "sí"})
    ]
    assert aligned() == []


def test_the_report_says_what_was_used():
    report = AlignmentReport()
    english = track(*[(f"e{n}", 4.0 * n, 4.0 * n + 4.0) for n in range(4)])
    german = track(("d0", 0.0, 4.0), ("d1", 4.0, 7.0), ("weit weg", 90.0, 92.0))
    for video in (VideoTracks("v", {"en": english, "de": german}), VideoTracks("w", {"en": english})):
        list(align_video(video, report))
    assert (report.videos, report.clips, report.anchor_lines) == (2, 8, 8)
    assert report.summary()["de"] == {
        "videos": 1,
        "lines": 3,
        "captions": 2,
        "coverage": 0.25,
        "recovered": 0.5,
        "median_overlap": 0.75,
        "unused_lines": 1,
    }


def test_lines_that_begin_shortly_after_one_another_do_not_reach_into_the_next_clip():
    """Each begins together with the one before it, and the third not with the first."""
    lines = track(("one", 0.0, 3.0), ("two", 0.2, 3.0), ("three", 0.4, 3.0))
    clips = [record.clip for record in align_video(VideoTracks("v", {"en": lines}), AlignmentReport())]
    assert [(clip.start_s, clip.end_s) for clip in clips] == [(0.0, 0.4), (0.4, 3.0)]


spans = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), min_size=1, max_size=30)


@given(st.dictionaries(st.sampled_from(["en", "de", "zh", "sw"]), spans, min_size=1))
def test_whatever_the_times_clips_are_in_order_apart_and_no_line_is_in_two(languages):
    tracks = {
        tag: track(*[(f"{tag}{n}", s / 10, (s + d) / 10) for n, (s, d) in enumerate(sorted(lines))])
        for tag, lines in languages.items()
    }
    report = AlignmentReport()
    records = align_video(VideoTracks("v", tracks), report)
    clips = [record.clip for record in records]
    assert all(a.end_s <= b.start_s + 1e-9 for a, b in pairwise(clips))
    assert len({clip.clip_id for clip in clips}) == len(clips)
    base = "en" if "en" in tracks else next(tag for tag in ("de", "zh", "sw") if tag in tracks)
    assert sum(base in texts(record) for record in records) == len(records)
    for tag, given_track in tracks.items():
        said = "".join(texts(record).get(tag, "") for record in records).replace(" ", "")
        used = [text for text in given_track.texts if text in said]
        assert report.of(tag).used_lines <= len(given_track)
        assert len(said) == sum(map(len, given_track.texts)) or tag != base
        assert report.of(tag).used_lines <= len(used)


# --- real subtitles ---


def test_every_language_of_real_subtitles_recovers_95_percent(shared_data):
    records, report, problems = read(shared_data / "timed-captions")
    assert report.anchor_lines == 557
    coverage = {tag: report.coverage(tag) for tag in report.languages}
    assert set(coverage) == {"en", "de", "fr", "cs", "zh", "ru", "vi", "es"}
    assert min(coverage.values()) >= 0.95, coverage
    assert all(language.median_overlap >= 0.95 for language in report.languages.values())
    assert len(problems) == 0
    assert all(isinstance(caption, Caption) and caption.text for r in records for caption in r.captions)


def test_real_subtitles_survive_other_boundaries(shared_data, tmp_path):
    """Lines joined and shifted at random, as another translator would cut them."""
    draw = random.Random(0)
    for path in (shared_data / "timed-captions").glob("how2_*.json"):
        videos = json.loads(path.read_bytes())
        if path.stem != "how2_en":
            for columns in videos.values():
                for place in range(len(columns["start"])):
                    columns["start"][place] = max(0.0, columns["start"][place] + draw.uniform(-0.6, 0.6))
                    columns["end"][place] = columns["end"][place] + draw.uniform(-0.3, 0.6)
        write(tmp_path, {path.name: videos})
    _, report, _ = read(tmp_path)
    assert min(report.coverage(tag) for tag in report.languages) >= 0.95
