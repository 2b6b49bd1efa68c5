"""Captions of television, which travel with the pictures and not in a stream of their own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.video.frame import VideoFrame

import videos
from films import holdings, index_films, subtitles
from polyreel.media.cuts.request import CutRequest
from polyreel.media.cuts.writing import cut_video
from polyreel.media.decode import VideoReader
from polyreel.media.limited import DecodeOptions, DecodeWorker, Finished
from polyreel.media.sampling import SAMPLINGS

Pair = tuple[int, int]
FPS = 25
CLEAR: list[Pair] = [(0x14, 0x2C)] * 2


def said(words: str) -> list[Pair]:
    data = words.encode() + b"\0" * (len(words) % 2)
    return list(zip(data[::2], data[1::2], strict=True))


def pop_on(words: str) -> list[Pair]:
    """A caption that is loaded unseen and then shown."""
    return [(0x14, 0x20)] * 2 + [(0x14, 0x70)] * 2 + said(words) + [(0x14, 0x2F)] * 2


def roll_up(words: str) -> list[Pair]:
    """A line below the one before."""
    return [(0x14, 0x25)] * 2 + [(0x14, 0x2D)] * 2 + [(0x14, 0x70)] * 2 + said(words)


def sei(pair: Pair) -> bytes:
    """A unit of H.264 that carries a pair (ATSC A/53 part 4, ITU-T T.35)."""
    odd = bytes(byte | (0x80 if byte.bit_count() % 2 == 0 else 0) for byte in pair)
    body = b"\xb5\x00\x31GA94\x03\x41\xff\xfc" + odd + b"\xff"
    return b"\x00\x00\x00\x01\x06\x04" + bytes([len(body)]) + body + b"\x80"


def write_television(
    path: Path, script: Mapping[float, Sequence[Pair]], *, seconds: float, bf: str = "0", from_s: float = 0.0
) -> Path:
    """A recording whose captions are sent from the given instants on, a pair a frame; none before from_s."""
    waiting: list[Pair] = []
    at_frame = {round(at_s * FPS): pairs for at_s, pairs in script.items()}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "bf": bf})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, FPS)
        packets = []
        for number in range(round(seconds * FPS)):
            frame = VideoFrame.from_ndarray(videos.clock(number / FPS)).reformat(160, 120, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        pair_of = {}
        for number, pts in enumerate(sorted(packet.pts for packet in packets)):
            waiting += at_frame.get(number, ())
            pair_of[pts] = waiting.pop(0) if waiting else (0, 0)
        for packet in packets:
            unit = sei(pair_of[packet.pts]) if packet.pts * packet.time_base >= from_s else b""
            coded = av.Packet(unit + bytes(packet))
            coded.stream, coded.time_base, coded.is_keyframe = stream, packet.time_base, packet.is_keyframe
            coded.pts, coded.dts = packet.pts, packet.dts
            container.mux(coded)
    return path


def lines_of(path: Path, **options: Any) -> list[tuple[str, float, float]]:
    with DecodeWorker() as worker:
        finished = list(worker.decode(path, DecodeOptions(8, 8, **options)))[-1]
    assert isinstance(finished, Finished)
    assert finished.problems == ()
    tracks = [track for track in finished.subtitles if track.source == "closed captions"]
    return [(line.text, line.start_s, line.end_s) for track in tracks for line in track.captions]


@pytest.mark.parametrize("bf", ["0", "3"])
def test_captions_that_pop_on_have_the_times_at_which_they_are_shown(tmp_path, bf):
    script = {0.4: pop_on("THE DOG RUNS"), 4.0: CLEAR, 6.0: pop_on("and barks"), 9.0: pop_on("loudly")}
    path = write_television(tmp_path / "news.ts", script, seconds=12, bf=bf)
    lines = lines_of(path)
    assert lines_of(path, sampling="near") == lines
    assert [text for text, _, _ in lines] == ["THE DOG RUNS", "and barks", "loudly"]
    # Half a second goes by until all pairs of a caption are there.
    assert [start_s for _, start_s, _ in lines] == pytest.approx([0.8, 6.4, 9.4], abs=0.2)
    assert [end_s for _, _, end_s in lines] == pytest.approx([4.0, 9.4, 12.0], abs=0.2)


def test_captions_that_roll_up_are_said_once(tmp_path):
    words = ["here is the news", "a dog was seen", "on the beach", "it barked"]
    script = {1.0 + 3 * place: roll_up(line) for place, line in enumerate(words)}
    path = write_television(tmp_path / "live.ts", script, seconds=14)
    lines = lines_of(path)
    assert [text for text, _, _ in lines] == words
    assert [start_s for _, start_s, _ in lines] == pytest.approx([1.1, 4.1, 7.1, 10.1], abs=0.3)


def test_captions_cost_no_frame_and_no_remark(tmp_path):
    path = write_television(tmp_path / "news.ts", {0.4: pop_on("a dog")}, seconds=4)
    with VideoReader(path) as reader:
        times = [picture.time_s for picture in reader.pictures()]
        health = reader.health
    assert times == pytest.approx([0, 1, 2, 3], abs=0.081)
    assert (health.closed_captions, health.remarks) == (True, ())
    plain = videos.write_video(tmp_path / "plain.mp4", seconds=1)
    with VideoReader(plain) as reader:
        list(reader.pictures())
        assert not reader.health.closed_captions


def test_captions_that_begin_between_two_samples_are_found(tmp_path):
    script = {1.2: pop_on("a dog"), 1.8: CLEAR}
    path = write_television(tmp_path / "news.ts", script, seconds=4, from_s=1.2)
    for sampling in SAMPLINGS:
        assert [text for text, _, _ in lines_of(path, sampling=sampling)] == ["a dog"]


def test_captions_alone_are_those_that_come_with_the_pictures(tmp_path):
    path = write_television(tmp_path / "news.ts", {0.4: pop_on("a dog"), 2.0: CLEAR}, seconds=4)
    assert lines_of(path, pictures=False, captions=True) == lines_of(path)
    assert lines_of(path, pictures=False) == []


def test_a_library_keeps_captions_when_other_subtitles_come(tmp_path, tiny_bundle):
    folder, library = tmp_path / "videos", tmp_path / "library"
    folder.mkdir()
    path = write_television(folder / "news.ts", {0.4: pop_on("a red dog"), 2.0: CLEAR}, seconds=4)
    index_films(folder, library, tiny_bundle)
    assert holdings(library)[str(path)].subtitles == ("a red dog",)
    subtitles(folder / "news.de.srt", (0, 1, "ein Hund"))
    assert index_films(folder, library, tiny_bundle).resubtitled == 1
    assert set(holdings(library)[str(path)].subtitles) == {"a red dog", "ein Hund"}
    twin = Path(shutil.copy(path, folder / "a twin.ts"))
    subtitles(folder / "a twin.de.srt", (0, 1, "eine Katze"))
    index_films(folder, library, tiny_bundle)
    assert set(holdings(library)[str(twin)].subtitles) == {"a red dog", "eine Katze"}


def test_captions_come_along_with_a_cut_whose_pictures_are_encoded_anew(tmp_path):
    script = {0.2: pop_on("GOOD NIGHT"), 1.6: CLEAR}
    source = write_television(tmp_path / "tv.ts", script, seconds=2)
    report = cut_video(source, tmp_path / "cut.mp4", CutRequest(0.2, 2))
    assert report.encoded == report.pictures
    ((text, start_s, end_s),) = lines_of(tmp_path / "cut.mp4")
    ((_, before_s, until_s),) = lines_of(source)
    assert text == "GOOD NIGHT"
    assert (start_s + 0.2, end_s + 0.2) == pytest.approx((before_s, until_s), abs=0.01)
