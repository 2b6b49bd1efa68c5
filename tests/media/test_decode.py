"""Video files of many kinds, whole and harmed -> upright frames with true times, or one clear error."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from PIL import Image

import videos
from polyreel.errors import DecodeError, MediaError
from polyreel.media.decode import VideoReader
from polyreel.media.health import Health
from polyreel.media.readers import frames, open_video

UNEVEN_S = (0.0, 0.1, 0.5, 0.52, 1.9, 2.0, 2.7, 5.0, 5.3, 9.3)


def read(path: Path, fps: float = 1.0) -> tuple[list[float], list[float], Health]:
    """Times that the reader gives, times that the pictures show, and health."""
    with VideoReader(path) as reader:
        pictures = [(picture.time_s, videos.read_clock(picture.image())) for picture in reader.pictures(fps)]
        given, shown = zip(*pictures, strict=True)
        return list(given), list(shown), reader.health


def error_of(path: Path) -> MediaError:
    with pytest.raises(MediaError) as caught:
        list(frames(path))
    assert str(path) in str(caught.value)
    return caught.value


def write_if_encodable(path: Path, codec: str, **options: object) -> Path:
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    return videos.write_video(path, codec=codec, **options)


@pytest.mark.parametrize("fps", [1.0, 2.0, 10.0])
@pytest.mark.parametrize(
    ("suffix", "codec", "decoder"),
    [
        (".mp4", "libx264", "h264"),
        (".mkv", "libx264", "h264"),
        (".mov", "libx264", "h264"),
        (".ts", "libx264", "h264"),
        (".flv", "libx264", "h264"),
        (".h264", "libx264", "h264"),
        (".mp4", "libx265", "hevc"),
        (".mp4", "libsvtav1", "libdav1d"),
        (".webm", "libvpx-vp9", "vp9"),
        (".mov", "prores", "prores"),
        (".avi", "mpeg4", "mpeg4"),
        (".avi", "mjpeg", "mjpeg"),
        (".mpg", "mpeg2video", "mpeg2video"),
        (".wmv", "wmv2", "wmv2"),
        (".gif", "gif", "gif"),
    ],
)
def test_the_frame_at_each_time_shows_that_time(tmp_path, suffix, codec, decoder, fps):
    path = write_if_encodable(tmp_path / f"film{suffix}", codec, seconds=3)

    given, shown, health = read(path, fps)

    assert given == pytest.approx(shown, abs=0.0011)
    # In ten frames a second of 25, those that no other frame refers to are left out (skip_frame).
    assert given == pytest.approx(np.arange(0, 3, 1 / fps), abs=0.081)
    assert health.codec == decoder
    assert health.duration_got_s == pytest.approx(3.0, abs=0.001)
    assert health.frames_sampled == len(given)
    assert health.remarks == ()


def test_ten_bit_colour_is_read(tmp_path):
    path = write_if_encodable(tmp_path / "deep.mp4", "libx265", pixel_format="yuv420p10le", seconds=1)
    assert read(path)[:2] == ([0.0], [0.0])


def test_avi_with_reordered_frames_is_at_most_a_tenth_of_a_second_off(tmp_path):
    # The format has no place for the time of showing, so FFmpeg guesses it.
    path = videos.write_video(tmp_path / "film.avi", seconds=3)
    given, shown, _ = read(path)
    assert given == pytest.approx(shown, abs=0.1)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize("fps", [0.5, 1.0, 4.0])
def test_uneven_frames_are_sampled_at_or_after_each_multiple(tmp_path, suffix, fps):
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    path = videos.write_video(tmp_path / f"phone{suffix}", times_s=UNEVEN_S, codec=codec)
    wanted = {min(t for t in UNEVEN_S if t >= k / fps) for k in range(int(UNEVEN_S[-1] * fps) + 1)}

    given, shown, _ = read(path, fps)

    assert given == pytest.approx(shown, abs=0.0011)
    assert given == pytest.approx(sorted(wanted), abs=0.001)


def test_a_slow_video_gives_each_of_its_frames_once(tmp_path):
    path = videos.write_video(tmp_path / "slides.mp4", seconds=4, fps=2)
    assert read(path, 25.0)[0] == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5])


def test_one_frame_is_a_video(tmp_path):
    path = videos.write_video(tmp_path / "still.mp4", seconds=0.04)
    given, shown, health = read(path)
    assert (given, shown, health.frames_decoded) == ([0.0], [0.0], 1)
    assert health.duration_got_s == pytest.approx(0.04)


@pytest.mark.parametrize(("suffix", "start_s"), [(".ts", 100.0), (".mkv", 1e6), (".mp4", 1e6)])
def test_times_begin_at_zero_wherever_the_file_begins(tmp_path, suffix, start_s):
    path = videos.write_video(tmp_path / f"recording{suffix}", start_offset_s=start_s, audio=True)

    given, shown, health = read(path)

    assert given == pytest.approx([0, 1, 2], abs=0.081)
    assert given == pytest.approx(shown, abs=0.0011)
    assert health.remarks == ()


def test_the_size_asked_for_is_the_size_given(tmp_path):
    path = videos.write_video(tmp_path / "film.mp4", size=(320, 180), seconds=1)
    assert [frame.image.shape for frame in frames(path, size=(48, 64))] == [(64, 48, 3)]
    assert [frame.image.shape for frame in frames(path)] == [(180, 320, 3)]


def test_colours_survive(tmp_path):
    red = videos.solid((220, 30, 40))
    path = videos.write_video(tmp_path / "red.mp4", picture=red, seconds=1)
    (frame,) = frames(path)
    assert np.abs(frame.image.reshape(-1, 3).astype(int) - (220, 30, 40)).max() <= 6


def displayed_corner(path: Path) -> tuple[bool, bool]:
    """Where ISO 14496-12 puts the stored top left corner: (lower half, right half)."""
    data = path.read_bytes()
    start, _ = videos.find_box(data, b"moov", b"trak", b"tkhd")
    assert data[start + 8] == 0, "version 0 of the box"
    a, b, _u, c, d, *_ = struct.unpack_from(">9i", data, start + 48)
    return -b - d > 0, -a - c > 0


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_turned_phone_gives_upright_pictures(tmp_path, rotation):
    path = videos.write_video(tmp_path / "phone.mp4", picture=videos.corner, rotation=rotation, seconds=1)
    upright = (120, 160) if rotation % 180 else (160, 120)

    with VideoReader(path) as reader:
        (picture,) = reader.pictures()
        image, square = picture.image(), picture.image((60, 60))
        health = reader.health

    assert picture.display_size == upright
    assert image.shape == (upright[1], upright[0], 3)
    assert (health.rotation_deg, (health.width_px, health.height_px)) == (rotation, upright)
    for view in (image, square):
        red = (view[..., 0] > 200) & (view[..., 1] < 90)
        rows, columns = np.nonzero(red)
        assert (rows.mean() > view.shape[0] / 2, columns.mean() > view.shape[1] / 2) == displayed_corner(path)


def test_four_k_portrait_comes_at_the_size_asked_for(tmp_path):
    path = videos.write_video(tmp_path / "phone.mp4", size=(3840, 2160), rotation=90, seconds=0.4, fps=5)
    with VideoReader(path) as reader:
        (picture,) = reader.pictures()
        assert picture.image((224, 224)).shape == (224, 224, 3)
        assert picture.display_size == (2160, 3840)


def test_sound_beside_the_pictures_does_not_matter(tmp_path):
    given, shown, _ = read(videos.write_video(tmp_path / "film.mp4", audio=True))
    assert given == pytest.approx(shown, abs=0.0011)


def test_a_poster_is_not_taken_for_the_video(tmp_path):
    path = videos.write_video(tmp_path / "film.mp4", cover=np.zeros((720, 1280, 3), np.uint8), seconds=2)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 2
    assert read(path)[0] == pytest.approx([0, 1])


@pytest.mark.parametrize(
    "name",
    [
        "视频/狗 😀.mp4",
        "-rf.mp4",
        "C:film.mp4",
        "http:film.mp4",
        "concat:a|b.mp4",
        "100%d.mp4",
        "what?#x.mp4",
        "two\nlines.mp4",
        os.fsdecode(b"latin-\xe9.mp4"),
    ],
)
def test_any_file_name_can_be_read(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    videos.write_video(tmp_path / "plain.mp4", seconds=1).rename(path)
    monkeypatch.chdir(path.parent)
    assert [frame.time_s for frame in frames(path)] == [0.0]
    assert [frame.time_s for frame in frames(Path(path.name))] == [0.0]


def test_an_empty_file_is_called_empty(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    assert "is empty" in str(error_of(path))


@pytest.mark.parametrize(
    "content", [b"Dear diary,\n" * 99, bytes(10_000), np.random.default_rng(0).bytes(9999)]
)
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "renamed.mp4"
    path.write_bytes(content)
    assert "is not a video" in str(error_of(path))


def test_a_missing_index_is_named_for_every_file_that_misses_it(tmp_path):
    for name in ("first.mp4", "second.mp4"):
        path = videos.strip_box(videos.write_video(tmp_path / name), b"moov")
        assert "moov atom not found" in str(error_of(path))


def test_a_download_that_broke_before_its_index_is_refused(tmp_path):
    assert "is not a video" in str(error_of(videos.truncate(videos.write_video(tmp_path / "half.mp4"), 0.5)))


def test_a_download_that_broke_after_its_index_gives_the_part_that_came(tmp_path):
    path = videos.write_video(tmp_path / "half.mp4", picture=videos.noise(), seconds=8, faststart=True)
    with VideoReader(videos.truncate(path, 0.5)) as reader:
        times = [picture.time_s for picture in reader.pictures()]
        health = reader.health
    assert times == pytest.approx([0, 1, 2, 3], abs=0.081)
    assert health.duration_asked_s == pytest.approx(8.0)
    assert health.duration_got_s == pytest.approx(4.0, abs=0.2)
    assert "the pictures end at" in " ".join(health.remarks)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [1, 16])
def test_scribbled_bytes_cost_no_more_than_their_own_frames(tmp_path, seed, length):
    path = videos.write_video(
        tmp_path / "scratched.mp4", picture=videos.noise(), seconds=4, encoder_options={"crf": "35"}
    )
    videos.scribble(path, count=60, length=length, seed=seed)
    with VideoReader(path) as reader:
        times = [picture.time_s for picture in reader.pictures()]
        health = reader.health
    assert times == pytest.approx([0, 1, 2, 3], abs=0.2)
    assert health.damaged_frames + health.bad_packets > 0
    assert "damaged" in " ".join(health.remarks)


def test_pictures_that_are_gone_are_a_decode_error(tmp_path):
    error = error_of(videos.strip_box(videos.write_video(tmp_path / "hollow.mp4"), b"mdat"))
    assert isinstance(error, DecodeError)


def test_an_unknown_codec_is_named_as_the_reason(tmp_path):
    assert "no decoder" in str(error_of(videos.rename_codec(videos.write_video(tmp_path / "odd.mp4"))))


def test_sound_alone_is_no_video(tmp_path):
    assert "it holds audio" in str(error_of(videos.write_sound(tmp_path / "song.m4a")))


def test_sound_with_a_cover_is_no_video(tmp_path):
    path = videos.write_sound(tmp_path / "song.mp3", cover=videos.clock(0))
    assert "it holds a cover picture, audio" in str(error_of(path))


def test_a_file_that_is_not_there_is_said_not_to_be(tmp_path):
    assert str(error_of(tmp_path / "deleted.mp4")).startswith("no such file: ")


def test_a_file_that_vanishes_while_it_is_read_is_read_to_its_end(tmp_path):
    path = videos.write_video(tmp_path / "film.mp4")
    stream = frames(path)
    next(stream)
    path.unlink()
    assert len(list(stream)) == 2


def test_a_path_through_a_file_is_a_media_error(tmp_path):
    (tmp_path / "folder").touch()
    assert "Not a directory" in str(error_of(tmp_path / "folder" / "film.mp4"))


def test_a_folder_and_an_impossible_name_are_media_errors(tmp_path):
    assert "Is a directory" in str(error_of(tmp_path))
    assert "name too long" in str(error_of(tmp_path / ("x" * 300)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file_is_called_forbidden(tmp_path):
    path = videos.write_video(tmp_path / "private.mp4")
    path.chmod(0)
    assert "permission" in str(error_of(path))


def write_streams(
    path: Path,
    *,
    video_s: Sequence[float],
    sound_s: tuple[float, float] | None = None,
    codec: str = "libx264",
    frame_options: Callable[[VideoFrame], None] = lambda _frame: None,
    repeats: int = 0,
    **codec_facts: Any,
) -> Path:
    """A video whose frames show the clock, at 25 a second, and have the time stamps ``video_s``.

    Args:
        path: where.
        video_s: time stamps of the frames.
        sound_s: start and end of a sound track.
        codec: encoder of the pictures.
        frame_options: called with each frame before it is encoded.
        repeats: empty packets that follow, one a frame.
        codec_facts: attributes of the encoder.
    """
    options = {"preset": "ultrafast", "bf": "0"} if codec == "libx264" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for name, value in codec_facts.items():
            setattr(stream.codec_context, name, value)
        sound = container.add_stream("aac", rate=48_000) if sound_s else None
        packets = []
        for number, at_s in enumerate(video_s):
            frame = VideoFrame.from_ndarray(videos.clock(number / 25)).reformat(
                160, 120, format=stream.pix_fmt, interpolation="POINT"
            )
            frame.time_base, frame.pts = Fraction(1, 25), round(at_s * 25)
            frame_options(frame)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        last = packets[-1]
        for number in range(1, repeats + 1):
            empty = av.Packet(0)
            empty.stream, empty.time_base = stream, last.time_base
            empty.pts = empty.dts = last.pts + number * round(Fraction(1, 25) / last.time_base)
            packets.append(empty)
        if sound is not None:
            packets += videos.sound_packets(sound, sound_s[0], sound_s[1] - sound_s[0])
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def steady(seconds: float, start_s: float = 0.0) -> list[float]:
    return [start_s + number / 25 for number in range(round(seconds * 25))]


@pytest.mark.parametrize("suffix", [".ts", ".mpg"])
def test_time_stamps_that_start_again_are_read_to_the_end(tmp_path, suffix):
    codec = "libx264" if suffix == ".ts" else "mpeg2video"
    parts = [videos.write_video(tmp_path / f"{n}{suffix}", seconds=4, codec=codec) for n in "ab"]
    path = tmp_path / f"both{suffix}"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))

    given, shown, health = read(path)

    assert given == pytest.approx(range(8), abs=0.2)
    assert shown == pytest.approx([0, 1, 2, 3] * 2, abs=0.2)
    assert health.duration_got_s == pytest.approx(8, abs=0.2)
    assert "time stamps jump 1 times" in " ".join(health.remarks)


def test_one_frame_hours_ahead_costs_no_other(tmp_path):
    parts = [(0.0, 2.4), (7200.0, 0.04), (2.4, 3.6)]
    files = [
        videos.write_video(tmp_path / f"{start_s}.ts", seconds=seconds, start_offset_s=start_s)
        for start_s, seconds in parts
    ]
    path = tmp_path / "stray.ts"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    given, _, health = read(path)
    assert given == pytest.approx(range(6), abs=0.081)
    assert health.frames_decoded > 100
    assert "jump 1 times" in " ".join(health.remarks)


def test_a_long_still_is_a_gap_and_no_jump(tmp_path):
    path = write_streams(tmp_path / "slides.mkv", video_s=[*steady(2), *steady(2, 60.0)])
    given, _, health = read(path)
    assert given == pytest.approx([0, 1, 60, 61], abs=0.081)
    assert health.remarks == ()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_pictures_that_begin_after_the_sound_have_the_players_times(tmp_path, suffix):
    # So measured in Chromium 140: at 2.5 s it shows what lies 0.5 s into the pictures.
    path = write_streams(tmp_path / f"late{suffix}", video_s=steady(5, 2.0), sound_s=(0.0, 7.0))
    given, shown, health = read(path)
    assert given == pytest.approx([2, 3, 4, 5, 6], abs=0.081)
    assert given == pytest.approx([time_s + 2 for time_s in shown], abs=0.0011)
    assert health.duration_got_s == pytest.approx(7, abs=0.1)
    assert health.duration_asked_s == pytest.approx(7, abs=0.1)
    assert health.remarks == ()


@pytest.mark.parametrize("audio", [False, True])
@pytest.mark.parametrize("start_s", [2.0, 20.0, 7200.0])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_files_that_begin_late_have_the_time_stamps_that_browsers_show(tmp_path, suffix, start_s, audio):
    # So measured in Chromium 140: it begins to play at 2 s and at 20 s.
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    path = videos.write_video(
        tmp_path / f"late{suffix}", start_offset_s=start_s, seconds=3, codec=codec, audio=audio
    )
    given, shown, health = read(path)
    assert given == pytest.approx([time_s + start_s for time_s in shown], abs=0.0011)
    assert given == pytest.approx([start_s, start_s + 1, start_s + 2], abs=0.081)
    assert health.duration_got_s == pytest.approx(start_s + 3, abs=0.1)
    assert health.duration_asked_s == pytest.approx(start_s + 3, abs=0.1)
    assert health.remarks == ()


@pytest.mark.parametrize("bf", ["0", "2"])
def test_an_avi_with_dropped_frames_has_true_times_to_its_last_picture(tmp_path, bf):
    times = [*steady(2), *steady(2.04, 4.0)]
    path = tmp_path / "dropped.avi"
    videos.write_video(path, times_s=None, seconds=1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "bf": bf})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for time_s in times:
            frame = VideoFrame.from_ndarray(videos.clock(time_s)).reformat(160, 120, format="yuv420p")
            frame.time_base, frame.pts = Fraction(1, 25), round(time_s * 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    given, shown, _ = read(path)
    assert given == pytest.approx(shown, abs=0.0011)
    assert given == pytest.approx([0, 1, 4, 5, 6], abs=0.081)


def test_empty_packets_repeat_the_picture_and_are_not_damage(tmp_path):
    path = write_streams(tmp_path / "still.nut", video_s=steady(2), repeats=100)
    _, _, health = read(path)
    assert health.bad_packets == 0
    assert health.duration_got_s == pytest.approx(6, abs=0.1)
    assert health.remarks == ()


def mirror(matrix: Sequence[int], path: Path) -> Path:
    """Give an mp4 the display matrix ``a b c d``."""
    data = bytearray(path.read_bytes())
    start, _ = videos.find_box(bytes(data), b"moov", b"trak", b"tkhd")
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, start + 48, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize(
    "matrix", [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0), (0, 1, -1, 0)]
)
def test_mirrored_pictures_are_put_right(tmp_path, matrix):
    path = mirror(matrix, videos.write_video(tmp_path / "selfie.mp4", picture=videos.corner, seconds=0.2))
    (frame,) = frames(path)
    red = (frame.image[..., 0] > 200) & (frame.image[..., 1] < 90)
    rows, columns = np.nonzero(red)
    height, width, _ = frame.image.shape
    assert (rows.mean() > height / 2, columns.mean() > width / 2) == displayed_corner(path)


def test_pixels_that_are_not_square_give_the_shape_of_the_screen(tmp_path):
    path = write_streams(tmp_path / "dvd.mp4", video_s=steady(0.4), sample_aspect_ratio=Fraction(3, 2))
    with VideoReader(path) as reader:
        (picture,) = reader.pictures()
        assert picture.display_size == (240, 120)
        assert picture.image().shape == (120, 240, 3)
        assert reader.health.width_px == 240


def test_transparent_pictures_stand_on_white(tmp_path):
    path = tmp_path / "logo.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("qtrle", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "argb"
        clear = np.zeros((64, 64, 4), np.uint8)
        clear[:32] = (255, 0, 0, 255)
        container.mux(stream.encode(VideoFrame.from_ndarray(clear, format="rgba").reformat(format="argb")))
        container.mux(stream.encode(None))
    (frame,) = frames(path)
    assert frame.image[10, 10].tolist() == [255, 0, 0]
    assert frame.image[50, 10].tolist() == [255, 255, 255]


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparent_webm_stands_on_white(tmp_path, codec):
    path = tmp_path / "logo.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"deadline": "realtime", "auto-alt-ref": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuva420p"
        stream.metadata["alpha_mode"] = "1"
        clear = np.zeros((64, 64, 4), np.uint8)
        clear[:32] = (255, 0, 0, 255)
        for number in range(30):
            frame = VideoFrame.from_ndarray(clear, format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    first, second = frames(path)
    for frame in (first, second):
        assert np.abs(frame.image[10, 10].astype(int) - (255, 0, 0)).max() < 12
        assert frame.image[50, 10].min() > 245
    assert (first.time_s, second.time_s) == (0.0, pytest.approx(1.0))
    with VideoReader(path) as reader:
        assert len(list(reader.pictures(25))) == 30
        assert (reader.health.width_px, reader.health.remarks) == (64, ())


@pytest.mark.parametrize(("delay_ms", "shown_ms"), [(0, 100), (10, 100), (20, 20), (30, 30), (250, 250)])
@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_frames_of_animated_pictures_are_shown_as_long_as_in_browsers(tmp_path, suffix, delay_ms, shown_ms):
    path = tmp_path / f"wave{suffix}"
    first, *rest = [Image.new("RGB", (16, 16), (20 * level, 0, 0)) for level in range(10)]
    first.save(path, save_all=True, append_images=rest, duration=delay_ms, loop=0)
    with open_video(path) as reader:
        times = [picture.time_s for picture in reader.pictures(1000)]
        assert times == pytest.approx([number * shown_ms / 1000 for number in range(10)])
        assert reader.health.remarks == ()


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5807), (18, 0.75)])
def test_hdr_is_shown_as_ordinary_screens_show_it(tmp_path, transfer, white):
    """A white page of 203 candela (ITU-R BT.2408) beside black and a dark red."""
    path = tmp_path / "phone.mkv"
    code = round(white * 65535)
    with av.open(str(path), "w") as container:
        # Without B-frames: x265 sets no decoding times in films shorter than the delay of its B-frames.
        options = {"x265-params": "log-level=none:pools=1:bframes=0"}
        stream = container.add_stream("libx265", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p10le"
        stream.codec_context.color_trc, stream.codec_context.color_primaries = transfer, 9
        stream.codec_context.colorspace = 9
        pixels = np.zeros((120, 160, 3), np.uint16)
        pixels[:, :80] = code
        frame = VideoFrame.from_ndarray(pixels, format="rgb48le").reformat(
            format="yuv420p10le", dst_colorspace="ITU709"
        )
        frame.color_trc, frame.color_primaries = transfer, 9
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (frame,) = frames(path)
    assert frame.image[60, 40].min() > 170
    assert frame.image[60, 120].max() < 10


@pytest.mark.parametrize(
    "content",
    [
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"#EXTM3U\n#EXTINF:1,\nother.ts\n",
        b"<?xml version='1.0'?>\n<MPD/>",
    ],
)
def test_a_playlist_is_refused_as_one(tmp_path, content):
    videos.write_video(tmp_path / "other.mp4", seconds=0.2)
    path = tmp_path / "list.mp4"
    path.write_bytes(content)
    error = error_of(path)
    assert "playlist" in str(error)
    assert "permission" not in str(error)


def test_an_animated_avif_gives_its_animation(tmp_path):
    path = tmp_path / "wave.avif"
    with av.open(str(path), "w", format="avif") as container:
        stream = container.add_stream("libsvtav1", rate=5, options={"preset": "12", "svtav1-params": "lp=1"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(10):
            frame = VideoFrame.from_ndarray(videos.clock(number / 5)).reformat(160, 120, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert len(read(path, 5.0)[0]) == 10


def test_a_fragmented_file_without_an_index_has_its_whole_length(tmp_path):
    path = tmp_path / "stream.mp4"
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with path.open("wb") as file, av.open(_Pipe(file), "w", format="mp4", options=flags) as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(100):
            frame = VideoFrame.from_ndarray(videos.clock(number / 25)).reformat(160, 120, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    given, _, health = read(path)
    assert given == pytest.approx([0, 1, 2, 3], abs=0.081)
    assert health.duration_asked_s == pytest.approx(4)
    assert health.remarks == ()


class _Pipe:
    """A file that cannot seek."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_colours_follow_the_tags_of_the_stream(tmp_path, matrix, limited):
    path = tmp_path / "green.mp4"
    colour_range = 1 if limited else 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, colour_range
        frame = VideoFrame.from_ndarray(videos.solid((0, 255, 0))(0)).reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=colour_range
        )
        frame.colorspace, frame.color_range = matrix, colour_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (frame,) = frames(path)
    assert np.abs(frame.image.reshape(-1, 3).astype(int) - (0, 255, 0)).max() <= 3


