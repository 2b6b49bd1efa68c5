"""Cuts: exactly the pictures that were asked for, sound and subtitles in time, and nothing untrue said."""

from __future__ import annotations

import base64
import itertools
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import videos
from browsers import ENDS_WITH_ITS_PROCESS, browser
from disks import small_disk
from polyreel.errors import MediaError, PolyreelError, UnknownNameError, UsageError
from polyreel.media.appearance import Orientation, orientation_of
from polyreel.media.cuts.files import write_cut
from polyreel.media.cuts.parameter_sets import ParameterSets
from polyreel.media.cuts.plan import CodedPicture, decode_stamps, plan_at_key_frames, plan_exactly
from polyreel.media.cuts.request import CutReport, CutRequest
from polyreel.media.cuts.tracks import shifted_timecode
from polyreel.media.cuts.writing import cut_video
from polyreel.media.decode import VideoReader
from polyreel.media.subtitles import read_subtitles

FRAME_S = 0.04
REORDERED = {"preset": "medium", "bf": "3", "g": "25", "sc_threshold": "0"}
OPEN = {**REORDERED, "x264-params": "open-gop=1"}
CLICK_S = 1.5
LINES = {"eng": [(0.2, 0.6, "one"), (0.9, 1.5, "two"), (1.8, 3.0, "three")]}


