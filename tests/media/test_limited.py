"""Decoding in a child process: the same frames, and no file that can hang or kill the program."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

import videos
from decoders import fork_servers, running_decoders
from polyreel.errors import DecodeError, LimitError, MediaError, PolyreelError, WorkerKilledError
from polyreel.library.index.decode_pool import Job, run_decode_pool
from polyreel.library.index.scan import FoundVideo
from polyreel.library.store.file_version import FileVersion
from polyreel.media import forked, limited
from polyreel.media.decode import Frame
from polyreel.media.hwaccel import HwaccelUse
from polyreel.media.limited import (
    ClipEnd,
    DecodeOptions,
    DecodeStopped,
    DecodeWorker,
    Finished,
    KnownFrame,
    Limits,
    Opened,
)
from polyreel.media.readers import frames
from polyreel.media.wire import write_message

SMALL = DecodeOptions(width_px=64, height_px=48)
PATIENCE_S = 2.0


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    black, white = videos.solid((0, 0, 0)), videos.solid((255, 255, 255))
    return videos.write_video(
        tmp_path_factory.mktemp("limited") / "film.mp4",
        seconds=6,
        picture=videos.scenes((4, black), (6, white)),
    )


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    """More pictures than the pipe to the child holds: it cannot finish before somebody reads them."""
    return videos.write_video(tmp_path_factory.mktemp("limited") / "long.mp4", seconds=40, fps=5)


@pytest.fixture
def worker():
    with DecodeWorker() as started:
        yield started


OTHERS: set[int] = set()


@pytest.fixture(scope="module", autouse=True)
def children_of_others():
    """Those of servers that tests before these have left running for tests after them."""
    OTHERS.update(running_decoders())


def child_of_this_process() -> int:
    """The one decoder of these tests that is running."""
    (child,) = running_decoders() - OTHERS
    return child


def impostor(words: Path):
    """Starts, in place of a worker, what says these bytes to whatever it is asked."""
    command = ["sh", "-c", f"read request; cat '{words}'"]
    return lambda memory_bytes: subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def outcome(worker: DecodeWorker, path: Path) -> str | None:
    """The error that decoding ends in, None if it does not."""
    try:
        list(worker.decode(path, SMALL))
    except MediaError as error:
        return str(error)
    return None


def is_served(worker: DecodeWorker, film: Path) -> bool:
    return isinstance(list(worker.decode(film, SMALL))[-1], Finished)


def test_events_come_in_the_order_of_the_video(worker, film):
    events = list(worker.decode(film, SMALL))
    assert [type(event) for event in events] == [
        Opened,
        *[Frame] * 4,
        ClipEnd,
        *[Frame] * 2,
        ClipEnd,
        Finished,
    ]
    assert events[0] == Opened(pytest.approx(6.0))
    clips = [[event.start_s, event.end_s] for event in events if isinstance(event, ClipEnd)]
    np.testing.assert_allclose(clips, [[0, 4], [4, 6]])
    assert events[-1].health.frames_sampled == 6


def test_frames_are_those_of_the_reader(worker, film):
    sent = [event for event in worker.decode(film, SMALL) if isinstance(event, Frame)]
    for ours, read in zip(sent, frames(film, size=(64, 48)), strict=True):
        assert ours.time_s == read.time_s
        np.testing.assert_array_equal(ours.image, read.image)


@pytest.mark.parametrize("fps", [1.0, 3.0])
def test_a_video_that_is_read_on_gives_the_clips_that_were_not_read(worker, tmp_path, fps):
    grey = [videos.solid((level, level, level)) for level in (0, 255)]
    cuts_s = (4, 5.3, 9.7, 14, 14.5, 17.1, 40)
    path = videos.write_video(
        tmp_path / "uneven.mkv",
        times_s=[*(number / 7 for number in range(7 * 20)), 33.3, 33.5, 39.0],
        picture=videos.scenes(*((cut_s, grey[place % 2]) for place, cut_s in enumerate(cuts_s))),
        start_offset_s=0.5,
    )
    options = replace(SMALL, fps=fps)
    whole = list(worker.clips(path, options))
    assert len(whole) >= 5
    for count, clip in enumerate(whole, start=1):
        resumed = replace(options, from_s=clip.end_s)
        rest = list(worker.clips(path, resumed))
        known = [event.image for event in worker.decode(path, resumed) if isinstance(event, KnownFrame)]
        assert np.array_equal(known, np.concatenate([before.images for before in whole[:count]]))
        assert [(c.start_s, c.end_s, c.thumbnail) for c in rest] == [
            (c.start_s, c.end_s, c.thumbnail) for c in whole[count:]
        ]
        for mine, other in zip(rest, whole[count:], strict=True):
            assert np.array_equal(mine.images, other.images)


def test_each_clip_brings_a_thumbnail_of_its_middle(worker, film):
    options = DecodeOptions(width_px=64, height_px=48, thumbnail_px=80)
    thumbnails = [event.thumbnail for event in worker.decode(film, options) if isinstance(event, ClipEnd)]
    shown = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in thumbnails]
    assert [image.shape for image in shown] == [(60, 80, 3), (60, 80, 3)]
    assert [image.mean() > 127 for image in shown] == [False, True]


def test_subtitles_and_problems_come_with_the_last_event(worker, film):
    film.with_name("film.de.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nEin Hund 😀\n\n")
    film.with_name("film.en.srt").write_text("rubbish")
    *_, finished = worker.decode(film, SMALL)
    assert finished.subtitles[0].captions[0].text == "Ein Hund 😀"
    assert "film.en.srt" in finished.problems[0]
    (only,) = worker.decode(film, DecodeOptions(width_px=64, height_px=48, pictures=False))
    assert (only.health, only.subtitles) == (None, finished.subtitles)


def test_subtitle_files_that_are_known_are_not_looked_for(worker, film, tmp_path):
    path = tmp_path / "talk.mp4"
    path.write_bytes(film.read_bytes())
    for name in ("talk.de.srt", "talk.en.srt"):
        path.with_name(name).write_text("1\n00:00:01,000 --> 00:00:02,000\nein Wort\n")
    for names in ((), ("talk.en.srt",), ("talk.de.srt", "talk.en.srt"), None):
        *_, finished = worker.decode(path, replace(SMALL, sidecars=names))
        assert finished.problems == ()
        read = [track.source for track in finished.subtitles]
        assert read == list(("talk.de.srt", "talk.en.srt") if names is None else names)


@pytest.mark.parametrize("name", [b"film.\xe9.en.srt", b"film.\x1b]0;x\x07\n.srt"])
def test_names_of_subtitle_files_come_as_text_that_can_be_kept_and_shown(worker, tmp_path, film, name):
    video = tmp_path / "film.mp4"
    video.write_bytes(film.read_bytes())
    sidecar = tmp_path / os.fsdecode(name)
    sidecar.write_text("1\n00:00:01,000 --> 00:00:02,000\nein Wort\n\n1\n00:00:01,000 --> soon\nx\n")
    *_, finished = worker.decode(video, replace(SMALL, sidecars=(sidecar.name,)))
    said = [*finished.problems, *(track.source for track in finished.subtitles)]
    assert len(said) == 2
    assert all(text.encode() and text.isprintable() for text in said)


def test_whatever_a_child_says_is_text(film, tmp_path, monkeypatch):
    caption = {"text": "\ud800 \x1b[2J", "language": "\udfff", "start_s": 0.0, "end_s": 1.0}
    header = {"kind": "done", "health": None, "problems": ["\ud800\x07"]}
    header["subtitles"] = [{"source": "\udce9", "captions": [{**caption, "sample_creation": "found"}]}]
    with (tmp_path / "words").open("wb") as stream:
        write_message(stream, header)
    monkeypatch.setattr(limited, "start_worker", impostor(tmp_path / "words"))
    with DecodeWorker() as worker:
        (finished,) = worker.decode(film, SMALL)
    (track,) = finished.subtitles
    (line,) = track.captions
    assert (line.text, line.language, track.source) == ("\\ud800 \\x1b[2J", "\\udfff", "\\udce9")
    assert finished.problems == ("\\ud800\\x07",)


def test_one_child_serves_many_files_also_after_bad_ones(worker, film, tmp_path):
    names = ["-film.mp4", "http:film.mp4", "狗 😀\n.mp4", os.fsdecode(b"\xe9.mp4")]
    assert is_served(worker, film)
    child = child_of_this_process()
    for name in names:
        (tmp_path / name).write_bytes(film.read_bytes())
        assert is_served(worker, tmp_path / name)
    (tmp_path / "bad.mp4").write_text("bad")
    for path in (tmp_path / "bad.mp4", tmp_path / "gone.mp4", tmp_path):
        with pytest.raises(MediaError) as caught:
            list(worker.decode(path, SMALL))
        assert type(caught.value) is MediaError
        assert str(path) in str(caught.value)
    assert is_served(worker, film)
    assert child_of_this_process() == child


def test_an_error_arrives_with_its_class_and_remedy(worker, tmp_path):
    path = videos.strip_box(videos.write_video(tmp_path / "hollow.mp4"), b"mdat")
    with pytest.raises(DecodeError, match="nothing in the video stream decodes") as caught:
        list(worker.decode(path, SMALL))
    assert caught.value.remedy


@pytest.fixture(scope="module")
def idle_bytes(film):
    """Data memory of a child that has served a small film."""
    with DecodeWorker() as worker:
        assert is_served(worker, film)
        return psutil.Process(child_of_this_process()).memory_info().data


@pytest.mark.parametrize(("spare_mb", "device"), [(10, "none"), (25, "none"), (40, "d3d12va")])
def test_a_file_that_needs_too_much_memory_is_a_limit_error(film, tmp_path, idle_bytes, spare_mb, device):
    big = videos.write_video(tmp_path / "4k.mp4", size=(3840, 2160), seconds=1, fps=5)
    with DecodeWorker(
        Limits(memory_bytes=idle_bytes + (spare_mb << 20)), hwaccel=HwaccelUse(device)
    ) as worker:
        with pytest.raises(LimitError, match=r"4k\.mp4"):
            list(worker.decode(big, SMALL))
        assert is_served(worker, film)


def test_a_child_that_cannot_even_start_is_an_error_and_no_hang(film):
    with DecodeWorker(Limits(memory_bytes=8 << 20)) as worker, pytest.raises(MediaError, match=r"film\.mp4"):
        list(worker.decode(film, SMALL))


def test_a_silent_child_is_stopped(long_film, film):
    with DecodeWorker(Limits(silence_s=PATIENCE_S)) as worker:
        events = worker.decode(long_film, DecodeOptions(width_px=640, height_px=480))
        next(events)
        os.kill(child_of_this_process(), signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(LimitError, match="took too long"):
            list(events)
        assert time.monotonic() - began < PATIENCE_S + 10
        assert is_served(worker, film)


@pytest.mark.parametrize("pictures", [True, False])
def test_a_pipe_in_the_place_of_a_film_is_not_waited_at(worker, tmp_path, pictures):
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    options = replace(SMALL, pictures=pictures)
    if pictures:
        with pytest.raises(MediaError, match=r"pipe\.mp4 \(Not a regular file\)"):
            list(worker.decode(path, options))
    else:
        *_, finished = worker.decode(path, options)
        assert "Not a regular file" in finished.problems[0]


def test_time_that_the_reader_takes_is_not_counted(long_film):
    with DecodeWorker(Limits(silence_s=2.5, base_s=2.5, per_video_s=0.0)) as worker:
        for event in worker.decode(long_film, DecodeOptions(width_px=320, height_px=240)):
            if isinstance(event, Frame) and event.time_s in {5.0, 20.0, 35.0}:
                time.sleep(0.9)
    assert isinstance(event, Finished)


def test_a_file_may_take_longer_in_all_only_if_it_gives_more(long_film):
    with (
        DecodeWorker(Limits(base_s=0.001, per_video_s=0.0)) as worker,
        pytest.raises(LimitError, match="took too long"),
    ):
        list(worker.decode(long_film, SMALL))


@pytest.mark.parametrize("wound", [signal.SIGABRT, signal.SIGSEGV])
def test_a_child_that_dies_costs_its_file_and_nothing_else(worker, long_film, film, wound):
    events = worker.decode(long_film, DecodeOptions(width_px=640, height_px=480))
    next(events)
    os.kill(child_of_this_process(), wound)
    with pytest.raises(DecodeError, match=rf"long\.mp4 \(exit status -{wound}\)"):
        list(events)
    assert is_served(worker, film)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_that_is_killed_from_outside_is_replaced_once(worker, long_film, film, end):
    """Nothing is lost and nothing comes twice: the second child goes on where the first one was."""
    options = DecodeOptions(width_px=640, height_px=480)
    whole = list(worker.decode(long_film, options))
    events = worker.decode(long_film, options)
    begun = [next(events) for _ in range(8)]
    os.kill(child_of_this_process(), end)
    for got, wanted in zip([*begun, *events], whole, strict=True):
        assert type(got) is type(wanted)
        if isinstance(got, Frame):
            assert got.time_s == wanted.time_s
            np.testing.assert_array_equal(got.image, wanted.image)
        else:
            assert got == wanted
    assert is_served(worker, film)


def test_a_child_that_is_killed_again_is_no_verdict_on_the_file(worker, long_film, film):
    def kill(event):
        if isinstance(event, Frame | Opened):
            os.kill(child_of_this_process(), signal.SIGKILL)

    events = worker.decode(long_film, DecodeOptions(width_px=640, height_px=480))
    with pytest.raises(WorkerKilledError, match=r"ended from outside: .*long\.mp4 \(SIGKILL\).*tried again"):
        list(map(kill, events))
    assert is_served(worker, film)


def test_waiting_for_a_child_can_be_stopped(long_film, film):
    stop = threading.Event()
    with DecodeWorker(stop=stop) as worker:
        events = worker.decode(long_film, DecodeOptions(width_px=640, height_px=480))
        next(events)
        os.kill(child_of_this_process(), signal.SIGSTOP)
        threading.Timer(0.3, stop.set).start()
        began = time.monotonic()
        with pytest.raises(DecodeStopped):
            list(events)
        assert time.monotonic() - began < PATIENCE_S
        stop.clear()
        assert is_served(worker, film)


def test_ctrl_c_in_a_terminal_does_not_reach_the_child(worker, film):
    assert is_served(worker, film)
    assert os.getpgid(child_of_this_process()) != os.getpgrp()


def test_a_child_that_dies_between_files_costs_nothing(worker, film):
    assert is_served(worker, film)
    child = psutil.Process(child_of_this_process())
    child.kill()
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert is_served(worker, film)


def test_a_video_that_is_left_half_read_does_not_mix_with_the_next(worker, long_film, film):
    for event in worker.decode(long_film, SMALL):
        if isinstance(event, Frame):
            break
    events = list(worker.decode(film, SMALL))
    assert [type(events[0]), len(events)] == [Opened, 10]


def test_no_child_outlives_its_worker(film):
    with DecodeWorker() as worker:
        assert is_served(worker, film)
        child = child_of_this_process()
    assert not psutil.pid_exists(child)


def test_a_worker_shares_nothing_with_another(worker, film):
    """One that held the pipe of another would keep its end from being seen."""
    with DecodeWorker() as other:
        assert is_served(other, film)
        assert is_served(worker, film)
        assert other._process.pid != worker._process.pid
        descriptors = [int(each.name) for each in Path(f"/proc/{worker._process.pid}/fd").iterdir()]
        assert max(descriptors) <= 3  # of those beyond stderr, where its messages go


def test_a_fork_server_that_is_killed_is_replaced(worker, film):
    assert is_served(worker, film)
    child = child_of_this_process()
    (server,) = fork_servers()
    server.kill()
    server.wait()
    assert is_served(worker, film)
    assert child_of_this_process() != child
    with pytest.raises(psutil.NoSuchProcess):  # nobody would wait for it any more
        psutil.wait_procs([psutil.Process(child)], timeout=5)[0][0].status()


def test_a_fork_server_that_is_stopped_is_replaced(worker, film, monkeypatch):
    monkeypatch.setattr(forked, "_STARTS_WITHIN_S", 5.0)
    assert is_served(worker, film)
    (server,) = fork_servers()
    server.suspend()
    with DecodeWorker() as other:
        assert is_served(other, film)
    assert not server.is_running()


def test_a_program_that_can_start_no_process_blames_no_file(film, monkeypatch):
    monkeypatch.setattr(forked, "_server", None)
    monkeypatch.setattr(sys, "executable", "nothing-of-this-name")
    job = Job(FoundVideo(film, FileVersion(1, 1), ""), SMALL, video="known")
    with pytest.raises(PolyreelError, match=r"no process .* started \(.*nothing-of-this-name.*\)\.") as told:
        list(run_decode_pool([job], workers=1, limits=Limits(), seen=set(), kept_s={}))
    assert not isinstance(told.value, MediaError)


def test_nothing_outlives_a_program_that_is_killed(film):
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom polyreel.media.limited import *\n"
        "worker = DecodeWorker()\nlist(worker.decode(Path(sys.argv[1]), DecodeOptions(64, 48)))\n"
        "print(worker._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(film)], stdout=subprocess.PIPE) as started:
        child = psutil.Process(int(started.stdout.readline()))
        server = child.parent()
        assert server.ppid() == started.pid
        started.kill()
        _, alive = psutil.wait_procs([child, server], timeout=20)
        assert not alive


def test_modules_are_not_taken_from_the_folder_that_it_is_called_in(film, tmp_path):
    (tmp_path / "av.py").write_text("raise SystemExit(3)", encoding="utf-8")
    program = (
        "import sys\nsys.path.pop(0)  # as of an installed command\nfrom pathlib import Path\n"
        "from polyreel.media.limited import *\n"
        "with DecodeWorker() as worker: list(worker.decode(Path(sys.argv[1]), DecodeOptions(64, 48)))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(film)], cwd=tmp_path, check=True)


def test_a_program_that_was_forked_while_a_child_was_started_starts_its_own(film):
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom polyreel.media import forked\n"
        "from polyreel.media.limited import *\n"
        "with forked._starting: child = os.fork()\n"
        "if child: sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "signal.alarm(60)\n"
        "with DecodeWorker() as worker: list(worker.decode(Path(sys.argv[1]), DecodeOptions(64, 48)))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(film)], check=True)


def test_a_program_may_have_many_files_open(film):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))
    held = []
    try:
        while not held or held[-1] < 1_024:
            held.append(os.open(os.devnull, os.O_RDONLY))
        with DecodeWorker() as worker:
            assert is_served(worker, film)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    "words",
    [
        b"Traceback (most recent call last):",
        b"\x02\0\0\0\0\0\0\0{}",
        b"\x02\0\0\0\0\0\0\0[]",
        b'\x0e\0\0\0\0\0\0\0{"kind":"odd"}',
        b'\x10\0\0\0\x01\0\0\0{"kind":"frame"}x',
        b'\x1f\0\0\0\x01\0\0\0{"kind":"frame","time_s":"late"}x',
        b'\x1e\0\0\0\x01\0\0\0{"kind":"frame","time_s":null}x',
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa0\x86\x01\0\0\0\0\0" + b"[" * 100_000,
    ],
)
def test_a_child_that_talks_nonsense_is_a_crash(film, tmp_path, monkeypatch, words):
    (tmp_path / "words").write_bytes(words)
    monkeypatch.setattr(limited, "start_worker", impostor(tmp_path / "words"))
    with DecodeWorker() as worker, pytest.raises(DecodeError, match=r"crashed on this file: .*film\.mp4"):
        list(worker.decode(film, SMALL))


def test_no_harm_to_a_file_is_more_than_a_media_error(worker, tmp_path):
    whole = videos.write_video(
        tmp_path / "whole.mp4",
        seconds=2,
        fps=10,
        audio=True,
        subtitles={"de": [(0, 1, "ja")]},
        subtitle_codec="mov_text",
    ).read_bytes()
    outcomes = []
    for seed in range(60):
        generator = random.Random(seed)
        data = bytearray(whole[: generator.randrange(len(whole))] if seed % 4 == 0 else whole)
        for _ in range(generator.choice((1, 5, 40))):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path = tmp_path / f"harmed{seed}.mp4"
        path.write_bytes(data)
        outcomes.append(outcome(worker, path))
    assert all(text is None or "harmed" in text for text in outcomes)
    assert outcomes.count(None) > 15