def test_a_cover_without_its_flag_is_no_video(tmp_path):
    path = tmp_path / "song.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        sound = container.add_stream("aac", rate=48_000)
        container.mux(stream.encode(VideoFrame.from_ndarray(videos.clock(0)).reformat(format="yuvj420p")))
        container.mux(stream.encode(None))
        for packet in videos.sound_packets(sound, 0.0, 2.0):
            container.mux(packet)
    with av.open(str(path)) as container:
        assert not container.streams.video[0].disposition & av.stream.Disposition.attached_pic
    assert "a cover picture, audio" in str(error_of(path))


def test_a_stream_without_a_container_says_that_its_times_are_counted(tmp_path):
    path = tmp_path / "bare.mp4"
    videos.write_video(path, seconds=2, fps=5, container_format="h264")
    with VideoReader(path) as reader:
        times = [picture.time_s for picture in reader.pictures(1.0)]
        assert times == [0.0]
        assert reader.health.remarks == ("the file states no times: its frames are counted, 25 a second",)


def test_a_rate_that_cannot_be_is_remarked(tmp_path):
    path = videos.write_video(tmp_path / "rate.avi", seconds=2, fps=5)
    data = path.read_bytes()
    at = data.index(b"strh") + 28  # scale and rate of the stream, 32 bits each
    path.write_bytes(data[:at] + struct.pack("<II", 1, 2_000_000) + data[at + 8 :])
    with VideoReader(path) as reader:
        assert len(list(reader.pictures(1.0))) >= 1
        assert any("2,000,000 frames a second" in remark for remark in reader.health.remarks)
