"""What browsers are sent in place of files that they refuse: decoded again, and its clock read."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

import videos
from polyreel.errors import DecodeError, MediaError
from polyreel.media.film_strip import TILES
from polyreel.media.for_browsers import playback_of, stream_pieces, strip_of
from polyreel.media.limited import DecodeWorker
from polyreel.media.playable import MP4, WEBM

SECONDS = 6.0
LATE_S = 1.6


@pytest.fixture(scope="module", name="worker")
def started_worker() -> Iterator[DecodeWorker]:
    with DecodeWorker() as worker:
        yield worker


def films(folder: Path) -> dict[str, Path]:
    """Files that browsers refuse, with the time in their pictures."""
    write = videos.write_video
    return {
        "avi": write(folder / "a.avi", seconds=SECONDS, codec="mpeg4"),
        "avi h264": write(folder / "b.avi", seconds=SECONDS),
        "ts": write(folder / "a.ts", seconds=SECONDS, audio=True),
        "wmv": write(folder / "a.wmv", seconds=SECONDS, codec="wmv2", container_format="asf"),
        "mkv": write(folder / "a.mkv", seconds=SECONDS, audio=True, start_offset_s=LATE_S),
        "mkv vp8": write(
            folder / "b.mkv", seconds=SECONDS, codec="libvpx", encoder_options={"cpu-used": "8", "g": "50"}
        ),
        "mpeg-4 in mp4": write(folder / "a.mp4", seconds=SECONDS, codec="mpeg4", rotation=90, audio=True),
    }


@pytest.fixture(scope="module", name="refused")
def refused_films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return films(tmp_path_factory.mktemp("refused"))


def sent(worker: DecodeWorker, path: Path, start_s: float, end_s: float | None = None) -> bytes:
    return b"".join(piece for piece, _ in stream_pieces(worker, path, start_s, end_s))


def shown(data: bytes) -> list[tuple[float, float]]:
    """Time stamp of each picture, and the time that stands in it."""
    with av.open(io.BytesIO(data)) as container:
        return [
            (frame.time, videos.read_clock(np.rot90(image, -1) if image.shape[0] > image.shape[1] else image))
            for frame in container.decode(video=0)
            for image in [frame.to_ndarray(format="rgb24")]
        ]


@pytest.mark.parametrize(
    ("name", "start_s", "way", "kind"),
    [
        ("avi", 0.0, "encode", WEBM),
        ("avi h264", 3.0, "encode", WEBM),
        ("ts", 3.0, "copy", MP4),
        ("wmv", 3.0, "encode", WEBM),
        ("mkv", 0.0, "copy", MP4),
        ("mkv", 3.0, "copy", MP4),
        ("mkv vp8", 3.0, "copy", WEBM),
    ],
)
def test_a_file_that_browsers_refuse_comes_with_the_right_times(worker, refused, name, start_s, way, kind):
    path = refused[name]
    shift_s = LATE_S if name == "mkv" else 0.0  # Matroska's pictures begin when they say
    playback = playback_of(worker, path, start_s)
    assert (playback.way, playback.kind) == (way, kind)
    # A copy begins at a picture that decodes alone, of which there is one every two seconds.
    assert start_s - (0.0 if way == "encode" else 2.0) <= playback.begins_s <= start_s
    pictures = shown(sent(worker, path, playback.begins_s))
    for time_s, told_s in pictures:
        assert told_s + shift_s == pytest.approx(time_s + playback.begins_s, abs=0.05)
    assert pictures[0][0] <= shift_s
    assert pictures[-1][1] == pytest.approx(SECONDS - 0.04, abs=0.05)
    steps = [after - before for (before, _), (after, _) in itertools.pairwise(pictures)]
    assert max(steps) < 0.1  # none is left out


@pytest.mark.parametrize("name", ["ts", "mkv", "mpeg-4 in mp4"])
def test_sound_comes_along(worker, refused, name):
    with av.open(io.BytesIO(sent(worker, refused[name], 4.0))) as container:
        heard = [frame.time for frame in container.decode(audio=0)]
        assert heard[0] < 0.1
        assert heard[-1] > SECONDS - 4.0 - 0.2


def test_pictures_are_upright_and_not_larger_than_is_told(worker, tmp_path):
    path = videos.write_video(
        tmp_path / "a.mov", seconds=1, codec="mpeg4", size=(1280, 960), rotation=90, picture=videos.corner
    )
    with av.open(io.BytesIO(sent(worker, path, 0.0))) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert image.shape == (480, 360, 3)
    assert (image[10, -10] - np.array([255, 0, 0])).astype(np.int8).max() < 40  # the corner is at the right


def test_hdr_comes_smaller_because_it_takes_longer(worker, tmp_path):
    path = videos.write_video(
        tmp_path / "a.mp4",
        seconds=0.2,
        size=(640, 480),
        codec="libx265",
        pixel_format="yuv420p10le",
        encoder_options={"x265-params": "log-level=none:pools=1:colorprim=9:transfer=18:colormatrix=9"},
    )
    with av.open(io.BytesIO(sent(worker, path, 0.0))) as container:
        assert next(container.decode(video=0)).to_ndarray(format="rgb24").shape == (288, 384, 3)


def test_of_sixty_pictures_a_second_every_other_is_sent(worker, tmp_path):
    path = videos.write_video(tmp_path / "a.avi", seconds=2, fps=60, codec="mpeg4")
    assert len(shown(sent(worker, path, 0.0))) == 60


def test_pictures_that_come_in_bursts_all_come(worker, tmp_path):
    times_s = [*(0.04 * k for k in range(20)), *(6.0 + 0.04 * k for k in range(20))]
    path = videos.write_video(tmp_path / "a.mkv", times_s=times_s, codec="mjpeg")
    assert [told_s for _, told_s in shown(sent(worker, path, 0.0))] == pytest.approx(times_s, abs=0.01)


def test_a_stream_ends_where_it_is_told(worker, refused):
    assert shown(sent(worker, refused["wmv"], 2.0, 3.0))[-1][1] == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize(
    ("suffix", "codec", "kind"),
    [(".mp4", "libx264", MP4), (".mov", "libx264", MP4), (".webm", "libvpx", WEBM)],
)
def test_what_browsers_play_is_the_file_itself(worker, tmp_path, suffix, codec, kind):
    path = videos.write_video(tmp_path / f"a{suffix}", seconds=1, codec=codec, audio=True)
    playback = playback_of(worker, path, 0.7)
    assert (playback.way, playback.kind, playback.begins_s) == ("file", kind, 0.0)


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels"),
    [(".mp4", "libx265", "yuv420p"), (".mp4", "libx264", "yuv444p"), (".ts", "mpeg2video", "yuv420p")],
)
def test_what_only_some_browsers_play_is_coded_anew(worker, tmp_path, suffix, codec, pixels):
    path = videos.write_video(tmp_path / f"a{suffix}", seconds=1, codec=codec, pixel_format=pixels)
    assert playback_of(worker, path, 0.0).way == "encode"
    assert len(shown(sent(worker, path, 0.0))) == 25


def test_the_sound_decides_too(worker, tmp_path):
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 120, "yuv420p"
        sound = container.add_stream("pcm_s16be", rate=48_000)
        for place in range(25):
            frame = av.VideoFrame.from_ndarray(videos.clock(place / 25)).reformat(format="yuv420p")
            frame.pts = place
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 96_000), np.int16), format="s16", layout="stereo")
        quiet.sample_rate = 48_000
        container.mux(sound.encode(quiet))
    assert playback_of(worker, path, 0.0).way == "copy"
    with av.open(io.BytesIO(sent(worker, path, 0.0))) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]


def test_a_long_way_between_pictures_that_decode_alone_is_coded_anew(worker, tmp_path):
    path = videos.write_video(tmp_path / "a.ts", seconds=SECONDS, encoder_options={"g": "1000"})
    assert playback_of(worker, path, 1.0).way == "copy"
    assert playback_of(worker, path, 5.0).way == "encode"
    first = shown(sent(worker, path, 5.0))[0]
    assert first[1] == pytest.approx(5.0, abs=0.05)


def test_closing_a_stream_ends_its_process(refused):
    with DecodeWorker() as worker:
        pieces = stream_pieces(worker, refused["avi"], 0.0)
        next(pieces)
        process = worker._process
        began = time.monotonic()
        pieces.close()
        assert process.poll() is not None
        assert time.monotonic() - began < 5
        assert playback_of(worker, refused["avi"], 0.0).way == "encode"  # another one takes its place


def test_a_broken_file_gets_one_message(worker, tmp_path):
    broken = tmp_path / "a.avi"
    broken.write_text("this is not a video", encoding="utf-8")
    for ask in (lambda: playback_of(worker, broken, 0.0), lambda: sent(worker, broken, 0.0)):
        with pytest.raises(MediaError, match="the file is not a video that can be opened"):
            ask()
    unknown = videos.rename_codec(videos.write_video(tmp_path / "b.mp4", seconds=1))
    with pytest.raises(MediaError, match="no decoder for this video's codec"):
        playback_of(worker, unknown, 0.0)


def test_a_file_that_was_cut_short_is_sent_as_far_as_it_goes(worker, tmp_path):
    path = videos.truncate(videos.write_video(tmp_path / "a.avi", seconds=4, codec="mpeg4"), 0.5)
    assert 1.0 < shown(sent(worker, path, 0.0))[-1][1] < 3.0


def test_beyond_the_end_is_an_error_and_no_empty_film(worker, refused):
    with pytest.raises(DecodeError, match="nothing in the video stream decodes"):
        sent(worker, refused["avi"], 60.0)


@pytest.mark.parametrize("name", ["avi", "ts", "wmv", "mkv"])
def test_a_strip_shows_the_moment(worker, refused, name):
    strip = strip_of(worker, refused[name], 3.0, 5.0)
    assert len(strip) < 40_000
    with av.open(io.BytesIO(strip)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert image.shape == (144, 256 * TILES, 3)
    # Pictures of 4:3 lie in the middle of tiles of 16:9.
    told = [videos.read_clock(image[:, 256 * tile + 32 : 256 * tile + 224]) for tile in range(TILES)]
    shift_s = LATE_S if name == "mkv" else 0.0
    wanted = [3.2 - shift_s + 0.4 * tile for tile in range(TILES)]
    assert told == pytest.approx(wanted, abs=0.06)
