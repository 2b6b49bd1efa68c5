"""Hits for editors, players and spreadsheets: read back by the programs' own readers, frame by frame."""

from __future__ import annotations

import codecs
import csv
import io
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlparse
from xml.etree import ElementTree

import pytest

import videos
from polyreel.errors import MediaError, NotFoundError, UnknownNameError, UsageError
from polyreel.library.exchange.edl import as_edl
from polyreel.library.exchange.exporting import export_hits
from polyreel.library.exchange.fcpxml import as_fcpxml
from polyreel.library.exchange.lists import as_csv, as_m3u
from polyreel.library.exchange.moments import FilmMoment, in_frames, moments_of
from polyreel.library.exchange.otio import as_otio
from polyreel.library.results import Evidence, Hit, SubtitleEvidence
from polyreel.media.film_facts import FilmFacts, film_facts
from polyreel.media.frame_rates import count_of_timecode, drops_frames, standard_rate, timecode

NTSC, FILM = Fraction(30000, 1001), Fraction(24000, 1001)
RATES = [Fraction(25), NTSC, FILM, Fraction(24), Fraction(50), Fraction(60000, 1001)]


def hit(rank: int, video: str, start_s: float, end_s: float, text: str = "") -> Hit:
    line = SubtitleEvidence(text=text, language="en", start_s=2, end_s=3.5) if text else None
    evidence = Evidence(visual=0.3, picture=0.5, line=None, subtitle=line)
    return Hit(
        video=video,
        video_id="v",
        clip_id=f"v@{rank}",
        start_s=start_s,
        end_s=end_s,
        watch_start_s=start_s,
        watch_end_s=end_s,
        score=0.5,
        rank=rank,
        strength=0.5,
        grade="fair",
        thumbnail="t.jpg",
        media=video,
        evidence=evidence,
    )


def film(rate: Fraction, *, seconds: int = 600, timecode: str | None = None, sound: bool = True) -> FilmFacts:
    count = round(seconds * rate)
    return FilmFacts(rate, False, count, 1920, 1080, timecode, 2 if sound else 0, 48_000 if sound else 0)


def moments(rate: Fraction, *, name: str = "/films/a b.mp4", **facts) -> list[FilmMoment]:
    """Three hits at odd frames, whose seconds are rounded to milliseconds as everywhere."""
    frames = [(7, 20), (1799, 1801), (89, 4321)]
    spans = [(round(float(a / rate), 3), round(float(b / rate), 3)) for a, b in frames]
    hits = [hit(n, name, *span, text="so & so") for n, span in enumerate(spans, start=1)]
    found, problems = moments_of(hits, lambda _: film(rate, **facts))
    assert problems == []
    assert [(each.first, each.length) for each in found] == [(a, b - a) for a, b in frames]
    return found


# Frames


@pytest.mark.parametrize("rate", RATES)
def test_milliseconds_of_every_frame_mean_that_frame(rate):
    for frame in range(0, 5000, 7):
        seconds = round(float(frame / rate), 3)
        assert in_frames(seconds, round(float((frame + 3) / rate), 3), rate) == (frame, 3)
    assert in_frames(9.0, 9.0, rate, frames=10) == (9, 1)


@pytest.mark.parametrize(
    ("stated", "meant"),
    [
        (Fraction(2997, 100), NTSC),
        (Fraction(19001, 317 * 2), NTSC),
        (Fraction(30), Fraction(30)),
        (Fraction(23976, 1000), FILM),
        (Fraction(24), Fraction(24)),
        (Fraction(5994, 100), Fraction(60000, 1001)),
        (Fraction(25001, 1000), Fraction(25)),
        (Fraction(74, 10), Fraction(7)),
        (Fraction(1, 3), Fraction(1)),
    ],
)
def test_the_rate_that_a_file_means(stated, meant):
    assert standard_rate(stated) == meant


def test_time_codes_are_those_of_an_independent_implementation():
    opentime = pytest.importorskip("opentimelineio").opentime
    for rate in RATES:
        for drop in {False, drops_frames(rate)}:
            for count in [*range(0, 20_000, 13), *range(17_960, 18_010), 1_989_407]:
                expected = opentime.to_timecode(opentime.RationalTime(count, float(rate)), float(rate), drop)
                assert timecode(count, rate, drop=drop) == expected
                assert count_of_timecode(expected, rate) == count


def test_facts_of_films(tmp_path):
    ntsc = videos.write_video(
        tmp_path / "ntsc.mp4", seconds=1.001, fps=30000 / 1001, size=(64, 48), audio=True
    )
    assert film_facts(ntsc) == FilmFacts(NTSC, False, 30, 64, 48, None, 2, 48_000)
    uneven = videos.write_video(tmp_path / "uneven.mp4", times_s=[0, 0.1, 0.5, 0.55, 3], size=(64, 48))
    assert film_facts(uneven).is_variable
    facts = film(NTSC, timecode="00:00:59;29")
    assert FilmFacts.of_json(facts.to_json()) == facts


# Formats


