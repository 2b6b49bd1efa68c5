"""Animated WebP is read as any video is."""

from __future__ import annotations

import pytest

import videos
from animated import write_animation
from polyreel.errors import MediaError
from polyreel.media.animation import is_animation
from polyreel.media.decode import Frame
from polyreel.media.limited import DecodeOptions, DecodeWorker, Finished
from polyreel.media.readers import frames, open_video


def test_frames_have_their_times_and_colours_and_stand_on_white(tmp_path):
    path = write_animation(
        tmp_path / "a.webp", [("red", 400), ("green", 700), ("clear", 1_100), ("blue", 300)]
    )
    seen = [(frame.time_s, frame.image[0, 0].tolist()) for frame in frames(path, 1.0)]
    assert seen == [(0.0, [255, 0, 0]), (1.1, [255, 255, 255]), (2.2, [0, 0, 255])]
    assert [frame.time_s for frame in frames(path, 10.0)] == [0.0, 0.4, 1.1, 2.2]


def test_its_length_and_health_are_told(tmp_path):
    path = write_animation(tmp_path / "a.webp", [("red", 400), ("green", 600)])
    with open_video(path) as reader:
        assert reader.duration_asked_s == 1.0
        assert len(list(reader.pictures(1.0))) == 1
        health = reader.health
    assert (health.codec, health.width_px, health.frames_decoded, health.frames_sampled) == ("webp", 32, 2, 1)
    assert (health.duration_got_s, health.remarks) == (1.0, ())


def test_the_worker_decodes_it_like_any_video(tmp_path):
    path = write_animation(tmp_path / "a.webp", [("red", 1_000), ("blue", 1_000)])
    with DecodeWorker() as worker:
        events = list(worker.decode(path, DecodeOptions(8, 8, 1.0)))
    assert [event.time_s for event in events if isinstance(event, Frame)] == [0.0, 1.0]
    assert isinstance(events[-1], Finished)
    assert events[-1].health.duration_got_s == 2.0


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_file_cut_short_is_named(tmp_path, share):
    path = write_animation(tmp_path / "a.webp", [(colour, 100) for colour in ("red", "green", "blue") * 20])
    videos.truncate(path, share)
    with pytest.raises(MediaError, match=r"a\.webp") as caught, open_video(path) as reader:
        list(reader.pictures())
    assert caught.value.remedy


def test_other_files_are_no_animations(tmp_path):
    assert not is_animation(tmp_path / "absent.webp")
    film = videos.write_video(tmp_path / "film.mp4", seconds=0.2)
    assert not is_animation(film)
    still = write_animation(tmp_path / "still.webp", [("red", 100)])
    assert not is_animation(still)
    for name, content in {"empty": b"", "head": b"RIFF\0\0\0\0WEBPVP8X"}.items():
        (tmp_path / name).write_bytes(content)
        assert not is_animation(tmp_path / name)