def click(times_s):
    return np.where((times_s >= CLICK_S) & (times_s < CLICK_S + 0.02), np.sin(times_s * 6000), 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cuts")


@pytest.fixture(scope="module")
def film(folder):
    """Two seconds and a half of reordered H.264 with a key frame a second, a click and subtitles."""
    return videos.write_video(
        folder / "film.mp4",
        seconds=2.6,
        encoder_options=REORDERED,
        audio=click,
        subtitles=LINES,
        subtitle_codec="mov_text",
    )


def clocks(path: Path) -> list[tuple[float, float]]:
    """Time of each frame, and the time that it shows."""
    with VideoReader(path) as reader:
        return [
            (time_s, videos.read_clock(frame.to_ndarray(format="rgb24")))
            for time_s, frame in reader.timed_frames()
        ]


def is_exact(cut: Path, report: CutReport, source: Path) -> bool:
    """Whether a cut shows what the film shows between the times of the report, each at its time."""
    wanted = [
        (round(max(0.0, time_s - report.start_s), 2), shown)
        for time_s, shown in clocks(source)
        if report.start_s - 1e-3 <= time_s < report.end_s - 1e-3
    ]
    return [(round(time_s, 2), shown) for time_s, shown in clocks(cut)] == wanted


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def first_sound_s(path: Path) -> float:
    """Instant of the click."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2)
            if loud.size:
                return frame.time + loud[0] / frame.sample_rate
    raise AssertionError("no click")


# Pictures


@pytest.mark.parametrize(
    ("made", "options", "cut", "most_encoded"),
    [
        ("film.mkv", {"encoder_options": REORDERED}, "cut.mp4", 20),
        ("film.mp4", {"encoder_options": REORDERED}, "cut.mkv", 20),
        ("film.ts", {"encoder_options": REORDERED, "audio": True}, "cut.mp4", 20),
        ("film.mp4", {"encoder_options": REORDERED}, "cut.ts", 20),
        ("ten.mp4", {"encoder_options": REORDERED, "pixel_format": "yuv420p10le"}, "cut.mov", 20),
        ("open.mp4", {"encoder_options": OPEN}, "cut.mp4", 99),
        ("film.webm", {"codec": "libvpx-vp9", "encoder_options": {"g": "25"}}, "cut.webm", 20),
        ("film.avi", {"codec": "mpeg4"}, "cut.mp4", 99),
        ("h264.avi", {}, "cut.mkv", 99),
        ("wmv.avi", {"codec": "wmv2"}, "cut.mp4", 99),
        ("film.mov", {"codec": "mjpeg"}, "cut.mov", 0),
        ("film.y4m", {"codec": "wrapped_avframe"}, "cut.mkv", 99),
        pytest.param("hevc.mp4", {"codec": "libx265"}, "cut.mp4", 99, marks=pytest.mark.slow),
        ("av1.mp4", {"codec": "libsvtav1"}, "cut.mkv", 99),
        ("mpeg2.ts", {"codec": "mpeg2video", "encoder_options": {"bf": "2"}}, "cut.ts", 99),
    ],
)
def test_a_cut_shows_the_pictures_from_its_start_to_its_end(tmp_path, made, options, cut, most_encoded):
    source = videos.write_video(tmp_path / made, seconds=2.6, **options)
    report = cut_video(source, tmp_path / cut, CutRequest(0.5, 2.3))
    assert is_exact(tmp_path / cut, report, source)
    assert report.pictures == 46  # the one at 0.48 is shown at 0.5
    assert report.encoded <= most_encoded
    assert (report.start_s, report.end_s) == (pytest.approx(0.48), pytest.approx(2.3, abs=0.6 * FRAME_S))


def test_between_the_edges_pictures_are_copied_byte_by_byte(film, tmp_path):
    report = cut_video(film, tmp_path / "cut.mp4", CutRequest(0.5, 2.6))
    assert report.encoded == 13
    assert packets(tmp_path / "cut.mp4")[13:] == packets(film)[25:]


def test_the_edges_look_like_the_film(film, tmp_path):
    report = cut_video(film, tmp_path / "cut.mp4", CutRequest(0.52, 0.8))
    assert report.encoded == report.pictures == 7
    with av.open(str(film)) as source, av.open(str(tmp_path / "cut.mp4")) as cut:
        wanted = [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)][13:20]
        got = [frame.to_ndarray(format="rgb24") for frame in cut.decode(video=0)]
    assert np.abs(np.stack(wanted).astype(int) - np.stack(got)).mean() < 2


def test_a_fast_cut_copies_everything_and_begins_at_a_key_frame(film, tmp_path):
    report = cut_video(film, tmp_path / "cut.mkv", CutRequest(1.5, 2.1, at_key_frames=True))
    assert (report.encoded, report.start_s) == (0, pytest.approx(1.0))
    assert 2.1 <= report.end_s <= 2.1 + 4 * FRAME_S
    assert is_exact(tmp_path / "cut.mkv", report, film)


def test_a_fast_cut_of_open_groups_leaves_out_what_needs_pictures_before_it(tmp_path):
    source = videos.write_video(tmp_path / "film.mp4", seconds=3, encoder_options=OPEN)
    report = cut_video(source, tmp_path / "cut.mp4", CutRequest(1.5, 2.9, at_key_frames=True))
    assert is_exact(tmp_path / "cut.mp4", report, source)


def test_pictures_that_are_never_shown_come_along_and_are_not_counted():
    """VP8 encodes some ahead, to refer to."""
    order = [(0, "shown"), (9, "hidden"), (1, "shown"), (2, "shown"), (10, "shown"), (11, "shown")]
    pictures = [CodedPicture(pts, 1, pts in {0, 10}, pts in {0, 10}, role) for pts, role in order]
    fast = plan_at_key_frames(pictures, 1, 3)
    assert (fast.copied, fast.shown, fast.end) == (range(4), (0, 1, 2), 10)
    exact = plan_exactly(pictures, 0, 20, snap=0)
    assert (exact.copied, exact.shown, exact.head, exact.tail) == (range(6), (0, 1, 2, 10, 11), None, None)


def test_variable_frame_rate_and_a_start_within_a_long_picture(tmp_path):
    times_s = [0, 0.1, 0.5, 0.55, 3, 3.04, 3.08, 6, 6.5, 6.6]
    source = videos.write_video(tmp_path / "film.mp4", times_s=times_s)
    report = cut_video(source, tmp_path / "cut.mp4", CutRequest(2, 6.2))
    assert [(round(at_s, 2), shown) for at_s, shown in clocks(tmp_path / "cut.mp4")] == [
        (0, 0.55),
        (1, 3),
        (1.04, 3.04),
        (1.08, 3.08),
        (4, 6),
    ]
    assert report.end_s == pytest.approx(6.2)


@pytest.mark.parametrize(("name", "start_s"), [("film.mp4", 20), ("film.mkv", 20), ("film.ts", 0)])
def test_times_are_those_of_players_where_stamps_do_not_begin_at_0(tmp_path, name, start_s):
    source = videos.write_video(
        tmp_path / name, seconds=2, start_offset_s=20, audio=click, encoder_options=REORDERED
    )
    report = cut_video(source, tmp_path / "cut.mp4", CutRequest(start_s + 1.2, start_s + 1.8))
    shown = [shown for _, shown in clocks(tmp_path / "cut.mp4")]
    assert (shown[0], shown[-1], len(shown)) == (1.2, 1.76, report.pictures)
    assert first_sound_s(tmp_path / "cut.mp4") == pytest.approx(CLICK_S - 1.2, abs=FRAME_S)


def test_interlaced_pictures_stay_so(tmp_path):
    options = {**REORDERED, "x264-params": "tff=1"}
    source = videos.write_video(tmp_path / "film.mp4", seconds=2.6, encoder_options=options)
    report = cut_video(source, tmp_path / "cut.mp4", CutRequest(0.5, 2.3))
    assert 0 < report.encoded < report.pictures
    with av.open(str(tmp_path / "cut.mp4")) as cut:
        assert all(frame.interlaced_frame for frame in cut.decode(video=0))


@pytest.mark.parametrize(("turn", "mirror"), [(90, False), (180, False), (90, True), (0, True)])
@pytest.mark.parametrize("codec", ["libx264", pytest.param("libx265", marks=pytest.mark.slow)])
def test_rotation_and_mirror_are_kept(tmp_path, turn, mirror, codec):
    with av.open(str(tmp_path / "film.mp4"), "w") as made:
        stream = made.add_stream(codec, rate=25, options=videos._ENCODER_OPTIONS[codec])
        stream.width, stream.height = 64, 48
        stream.set_display_rotation(turn, hflip=mirror)
        for number in range(10):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 20, np.uint8))))
        made.mux(stream.encode(None))
    cut_video(tmp_path / "film.mp4", tmp_path / "cut.mp4", CutRequest(0.1, 0.3))
    assert _orientation(tmp_path / "cut.mp4") == _orientation(tmp_path / "film.mp4")


def test_the_shape_of_pixels_and_colours_are_kept(tmp_path):
    with av.open(str(tmp_path / "film.mp4"), "w") as made:
        stream = made.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "10"})
        stream.width, stream.height = 64, 48
        coded = stream.codec_context
        coded.color_primaries, coded.color_trc, coded.colorspace, coded.color_range = 9, 16, 9, 1
        coded.sample_aspect_ratio = Fraction(4, 3)
        for number in range(25):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 9, np.uint8))))
        made.mux(stream.encode(None))
    report = cut_video(tmp_path / "film.mp4", tmp_path / "cut.mp4", CutRequest(0.2, 0.96))
    assert 0 < report.encoded < report.pictures
    with av.open(str(tmp_path / "cut.mp4")) as cut:
        assert cut.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        assert {
            (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
            for frame in cut.decode(video=0)
        } == {(9, 16, 9, 1)}


def _orientation(path: Path) -> Orientation:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        return orientation_of(frame, container.streams.video[0].codec_context.name)


def test_a_cut_can_be_cut_again(film, tmp_path):
    """Its edit lists hide sound, and the order of its subtitles begins elsewhere."""
    cut_video(film, tmp_path / "once.mp4", CutRequest(0.52, 2.4))
    report = cut_video(tmp_path / "once.mp4", tmp_path / "twice.mp4", CutRequest(0.2, 1.6))
    assert is_exact(tmp_path / "twice.mp4", report, tmp_path / "once.mp4")
    assert clocks(tmp_path / "twice.mp4")[0][1] == 0.72
    assert first_sound_s(tmp_path / "twice.mp4") == pytest.approx(CLICK_S - 0.72, abs=FRAME_S)
    assert lines(tmp_path / "twice.mp4") == [(0.18, 0.78, "two"), (1.08, 1.4, "three")]


# Sound and subtitles


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv", "cut.mov", "cut.ts"])
@pytest.mark.parametrize("start_s", [0.0, 0.7, 1.0])
def test_sound_is_in_time_with_the_pictures(film, tmp_path, name, start_s):
    report = cut_video(film, tmp_path / name, CutRequest(start_s, 2.4))
    with VideoReader(tmp_path / name) as reader, av.open(str(tmp_path / name)) as container:
        zero_s = next(container.decode(video=0)).time
        assert next(reader.timed_frames())[0] < FRAME_S
    heard_s = first_sound_s(tmp_path / name) - zero_s + report.start_s
    assert heard_s == pytest.approx(first_sound_s(film), abs=0.003)


def test_what_an_encoder_of_sound_puts_first_is_not_heard_in_another_container(film, tmp_path):
    cut_video(film, tmp_path / "cut.mkv", CutRequest(0, 2))
    with av.open(str(tmp_path / "cut.mkv")) as container:
        assert next(container.demux(audio=0)).pts == 0


def test_bare_samples_are_cut_to_the_sample(tmp_path):
    rate, source = 8_000, tmp_path / "film.mov"
    with av.open(str(source), "w") as made:
        stream = made.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        sound = made.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number in range(25):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 10, np.uint8))
            made.mux(stream.encode(picture.reformat(format="yuvj420p")))
        wave = np.arange(rate, dtype=np.int16)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate = rate
        made.mux(sound.encode(frame))
    cut_video(source, tmp_path / "cut.mov", CutRequest(0.2, 0.8))
    with av.open(str(tmp_path / "cut.mov")) as container:
        assert next(container.decode(audio=0)).to_ndarray()[0, 0] == 0.2 * rate


def lines(path: Path) -> list[tuple[float, float, str]]:
    tracks, problems = read_subtitles(path, [])
    assert problems == []
    return [
        (round(line.start_s, 2), round(line.end_s, 2), line.text)
        for track in tracks
        for line in track.captions
    ]


@pytest.mark.parametrize(
    ("made", "codec", "cut"),
    [
        ("film.mp4", "mov_text", "cut.mp4"),
        ("film.mp4", "mov_text", "cut.mkv"),
        ("film.mkv", "srt", "cut.mp4"),
        ("film.mkv", "ass", "cut.mkv"),
        ("film.mkv", "ass", "cut.mov"),
    ],
)
def test_subtitles_come_along_at_their_times(tmp_path, made, codec, cut):
    source = videos.write_video(tmp_path / made, seconds=2.6, subtitles=LINES, subtitle_codec=codec)
    report = cut_video(source, tmp_path / cut, CutRequest(1.0, 2.4))
    assert report.subtitles == 1
    assert lines(tmp_path / cut) == [(0.0, 0.5, "two"), (0.8, 1.4, "three")]
    with av.open(str(tmp_path / cut)) as container:
        assert container.streams.subtitles[0].language == "eng"


def test_subtitles_that_a_container_does_not_hold_are_said_to_be_left_out(film, tmp_path):
    report = cut_video(film, tmp_path / "cut.ts", CutRequest(0, 1))
    assert report.left_out == ("subtitles (mov_text)",)


# What a file says about itself


def test_facts_chapters_cover_and_time_code_come_along(tmp_path):
    source = tmp_path / "film.mov"
    with av.open(str(source), "w") as made:
        stream = made.add_stream("libx264", rate=25, options=videos._ENCODER_OPTIONS["libx264"])
        stream.width, stream.height = 64, 48
        stream.metadata["language"] = "swa"
        made.metadata.update(
            {
                "title": "Safari",
                "creation_time": "2020-02-03T04:05:06.000000Z",
                "location": "-01.2921+036.8219/",
                "timecode": "10:00:00:00",
            }
        )
        unit = Fraction(1, 1000)
        spans = [(0, 1000, "a"), (1000, 1500, "b"), (1500, 2000, "c")]
        made.set_chapters(
            [
                {"id": n, "start": start, "end": end, "time_base": unit, "metadata": {"title": title}}
                for n, (start, end, title) in enumerate(spans)
            ]
        )
        for number in range(50):
            made.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 5, np.uint8))))
        made.mux(stream.encode(None))
    report = cut_video(source, tmp_path / "cut.mov", CutRequest(0.6, 1.4))
    with av.open(str(tmp_path / "cut.mov")) as cut:
        facts = cut.metadata
        assert facts["title"] == "Safari"
        assert facts["creation_time"].startswith("2020-02-03T04:05:06")
        assert facts["location"].startswith("-01.2921")
        assert cut.streams.video[0].metadata["language"] == "swa"
        assert cut.streams.video[0].metadata["timecode"] == "10:00:00:15"
        chapters = [
            (float(each["start"] * each["time_base"]), each["metadata"]["title"]) for each in cut.chapters()
        ]
        assert chapters == [(0.0, "a"), (pytest.approx(0.4), "b")]
    assert "other pictures" not in str(report.left_out)


def test_a_cover_comes_along(tmp_path):
    source = videos.write_video(tmp_path / "film.mp4", seconds=1, cover=videos.corner(0), audio=True)
    cut_video(source, tmp_path / "cut.mp4", CutRequest(0.2, 0.8))
    with av.open(str(tmp_path / "cut.mp4")) as cut:
        covers = [s for s in cut.streams.video if s.disposition & av.stream.Disposition.attached_pic]
        assert len(covers) == 1
        assert len([packet for packet in cut.demux(covers[0]) if packet.size]) == 1


@pytest.mark.parametrize(
    ("stated", "by_s", "rate", "shifted"),
    [
        ("01:00:00:00", 2, Fraction(25), "01:00:02:00"),
        ("00:00:59;29", Fraction(1001, 30000), Fraction(30000, 1001), "00:01:00;02"),
        ("00:09:59;29", Fraction(1001, 30000), Fraction(30000, 1001), "00:10:00;00"),
        ("00:00:59:29", Fraction(1001, 30000), Fraction(30000, 1001), "00:01:00:00"),
        ("00:00:59;59", Fraction(1001, 60000), Fraction(60000, 1001), "00:01:00;04"),
        ("23:59:59:24", Fraction(1, 25), Fraction(25), "00:00:00:00"),
        ("not one", 1, Fraction(25), None),
    ],
)
def test_time_codes_move(stated, by_s, rate, shifted):
    assert shifted_timecode(stated, Fraction(by_s), rate) == shifted


# The parts


@given(st.permutations(range(12)))
def test_pictures_are_decoded_before_they_are_shown(order):
    stamps = decode_stamps(order)
    assert all(before < after for before, after in itertools.pairwise(stamps))
    assert all(stamp <= pts for stamp, pts in zip(stamps, order, strict=True))


def test_parameter_sets_survive_a_round_trip(film):
    with av.open(str(film)) as container:
        record = bytes(container.streams.video[0].codec_context.extradata)
    sets = ParameterSets.read(record)
    assert sets.record() == record
    assert sets.free_number == 1
    both = ParameterSets.read(sets.joined(sets).record())
    assert (len(both.sequence), len(both.picture)) == (2, 2)
    for broken in (b"", b"\x01", record[:9], b"\x00\x00\x00\x01"):
        with pytest.raises(ValueError, match=r"parameter sets|cut short"):
            ParameterSets.read(broken)


# Bad input


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (CutRequest(2, 1), "a cut has to end after it starts (2 to 1 s)"),
        (CutRequest(-1, 1), "a cut has to end after it starts"),
        (CutRequest(0, float("inf")), "a cut has to end after it starts"),
        (CutRequest(0, 99), "the end lies beyond the end of the film: {film} (99 s of 2.6"),
        (CutRequest(50, 99), "the start lies beyond the end of the film: {film} (50 s of 2.6"),
    ],
)
def test_times_that_make_no_sense_are_refused(film, tmp_path, request_, said):
    with pytest.raises(PolyreelError, match=re.escape(said.format(film=film))):
        write_cut(film, tmp_path / "cut.mp4", request_)
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_no_films_are_refused_with_a_reason(film, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    sound = videos.write_sound(tmp_path / "sound.m4a")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes())
    videos.strip_box(broken, b"moov")
    before = set(tmp_path.iterdir())
    for source, said in (
        (tmp_path / "text.mp4", "not a video"),
        (tmp_path / "empty.mp4", "empty"),
        (tmp_path / "none.mp4", "no such file"),
        (sound, "no video stream"),
        (broken, "not a video"),
    ):
        with pytest.raises(MediaError, match=said):
            write_cut(source, tmp_path / "cut.mp4", CutRequest(0, 1))
    assert set(tmp_path.iterdir()) == before


def test_a_kind_of_file_that_is_not_written_is_refused(film, tmp_path):
    with pytest.raises(UnknownNameError, match=r"Did you mean '\.mp4'"):
        write_cut(film, tmp_path / "cut.mp", CutRequest(0, 1))
    with pytest.raises(UsageError, match="does not keep exact times"):
        write_cut(film, tmp_path / "cut.avi", CutRequest(0, 1))
    with pytest.raises(MediaError, match=r"does not hold the sound of the film: \.webm \(aac\)\. Name it"):
        write_cut(film, tmp_path / "cut.webm", CutRequest(0, 1))


def test_nothing_is_replaced_unless_asked_for_and_the_film_never(film, tmp_path):
    target = tmp_path / "cut.mp4"
    target.write_text("mine")
    with pytest.raises(UsageError, match="a file of this name is there"):
        write_cut(film, target, CutRequest(0, 1))
    assert target.read_text() == "mine"
    done: list[float] = []
    write_cut(film, target, CutRequest(0, 1), overwrite=True, on_time=done.append)
    assert done
    assert done == sorted(done)
    assert len(clocks(target)) == 25
    (tmp_path / "link.mp4").symlink_to(film)
    before = film.read_bytes()
    with pytest.raises(UsageError, match="would replace the film itself"):
        write_cut(film, tmp_path / "link.mp4", CutRequest(0, 1), overwrite=True)
    assert film.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"cut.mp4", "link.mp4"}


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path):
    source = videos.write_video(tmp_path / "film.mp4", seconds=1, picture=videos.noise(), size=(320, 240))
    with small_disk(tmp_path / "disk", size_bytes=1 << 18) as disk:
        with pytest.raises(MediaError, match=r"the cut cannot be written: .* \(No space left on device\)"):
            write_cut(source, disk / "cut.mp4", CutRequest(0, 1))
        assert list(disk.iterdir()) == []


def test_a_film_without_times_is_not_cut_fast(tmp_path):
    source = videos.write_video(tmp_path / "film.avi", seconds=1)
    with pytest.raises(MediaError, match="does not say when its pictures are shown"):
        cut_video(source, tmp_path / "cut.mp4", CutRequest(0, 0.5, at_key_frames=True))


@pytest.mark.slow
@ENDS_WITH_ITS_PROCESS
def test_a_browser_shows_every_picture_on_both_sides_of_the_seams(film, tmp_path):
    """Those that were encoded anew have parameter sets of their own in the same track."""
    report = cut_video(film, tmp_path / "cut.mp4", CutRequest(0.52, 2.3))
    assert 0 < report.encoded < report.pictures
    page_of = tmp_path / "page.html"
    # What a page draws of another file it may not read again.
    data = base64.b64encode((tmp_path / "cut.mp4").read_bytes()).decode()
    page_of.write_text(
        f'<video muted src="data:video/mp4;base64,{data}"></video><canvas width="160" height="120"></canvas>'
    )
    read = """async (timeS) => {
        const [video, canvas] = [document.querySelector("video"), document.querySelector("canvas")];
        await new Promise((done) => { video.onseeked = done; video.currentTime = timeS; });
        await new Promise((done) => setTimeout(done, 150));
        const drawing = canvas.getContext("2d");
        drawing.drawImage(video, 0, 0, 160, 120);
        return [...drawing.getImageData(0, 60, 160, 1).data];
    }"""
    with browser(tmp_path) as opened:
        page = opened.new_page()
        page.goto(page_of.as_uri())
        page.wait_for_function("document.querySelector('video').readyState >= 2", timeout=60_000)
        for number in range(report.pictures):
            row = np.array(page.evaluate(read, (number + 0.5) * FRAME_S), np.uint8).reshape(1, 160, 4)
            assert videos.read_clock(row[:, :, :3]) == pytest.approx(0.52 + number * FRAME_S, abs=0.001)


def test_a_mistake_of_whoever_watches_is_not_blamed_on_the_film(tmp_path):
    film = videos.write_video(tmp_path / "a.mp4", seconds=2)

    def mistaken(done_s):
        raise ValueError(f"no room for {done_s}")

    with pytest.raises(ValueError, match="no room for"):
        write_cut(film, tmp_path / "b.mp4", CutRequest(0, 1), on_time=mistaken)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