@pytest.mark.parametrize("rate", RATES)
def test_otio_is_read_back_to_the_frame(rate):
    otio = pytest.importorskip("opentimelineio")
    found = moments(rate, timecode="01:00:00:00")
    timeline = otio.adapters.read_from_string(as_otio(found, "dogs"), "otio_json")
    hour = 3600 * round(rate)
    for track in timeline.tracks:
        clips = list(track)
        for clip, moment in zip(clips, found, strict=True):
            span = clip.source_range
            assert (span.start_time.value, span.duration.value) == (hour + moment.first, moment.length)
            assert span.start_time.rate == float(rate)
            assert clip.media_reference.available_range.start_time.value == hour
            assert clip.media_reference.target_url == "file:///films/a%20b.mp4"
            assert clip.metadata["polyreel"]["text"] == "so & so"
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio"]


@pytest.mark.parametrize("rate", RATES)
def test_an_edl_is_read_back_to_the_frame(rate):
    otio = pytest.importorskip("opentimelineio")
    pytest.importorskip("otio_cmx3600_adapter")
    found = moments(rate)
    text = as_edl(found, "dogs")
    assert text.splitlines()[:2] == [
        "TITLE: dogs",
        f"FCM: {'DROP FRAME' if drops_frames(rate) else 'NON-DROP FRAME'}",
    ]
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    clips = list(timeline.tracks[0])
    begun = count_of_timecode("01:00:00;00" if drops_frames(rate) else "01:00:00:00", rate)
    assert timeline.global_start_time is None or timeline.global_start_time.value == begun
    for clip, moment in zip(clips, found, strict=True):
        span = clip.source_range
        assert (span.start_time.value, span.duration.value) == (moment.first, moment.length)
        assert clip.name == "a b.mp4"


def test_reels_of_an_edl_are_unique_and_lists_without_drop_frame_say_so():
    names = ["/f/holiday one.mp4", "/f/holiday two.mp4", "/f/Отпуск.mp4", "/f/!!!.mp4"]
    hits = [hit(n, name, 1, 2) for n, name in enumerate(names, start=1)]
    found, _ = moments_of(hits, lambda _: film(NTSC, timecode="10:00:00:00", sound=False))
    lines = as_edl(found, "x").splitlines()
    events = [line.split() for line in lines if line[:3].isdigit()]
    assert [event[1] for event in events] == ["HOLIDAYO", "HOLIDAYT", "OTPUSK", "FILM"]
    assert lines[1] == "FCM: NON-DROP FRAME"
    assert events[0][2:6] == ["V", "C", "10:00:01:00", "10:00:02:00"]
    same, _ = moments_of([hit(1, "/a/film.mp4", 0, 1), hit(2, "/b/film.mp4", 0, 1)], lambda _: film(NTSC))
    assert [line.split()[1] for line in as_edl(same, "x").splitlines() if line[:3].isdigit()] == [
        "FILM",
        "FILM2",
    ]


def test_an_edl_counts_films_of_several_rates_at_one():
    facts = {"/a.mp4": film(Fraction(25)), "/b.mp4": film(Fraction(50)), "/c.mp4": film(Fraction(25))}
    hits = [hit(n, name, 1, 2) for n, name in enumerate(facts, start=1)]
    found, _ = moments_of(hits, lambda path: facts[str(path)])
    events = [line.split() for line in as_edl(found, "x").splitlines() if line[:3].isdigit()]
    assert [event[4:] for event in events] == [
        ["00:00:01:00", "00:00:02:00", f"01:00:0{n}:00", f"01:00:0{n + 1}:00"] for n in range(3)
    ]


def test_what_an_edl_cannot_say_is_refused():
    late, _ = moments_of([hit(1, "/a.mp4", 10, 20)], lambda _: film(Fraction(25), timecode="23:59:55:00"))
    with pytest.raises(UsageError, match="go beyond a day"):
        as_edl(late, "x")
    with pytest.raises(UsageError, match=r"holds no more events \(1002 of 999\)"):
        as_edl(moments(Fraction(25)) * 334, "x")


@pytest.mark.parametrize("rate", RATES)
def test_fcpxml_is_exact_and_read_back(rate):
    found = moments(rate, name="/films/ä&b.mp4")
    text = as_fcpxml(found, "dogs & cats")
    root = ElementTree.fromstring(text)

    def frames(value: str) -> Fraction:
        return Fraction(value.removesuffix("s")) * rate

    asset = root.find("resources/asset")
    assert unquote(urlparse(asset.get("src")).path) == "/films/ä&b.mp4"
    assert frames(root.find("resources/format").get("frameDuration")) == 1
    sequence = root.find(".//sequence")
    assert sequence.get("tcFormat") == ("DF" if drops_frames(rate) else "NDF")
    offset = 0
    for clip, moment in zip(root.iter("asset-clip"), found, strict=True):
        spans = [frames(clip.get(name)) for name in ("start", "duration", "offset")]
        assert spans == [moment.first, moment.length, offset]
        offset += moment.length
    assert frames(sequence.get("duration")) == offset


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24), Fraction(50)])
def test_fcpxml_is_read_by_the_adapter_of_opentimelineio(rate):
    """At whole rates alone, for it makes 29 of 30000/1001; and it cuts off what floating point leaves below a
    frame, so that one in twenty is read as the frame before."""
    otio = pytest.importorskip("opentimelineio")
    pytest.importorskip("otio_fcpx_xml_adapter")
    found = moments(rate)
    read = otio.adapters.read_from_string(as_fcpxml(found, "dogs"), "fcpx_xml")
    clips = list(read.find_clips())
    spans = [clip.source_range for clip in clips if clip.source_range][: len(found)]
    for span, moment in zip(spans, found, strict=True):
        assert moment.first - span.start_time.value in {0, 1}
        assert moment.length - span.duration.value in {0, 1}


