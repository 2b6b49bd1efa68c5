"""Decoding on a device: where there is none, or it fails, the CPU gives the same and one message says so."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import av
import numpy as np
import pytest

import videos
from decoders import running_decoders
from polyreel.media import device_reader
from polyreel.media.decode import Frame, VideoReader
from polyreel.media.device_reader import DeviceReader, pictures_agree
from polyreel.media.hwaccel import HwaccelUse
from polyreel.media.limited import DecodeOptions, DecodeWorker, Limits

OPTIONS = DecodeOptions(width_px=640, height_px=480)
# A kind of device that this FFmpeg knows for no codec: PyAV then decodes with the CPU and says nothing, so
# that all of a reader on a device runs but the driver.
STAND_IN = "drm"
without_a_card = pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="here is a device that decodes")


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("device") / "film.mp4"
    return videos.write_video(path, seconds=25, fps=5, picture=dawn, encoder_options={"g": "10"})


def dawn(time_s: float) -> np.ndarray:
    """A little brighter every second: no cut, and no picture like another."""
    return np.full((120, 160, 3), 50 + 4 * int(time_s), np.uint8)


@pytest.fixture(scope="module")
def whole(film):
    with DecodeWorker() as worker:
        return list(worker.decode(film, OPTIONS))


@pytest.fixture
def stand_in(monkeypatch):
    """A device that is there, and makes the pictures of the CPU."""
    monkeypatch.setattr(device_reader, "_device_for", lambda _codec, _wanted: STAND_IN)
    monkeypatch.setattr(device_reader, "_kinds", {})


def damaged(film: Path, path: Path) -> Path:
    """A copy with one picture in its middle that no decoder takes."""
    data = bytearray(film.read_bytes())
    with av.open(str(film)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    spoiled = next(packet for packet in packets[60:] if not packet.is_keyframe)
    data[spoiled.pos : spoiled.pos + spoiled.size] = b"\xff" * spoiled.size
    path.write_bytes(data)
    return path


def assert_same(events: list[object], wanted: list[object]) -> None:
    for ours, theirs in zip(events, wanted, strict=True):
        if isinstance(ours, Frame):
            assert ours.time_s == theirs.time_s
            np.testing.assert_array_equal(ours.image, theirs.image)
        else:
            assert ours == theirs


def pictures_of(reader: VideoReader | DeviceReader) -> list[tuple[float, bytes]]:
    with reader:
        return read(reader)


def read(reader: VideoReader | DeviceReader) -> list[tuple[float, bytes]]:
    return [(each.time_s, each.image((64, 48)).tobytes()) for each in reader.pictures(1.0, "near")]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        pytest.param("auto", "cuda cannot be opened", marks=without_a_card),
        pytest.param("cuda", "cuda cannot be opened", marks=without_a_card),
        ("d3d12va", "was built without d3d12va, so the CPU decodes"),
        ("qsv", "decodes h264 on no such device, so the CPU decodes such videos"),
    ],
)
def test_without_a_device_the_cpu_decodes_and_one_message_says_so(film, whole, caplog, wanted, said):
    use = HwaccelUse(wanted)
    with DecodeWorker(hwaccel=use) as worker, caplog.at_level(logging.WARNING, "polyreel"):
        for _ in range(2):
            assert_same(list(worker.decode(film, OPTIONS)), whole)
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"hwaccel {wanted}: ")
    assert said in message
    # What is not for one codec may be for another.
    assert use.wanted == (wanted if wanted == "qsv" else "none")


def test_a_device_gives_what_the_cpu_gives(stand_in, film):
    reader = DeviceReader(film, "cuda")
    assert pictures_of(reader) == pictures_of(VideoReader(film))
    assert reader.left is None


def test_where_a_device_fails_on_a_packet_the_cpu_goes_on(stand_in, film, tmp_path):
    path = damaged(film, tmp_path / "damaged.mp4")
    with DeviceReader(path, "cuda") as reader:
        found, bad_packets = read(reader), reader.health.bad_packets
    wanted = pictures_of(VideoReader(path))
    assert found == wanted
    assert "fails on damaged.mp4" in reader.left.why
    assert not reader.left.for_good
    assert bad_packets == 1


def test_a_device_that_makes_other_pictures_is_given_up(stand_in, film, monkeypatch):
    monkeypatch.setattr(device_reader, "pictures_agree", lambda _one, _other: False)
    reader = DeviceReader(film, "cuda")
    assert pictures_of(reader) == pictures_of(VideoReader(film))
    assert reader.left.for_good
    assert "makes other pictures than the CPU" in reader.left.why


def test_pictures_agree_whatever_the_layout_of_their_colours_and_not_without_them():
    scene = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8).repeat(40, 0).repeat(40, 1)
    stored = av.VideoFrame.from_ndarray(scene, format="rgb24").reformat(format="yuv420p")
    as_devices_do = stored.reformat(format="nv12")
    pictures = [each.reformat(224, 224, format="rgb24").to_ndarray() for each in (stored, as_devices_do)]
    assert pictures_agree(*pictures)
    grey = pictures[0].mean(axis=2, keepdims=True).astype(np.uint8).repeat(3, 2)
    assert not pictures_agree(pictures[0], grey)
    assert not pictures_agree(pictures[0], np.roll(pictures[0], 7, axis=1))
    assert not pictures_agree(pictures[0], pictures[0][:-1])


@pytest.mark.parametrize(("end", "times"), [(signal.SIGSEGV, 1), (signal.SIGKILL, 2), (signal.SIGSTOP, 1)])
@pytest.mark.parametrize("after", [1, 18])
def test_a_device_that_takes_its_process_with_it_costs_no_file(film, whole, caplog, end, times, after):
    """Or never answers: nothing is lost or comes twice, before the first clip and in the middle of one."""
    others, use, left = running_decoders(), HwaccelUse("d3d12va"), times
    events = []
    limits = Limits(silence_s=3.0)
    with DecodeWorker(limits, hwaccel=use) as worker, caplog.at_level(logging.WARNING, "polyreel"):
        for event in worker.decode(film, OPTIONS):
            events.append(event)
            if len(events) >= after and left and (children := running_decoders() - others):
                os.kill(children.pop(), end)
                left -= 1
    assert_same(events, whole)
    assert use.wanted == "none"
    (message,) = [record.getMessage() for record in caplog.records]
    assert "the device failed on film.mp4" in message
