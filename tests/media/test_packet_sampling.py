"""Pictures near a grid of times, with less decoded than every frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet

import videos
from polyreel.media.decode import VideoReader
from polyreel.media.health import Health
from polyreel.media.sampling import PacketSelector, Sampling

SECONDS = 12
GROUPS_OF_TWO_SECONDS = {
    "libx264": {"preset": "medium", "g": "50", "bf": "3", "x264-params": "b-pyramid=normal:scenecut=0"},
    "libx265": {"x265-params": "log-level=none:pools=1:keyint=50:min-keyint=50:b-pyramid=1:bframes=4"},
    "libvpx-vp9": {"g": "50"},
    "libsvtav1": {"svtav1-params": "lp=1:keyint=50"},
    "mpeg2video": {"g": "50", "bf": "2"},
    "mpeg4": {"g": "50", "bf": "2"},
}
OPEN_GROUPS = {
    "libx264": {"preset": "medium", "g": "50", "bf": "3", "x264-params": "open-gop=1:scenecut=0"},
    "libx265": {"x265-params": "log-level=none:pools=1:keyint=50:min-keyint=50:open-gop=1:bframes=4"},
}
FILES = [
    (".mp4", "libx264", "closed"),
    (".mkv", "libx264", "open"),
    (".ts", "libx264", "closed"),
    (".ts", "libx264", "open"),
    (".mp4", "libx265", "closed"),
    (".mp4", "libx265", "open"),
    (".ts", "libx265", "open"),
    (".webm", "libvpx-vp9", "closed"),
    (".mp4", "libsvtav1", "closed"),
    (".mkv", "mpeg2video", "closed"),
    (".mp4", "mpeg4", "closed"),
    (".mov", "prores", "each"),
]


def film(path: Path, codec: str, groups: str = "closed", **options: object) -> Path:
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg has no encoder {codec}")
    own = (OPEN_GROUPS if groups == "open" else GROUPS_OF_TWO_SECONDS).get(codec)
    return videos.write_video(path, codec=codec, **{"seconds": SECONDS, "encoder_options": own, **options})


def read(path: Path, sampling: Sampling, fps: float = 1.0) -> tuple[list[float], list[np.ndarray], Health]:
    """Times that the reader gives, its pictures, and health."""
    with VideoReader(path) as reader:
        pictures = [(picture.time_s, picture.image()) for picture in reader.pictures(fps, sampling)]
        times_s, images = zip(*pictures, strict=True)
        return list(times_s), list(images), reader.health


def every_frame(path: Path) -> dict[float, np.ndarray]:
    """Each frame of a full decode by its time in milliseconds."""
    with VideoReader(path) as reader:
        return {round(picture.time_s, 3): picture.image() for picture in reader.pictures(1000.0)}


@pytest.mark.parametrize(("suffix", "codec", "groups"), FILES)
def test_pictures_lie_within_half_a_second_and_are_those_of_a_full_decode(tmp_path, suffix, codec, groups):
    path = film(tmp_path / f"film{suffix}", codec, groups)
    whole = every_frame(path)
    _, _, exact = read(path, "exact")

    for sampling in ("near", "fast"):
        times_s, images, health = read(path, sampling)

        for time_s, image in zip(times_s, images, strict=True):
            np.testing.assert_array_equal(image, whole[round(time_s, 3)])
            assert abs(videos.read_clock(image) - time_s) < 0.0011
        assert health.duration_got_s == pytest.approx(exact.duration_got_s, abs=0.001)
        assert (health.sampling, health.remarks) == (sampling, exact.remarks)
        if sampling == "near":
            assert times_s == pytest.approx(range(SECONDS), abs=0.501)
        elif groups != "each":  # key frames two seconds apart, and nothing else
            assert max(np.diff(times_s)) == pytest.approx(2.0, abs=0.1)
        assert health.frames_decoded < 0.75 * len(whole)
    assert health.frames_decoded == len(times_s)


def test_a_key_frame_every_second_leaves_nothing_else_to_decode(tmp_path):
    path = film(tmp_path / "phone.mp4", "libx264", encoder_options={"g": "25", "bf": "0"})
    times_s, _, health = read(path, "near")
    assert times_s == list(range(SECONDS))
    assert health.frames_decoded == SECONDS


def test_long_groups_are_sampled_as_densely_by_fast(tmp_path):
    path = film(tmp_path / "long.mp4", "libx264", encoder_options={"g": "200", "x264-params": "scenecut=0"})
    near, fast = read(path, "near")[0], read(path, "fast")[0]
    # Those from 0 to 8 s lie eight seconds apart; the rest of the film is a short group.
    assert [time_s for time_s in fast if time_s < 8] == [time_s for time_s in near if time_s < 8]
    assert [time_s for time_s in fast if time_s >= 8] == [8.0]


@pytest.mark.parametrize("fps", [0.5, 2.0, 4.0])
def test_the_grid_may_be_another(tmp_path, fps):
    path = film(tmp_path / "film.mp4", "libx264")
    times_s, _, _ = read(path, "near", fps)
    assert times_s == pytest.approx(np.arange(0, SECONDS, 1 / fps), abs=0.5 / fps + 0.001)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
def test_of_uneven_frames_none_that_stands_alone_is_missed(tmp_path, suffix):
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    times = [0.0, 0.1, 0.5, 0.52, 1.9, 2.0, 2.7, 5.0, 5.3, 9.3, 9.31, 20.0, 31.5, 31.6]
    path = film(tmp_path / f"screen{suffix}", codec, times_s=times, encoder_options={"g": "6"})

    exact, near = read(path, "exact"), read(path, "near")

    for time_s in exact[0]:
        assert min(abs(time_s - other_s) for other_s in near[0]) <= 1.001
    assert near[2].duration_got_s == exact[2].duration_got_s


def test_of_uneven_frames_none_is_missed_that_is_decoded_behind_a_later_one(tmp_path):
    times = [0.0, 0.5, 0.8, 1.0, 4.1, 4.2, 6.05, 6.1, 6.2, 6.3]
    options = {"g": "50", "bf": "2", "x264-params": "scenecut=0:b-adapt=0:b-pyramid=none"}
    path = film(tmp_path / "screen.mkv", "libx264", times_s=times, encoder_options=options)
    assert 4.1 in np.round(read(path, "exact")[0], 3)
    assert 4.1 in np.round(read(path, "near")[0], 3)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("groups", ["closed", "open"])
@pytest.mark.parametrize("fps", [1, 2])
def test_of_few_frames_a_second_none_is_missed_that_comes_behind_a_later_one(tmp_path, fps, groups, codec):
    options = {"g": "5", "bf": "2", "x264-params": f"scenecut=0:b-adapt=0:open-gop={groups == 'open':d}"}
    options = options if codec == "libx264" else {"g": "100", "bf": "2"}
    path = film(tmp_path / "film.mp4", codec, fps=fps, seconds=21, encoder_options=options)
    times_s, _, _ = read(path, "near")
    exact_s, _, _ = read(path, "exact")
    assert all(min(abs(due_s - time_s) for time_s in times_s) <= 0.5 for due_s in exact_s)


def test_intra_refresh_has_no_key_frames_but_the_first(tmp_path):
    path = film(
        tmp_path / "refresh.mp4",
        "libx264",
        encoder_options={"preset": "medium", "g": "50", "x264-params": "intra-refresh=1"},
    )
    whole, (times_s, images, _) = every_frame(path), read(path, "fast")
    assert times_s == pytest.approx(range(SECONDS), abs=0.501)
    for time_s, image in zip(times_s, images, strict=True):
        np.testing.assert_array_equal(image, whole[round(time_s, 3)])


def test_a_damaged_file_is_read_as_densely_as_exactly(tmp_path):
    path = videos.scribble(film(tmp_path / "torn.mp4", "libx264"), count=30, length=8)
    exact, near = read(path, "exact"), read(path, "near")
    assert len(near[0]) >= len(exact[0]) - 1
    assert max(np.diff(near[0])) <= max(2.0, *np.diff(exact[0]))


def test_time_stamps_that_start_again_are_followed_to_the_end(tmp_path):
    halves = [film(tmp_path / f"{n}.ts", "libx264", seconds=6) for n in range(2)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(half.read_bytes() for half in halves))
    exact, near = read(path, "exact"), read(path, "near")
    assert len(near[0]) == pytest.approx(len(exact[0]), abs=1)
    assert all(0 < after - before < 2 for before, after in pairwise(near[0]))
    assert near[2].duration_got_s == pytest.approx(exact[2].duration_got_s, abs=0.1)
    assert near[2].remarks == exact[2].remarks


def test_packets_that_claim_to_be_decoded_after_they_are_shown_are_all_handed_on():
    """As where time stamps are damaged: nothing waits, and all is said to be complete."""
    packets = []
    for number in range(75):
        packet = Packet(100)
        packet.pts, packet.dts = number, number + (200 if number > 30 else 0)
        packets.append(packet)
    selector = PacketSelector(1.0, unit_s=1 / 25, zero_s=0.0, is_key=lambda _packet: False)
    selected = list(selector.select(packets))
    assert {0, 25, 50} <= {each.packet.pts for each in selected if each.is_kept}