def test_m3u_and_csv_keep_names_lines_and_times():
    hits = [
        hit(1, '/f/a\nb, "c".mp4', 1.5, 62.25, text="=HYPERLINK(1)\nsecond"),
        hit(2, "/f/犬.mkv", 0, 3).model_copy(update={"watch_end_s": 4.0}),
    ]
    lines = as_m3u(hits, "dogs").splitlines()
    assert lines[-2] == "#EXTVLCOPT:stop-time=4.000"  # it is to be watched
    assert lines[0] == "#EXTM3U"
    assert lines[3:6] == [
        "#EXTVLCOPT:start-time=1.500",
        "#EXTVLCOPT:stop-time=62.250",
        "file:///f/a%0Ab%2C%20%22c%22.mp4",
    ]
    assert unquote(urlparse(lines[-1]).path) == "/f/犬.mkv"
    rows = list(csv.DictReader(io.StringIO(as_csv(hits, "dogs"))))
    assert [row["start"] for row in rows] == ["0:01.500", "0:00.000"]
    assert rows[0]["text"] == "'=HYPERLINK(1)\\nsecond"  # no spreadsheet calculates it
    assert rows[1]["video"] == "/f/犬.mkv"
    assert [(row["line_start_s"], row["line_end_s"]) for row in rows] == [("2.000", "3.500"), ("", "")]


def test_spreadsheets_are_told_the_encoding_of_a_csv_and_nothing_else_is(tmp_path):
    hits = [hit(1, "/f/собака 犬.mkv", 0, 3)]
    for kind, mark in (("csv", codecs.BOM_UTF8), ("m3u", b"#EXT")):
        export_hits(hits, tmp_path / f"list.{kind}", kind=kind, title="x")
        assert (tmp_path / f"list.{kind}").read_bytes().startswith(mark)
    with (tmp_path / "list.csv").open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["rank"] == "1"


# Writing


def test_films_of_varying_rates_are_told_of_in_one_line(tmp_path):
    hits = []
    for rank, each_s in enumerate((0.1, 0.1, 0.04), start=1):
        times_s = [0, each_s, 5 * each_s, 5.5 * each_s, 30 * each_s]
        path = videos.write_video(tmp_path / f"{rank}.mp4", times_s=times_s, size=(64, 48))
        hits.append(hit(rank, str(path), 0, 0.5))
    (remark,) = export_hits(hits, tmp_path / "list.edl", kind="edl", title="x")
    assert remark.startswith(f"The frame rates of 3 films vary, as that of {tmp_path / '1.mp4'}: ")
    assert remark.endswith(" a second), and may be off by one or two.")


def test_an_export_leaves_out_what_is_gone_and_says_so(tmp_path):
    real = videos.write_video(tmp_path / "real.mp4", times_s=[0, 0.1, 0.5, 0.55, 3], size=(64, 48))
    hits = [hit(1, str(real), 0, 1), hit(2, str(tmp_path / "gone.mp4"), 0, 1)]
    target = tmp_path / "list.edl"
    remarks = export_hits(hits, target, kind="edl", title="x")
    assert remarks[0].startswith("Left out: no such file")
    assert "varies" in remarks[1]
    assert target.read_text().count("FROM CLIP NAME") == 1
    with pytest.raises(UsageError, match="a file of this name is there"):
        export_hits(hits, target, kind="csv", title="x")
    assert export_hits(hits, target, kind="csv", title="x", overwrite=True) == []
    with pytest.raises(NotFoundError, match="no film of the hits can be read"):
        export_hits(hits[1:], tmp_path / "b.edl", kind="edl", title="x")
    with pytest.raises(NotFoundError, match="no hit to export"):
        export_hits([], tmp_path / "b.edl", kind="edl", title="x")
    with pytest.raises(UnknownNameError, match="Did you mean 'fcpxml'"):
        export_hits(hits, tmp_path / "b.xml", kind="fcpxm", title="x")
    assert {path.name for path in tmp_path.iterdir()} == {"real.mp4", "list.edl"}


def test_a_film_that_cannot_be_read_costs_its_own_hits_only():
    def facts(path: Path) -> FilmFacts:
        if path.name == "a.mp4":
            raise MediaError("broken", item=path)
        return film(Fraction(25))

    found, problems = moments_of(
        [hit(1, "/a.mp4", 0, 1), hit(2, "/b.mp4", 0, 1), hit(3, "/a.mp4", 0, 1)], facts
    )
    assert [moment.hit.rank for moment in found] == [2]
    assert len(problems) == 1
