"""Clips that are encoded together, of several files, are those that are encoded as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import MediaError, UsageError
from polyreel.library.index import encoding
from polyreel.library.index.decode_pool import Job
from polyreel.library.index.encoding import ClipEncoded, encode_events
from polyreel.library.index.scan import FoundVideo
from polyreel.library.store.file_version import FileVersion
from polyreel.media.decode import Frame
from polyreel.media.limited import ClipEnd, DecodeOptions, Finished, Opened

WHOLE = Finished(None, (), ())


class OnDevice:
    """A bundle that says it runs on a device, and counts how often it is asked."""

    def __init__(self, bundle, device="cuda"):
        self._bundle, self.device, self.card = bundle, device, bundle.card
        self.encode_text = bundle.encode_text
        self.asked = []

    def encode_frames(self, frames):
        self.asked.append(len(frames))
        return self._bundle.encode_frames(frames)

    def encode_video(self, clips):
        return self._bundle.encode_video(clips)


def job(name: str) -> Job:
    return Job(FoundVideo(Path(name), FileVersion(1, 1), ""), DecodeOptions(64, 64), video=name)


def pool(card, *, last=WHOLE) -> Iterator[tuple[Job, object]]:
    """What a pool tells of three files whose clips come by turns; one of them stands still."""
    random = np.random.default_rng(0)
    size = (card.frames.height_px, card.frames.width_px, 3)
    jobs = [job(name) for name in ("moving", "still", "short")]
    still = random.integers(0, 256, size, np.uint8)
    for each in jobs:
        yield each, Opened(30.0)
    for clip in range(3):
        for each in jobs[: 2 if clip else 3]:
            for second in range(1 + clip):
                image = still if each is jobs[1] else random.integers(0, 256, size, np.uint8)
                yield each, Frame(10.0 * clip + second, image)
            yield each, ClipEnd(10.0 * clip, 10.0 * clip + 10, b"jpeg")
        if clip == 0:
            yield jobs[2], last
    for each in jobs[:2]:
        yield each, WHOLE


def by_file(encoder, **told) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for each, event in encode_events(pool(encoder.card, **told), encoder):
        found.setdefault(each.video, []).append(event)
    return found


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for video, events in found.items():
        for ours, theirs in zip(events, wanted[video], strict=True):
            assert type(ours) is type(theirs)
            if isinstance(ours, ClipEncoded):
                assert (ours.start_s, ours.end_s, ours.thumbnail) == (
                    theirs.start_s,
                    theirs.end_s,
                    theirs.thumbnail,
                )
                np.testing.assert_allclose(ours.vector, theirs.vector, atol=1e-5)
                np.testing.assert_allclose(ours.features, theirs.features, atol=1e-5)


def test_on_a_device_clips_of_several_files_are_encoded_together(tiny_bundle):
    on_cpu, on_device = OnDevice(tiny_bundle, "cpu"), OnDevice(tiny_bundle)
    assert_same(by_file(on_device), by_file(on_cpu))
    assert on_cpu.asked == [1, 1, 1, 2, 3]  # what stands still but once
    assert on_device.asked == [3, 5]


@pytest.mark.parametrize(("bound", "value"), [("_DEVICE_PICTURES", 2), ("_LONGEST_WAIT_S", -1.0)])
def test_no_clip_waits_for_ever(tiny_bundle, monkeypatch, bound, value):
    monkeypatch.setattr(encoding, bound, value)
    on_device = OnDevice(tiny_bundle)
    found = by_file(on_device)
    assert len(on_device.asked) > 2
    assert_same(found, by_file(OnDevice(tiny_bundle, "cpu")))


def test_what_was_made_of_a_file_comes_before_its_failure(tiny_bundle):
    found = by_file(OnDevice(tiny_bundle), last=MediaError("broken"))
    assert [type(event) for event in found["short"]] == [Opened, ClipEncoded, MediaError]


def test_an_encoder_that_fails_says_where(tiny_bundle):
    class Failing(OnDevice):
        def encode_frames(self, frames):
            raise UsageError("it fails")

    with pytest.raises(UsageError, match="moving, 0:00, and 2 clips after that"):
        by_file(Failing(tiny_bundle))
