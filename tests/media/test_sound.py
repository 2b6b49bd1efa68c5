"""Sound on the player's clock: late, with holes, in all rates and layouts, damaged, or not there."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import videos
from polyreel.errors import MediaError
from polyreel.media.hearing import read_sound, sound_tracks
from polyreel.media.limited import DecodeWorker
from polyreel.media.sound import SAMPLE_RATE, Sound, SoundEnd, SoundReader, _Timeline
from sounds import Tone, heard_tones, write_sounds

BEEP = (Tone(1.0, 2.0),)


def pieces_of(path, track=0):
    with SoundReader(path) as reader:
        return list(reader.pieces(track)), reader.remarks


def tones_of(path, track=0):
    pieces, _remarks = pieces_of(path, track)
    return [
        tone for piece in pieces for tone in heard_tones(piece.samples, SAMPLE_RATE, start_s=piece.start_s)
    ]


def assert_beeps(path, start_s, *, hz=440.0, track=0):
    (tone,) = tones_of(path, track)
    assert tone.start_s == pytest.approx(start_s, abs=0.06)
    assert tone.end_s - tone.start_s == pytest.approx(1.0, abs=0.06)
    assert tone.hz == pytest.approx(hz, abs=3)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mkv", {"codec": "libopus"}),
        ("a.webm", {"codec": "libopus", "picture": False}),
        ("a.ts", {}),
        ("8k.wav", {"rate": 8_000, "codec": "pcm_s16le", "layout": "mono", "picture": False}),
        ("192k.wav", {"rate": 192_000, "codec": "pcm_s16le", "picture": False}),
        ("5.1.mkv", {"layout": "5.1", "codec": "pcm_s16le"}),
        ("7.1.mkv", {"layout": "7.1", "codec": "flac"}),
    ],
)
def test_sound_of_all_rates_and_layouts_is_where_it_was(tmp_path, name, options):
    assert_beeps(write_sounds(tmp_path / name, BEEP, **options), 1.0)


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv"])
def test_sound_that_begins_after_the_pictures_keeps_its_time(tmp_path, name):
    path = write_sounds(tmp_path / name, BEEP, starts_s=2.5)
    assert_beeps(path, 3.5)
    pieces, _ = pieces_of(path)
    assert pieces[0].start_s == pytest.approx(2.5, abs=0.06)


def test_a_short_hole_becomes_silence_and_a_long_one_is_left_out(tmp_path):
    tones = (Tone(0.5, 1.0), Tone(4.0, 5.0))
    short = write_sounds(tmp_path / "short.mkv", tones, seconds=6, hole_s=(2.0, 3.5), codec="pcm_s16le")
    (piece,), _ = pieces_of(short)
    assert piece.end_s == pytest.approx(6.0, abs=0.06)
    long = write_sounds(tmp_path / "long.mkv", tones, seconds=6, hole_s=(1.2, 3.8), codec="pcm_s16le")
    first, second = pieces_of(long)[0]
    assert first.end_s == pytest.approx(1.2, abs=0.06)
    assert second.start_s == pytest.approx(3.8, abs=0.06)
    for path in (short, long):
        assert [tone.start_s for tone in tones_of(path)] == pytest.approx([0.5, 4.0], abs=0.06)


def test_pieces_follow_each_other_without_a_gap(tmp_path):
    pieces, remarks = pieces_of(write_sounds(tmp_path / "long.mp4", (Tone(21, 22),), seconds=25))
    assert len(pieces) == 3
    assert remarks == ()
    for before, after in itertools.pairwise(pieces):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-6)
    assert_beeps(tmp_path / "long.mp4", 21.0)


def test_of_eight_tracks_each_is_heard_by_itself(tmp_path):
    names = ("eng", "ger", "fre", "cze", "rus", "vie", "spa")
    tracks = [(Tone(1.0, 2.0, 300.0 + 50 * number),) for number in range(8)]
    path = write_sounds(tmp_path / "eight.mkv", *tracks, languages=names, codec="pcm_s16le", layout="mono")
    with DecodeWorker() as worker:
        found = sound_tracks(worker, path)
    assert [track.language for track in found] == ["en", "de", "fr", "cs", "ru", "vi", "es", "und"]
    assert [track.number for track in found if track.is_default] == [0]
    assert found[0].duration_s == pytest.approx(3.0, abs=0.1)
    for number in (0, 7):
        assert_beeps(path, 1.0, hz=300.0 + 50 * number, track=number)


def test_a_silent_file_has_no_tracks(tmp_path):
    path = videos.write_video(tmp_path / "silent.mp4", seconds=1)
    with DecodeWorker() as worker:
        assert sound_tracks(worker, path) == ()
        with pytest.raises(MediaError, match=r"no such sound track: .*silent\.mp4 \(track 1 of 0\)"):
            list(read_sound(worker, path, 0))


def test_the_worker_hands_out_what_lies_after_a_time(tmp_path):
    path = write_sounds(tmp_path / "a.mkv", (Tone(1, 2), Tone(13, 14)), seconds=15, codec="pcm_s16le")
    with DecodeWorker() as worker:
        *pieces, end = read_sound(worker, path, 0, from_s=12.5)
        assert pieces[0].start_s == pytest.approx(12.5, abs=1e-3)
        assert isinstance(end, SoundEnd)
        assert [track.number for track in end.tracks] == [0]
        whole = np.concatenate(
            [each.samples for each in read_sound(worker, path, 0) if isinstance(each, Sound)]
        )
        rest = np.concatenate([each.samples for each in pieces])
    np.testing.assert_array_equal(whole[-len(rest) :], rest)


def test_damaged_sound_loses_its_own_part_only(tmp_path):
    tones = tuple(Tone(at, at + 0.5) for at in range(1, 20, 2))
    path = write_sounds(tmp_path / "damaged.mp4", tones, seconds=20, picture=False)
    videos.scribble(path, count=3, length=40, seed=3)
    pieces, _ = pieces_of(path)
    assert pieces[-1].end_s == pytest.approx(20.0, abs=0.3)
    found = tones_of(path)
    right = [
        t for t in tones if any(abs(t.start_s - f.start_s) < 0.06 and abs(t.hz - f.hz) < 3 for f in found)
    ]
    assert len(right) >= 6


def test_a_file_that_is_no_sound_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"not a video at all, " * 50)
    with DecodeWorker() as worker, pytest.raises(MediaError, match=r"a\.mp4"):
        sound_tracks(worker, path)


def second(value=1):
    return np.full(SAMPLE_RATE, value, np.int16)


def test_where_time_stamps_start_again_time_goes_on():
    line = _Timeline(None)
    stamps = (0.0, 1.0, 0.0, 1.0)
    pieces = [piece for stamp in stamps for piece in line.add(second(), stamp)]
    pieces += line.finish(second()[:0])
    assert [(piece.start_s, piece.end_s) for piece in pieces] == [(0.0, 4.0)]
    assert line.jumps == 1


def test_a_stray_stamp_past_the_stated_end_does_not_move_what_follows():
    line = _Timeline(4.0)
    pieces = [piece for stamp in (0.0, 9_000.0, 9_001.0) for piece in line.add(second(), stamp)]
    pieces += line.finish(second()[:0])
    assert pieces[-1].end_s == 3.0


def test_sound_before_the_clock_starts_is_not_heard_and_unstamped_sound_is_counted():
    line = _Timeline(None)
    pieces = [piece for stamp in (-1.5, -0.5, None) for piece in line.add(second(), stamp)]
    pieces += line.finish(second()[:0])
    assert [(piece.start_s, piece.end_s) for piece in pieces] == [(0.0, 1.5)]


def test_a_recorder_that_makes_more_sound_than_time_does_not_drift():
    line = _Timeline(None)
    pieces = [piece for at in range(60) for piece in line.add(second(), at * 0.99)]
    pieces += line.finish(second()[:0])
    assert line.jumps == 0
    assert pieces[-1].end_s == pytest.approx(59 * 0.99 + 1, abs=0.15)
