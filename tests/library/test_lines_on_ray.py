"""Lines that are found on a Ray cluster: those of a run on this machine, whatever ends meanwhile."""

from __future__ import annotations

import platform
import shutil
import wave
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import films
from clusters import Nodes, assert_equal, needs_ray, readers, three_nodes
from films import index_films
from polyreel.cli.app import main
from polyreel.encoders.on_node import NodeBundle
from polyreel.errors import UsageError, WorkerKilledError
from polyreel.library.index.hearing import hear, plan_hearing
from polyreel.library.index.line_stages import LineStage
from polyreel.library.index.lines_on_ray import RayLines
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import SUBTITLES
from polyreel.media.limited import Limits
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir
from polyreel.recognition import registry
from polyreel.scale.cluster import Cluster
from sounds import CONGRATULATIONS, write_sounds
from tone_recogniser import SPOKEN, PoisonedTones, ToneRecogniser, says
from videos import write_video
from written_pictures import written

pytestmark = [pytest.mark.slow, *needs_ray]

WORDS = [word for word, _ in SPOKEN.values()]
VIDEOS = 12


def talk(path: Path, first: int, *, seconds: float = 21.0) -> Path:
    """A film in which a word is said every five seconds; a stretch is heard every ten."""
    tones = [
        says(WORDS[(first + at) % len(WORDS)], at * 5 + 0.5, at * 5 + 1.5) for at in range(int(seconds / 5))
    ]
    return write_sounds(path, tones, seconds=seconds, codec="pcm_s16le", layout="mono", rate=16_000)


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_bundle) -> Path:
    """Films, one of them with subtitles that say what it says, and their library before anybody listened."""
    home = tmp_path_factory.mktemp("lines")
    (home / "films").mkdir()
    for number in range(VIDEOS):
        talk(home / "films" / f"{number:02}.mkv", number)
    films.subtitles(home / "films" / "07.de.srt", (0, 2, "blau"), (5, 7, "ein Hund"))
    index_films(home / "films", home / "library", tiny_bundle)
    shutil.copytree(home / "library", home / "alone")
    report = hear(home / "alone", tiny_bundle, ToneRecogniser(), location=str(tiny_bundle.folder))
    assert report.heard == VIDEOS
    return home


@pytest.fixture
def library(made, tmp_path) -> Path:
    return shutil.copytree(made / "library", tmp_path / "library")


@pytest.fixture(scope="module")
def nodes():
    with three_nodes() as cluster:
        yield cluster


def listen(nodes: Nodes, library: Path, bundle, load=ToneRecogniser, engine="tones/1", **options):
    there = NodeBundle(str(bundle.folder), bundle.card.identity)
    find = RayLines(Cluster(nodes.address), there, load, engine)
    return hear(library, bundle, ToneRecogniser(), location=str(bundle.folder), find=find, **options)


def test_they_are_the_lines_of_a_run_on_this_machine(nodes, made, library, tiny_bundle):
    steps = []
    report = listen(nodes, library, tiny_bundle, on_progress=steps.append)
    assert (report.heard, report.failed, report.interrupted) == (VIDEOS, [], False)
    assert_equal(library, made / "alone")
    done = [step.sound_done_s for step in steps]
    assert done == sorted(done)
    assert (steps[-1].videos_done, steps[-1].videos) == (VIDEOS, VIDEOS)
    assert done[-1] == pytest.approx(steps[-1].sound_s)
    assert listen(nodes, library, tiny_bundle).heard == 0


@pytest.mark.parametrize("lost", ["reader", "node"])
def test_one_that_is_killed_costs_nothing(nodes, made, library, tiny_bundle, lost):
    left = [3]

    def kill(now) -> None:
        if now.videos_done == left[0]:
            left[0] = -1
            readers("_LineReader")[0].kill() if lost == "reader" else nodes.kill_node()

    report = listen(nodes, library, tiny_bundle, on_progress=kill)
    if lost == "node":
        nodes.add_node()
    assert (report.heard, left) == (VIDEOS, [-1])
    assert_equal(library, made / "alone")


def test_a_run_that_is_interrupted_goes_on_where_it_was(nodes, made, library, tiny_bundle):
    def stop(now) -> None:
        if now.videos_done == 4:
            raise KeyboardInterrupt

    first = listen(nodes, library, tiny_bundle, on_progress=stop)
    assert first.interrupted
    assert 3 <= first.heard < VIDEOS
    second = listen(nodes, library, tiny_bundle)
    assert first.heard + second.heard == VIDEOS
    assert_equal(library, made / "alone")


def test_a_video_that_its_readers_end_at_fails_alone(nodes, made, library, tiny_bundle):
    report = listen(nodes, library, tiny_bundle, partial(PoisonedTones, "05.mkv"))
    (failure,) = report.failed
    assert isinstance(failure, WorkerKilledError)
    assert "3 readers ended while they read this file: " in str(failure)
    assert "05.mkv" in str(failure)
    assert report.heard == VIDEOS - 1
    assert plan_hearing(library, ToneRecogniser()).videos == 1  # at every run
    assert listen(nodes, library, tiny_bundle).heard == 1
    assert_equal(library, made / "alone")


def test_a_node_that_lacks_something_is_named(nodes, library, tiny_bundle):
    stage = LineStage("speech", is_on=True, is_asked_for=True, model="/nowhere/model", device="cpu")
    with pytest.raises(UsageError, match=f"node {platform.node()}.*(speech model|the extra 'speech')"):
        listen(nodes, library, tiny_bundle, partial(stage.load_on_node, Limits()))
    with pytest.raises(UsageError, match=f"node {platform.node()} recognises otherwise .tones/2, not"):
        listen(nodes, library, tiny_bundle, partial(ToneRecogniser, "tones/2"))
    assert not [row for row in open_snapshot(library).read(SUBTITLES).to_pylist() if "#speech" in row]


@pytest.fixture
def speaking(tmp_path) -> Path:
    """A folder with a film in which something is written, and one in which somebody speaks, if it is here."""
    gate = written(("Tickets are sold here", 30, 300))
    (tmp_path / "films").mkdir()
    write_video(
        tmp_path / "films" / "gate.mp4", seconds=5, fps=2, size=(640, 360), picture=lambda _time_s: gate
    )
    if registry.has_speech():
        report = fetch([CONGRATULATIONS], cache_dir() / "sources")
        for error in report.failures.values():
            pytest.skip(f"the recording cannot be had: {error}")
        with wave.open(str(report.files[CONGRATULATIONS])) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(1 << 15)
        write_sounds(tmp_path / "films" / "speech.mkv", samples, rate=8_000, layout="mono", picture_s=31)
    return tmp_path / "films"


def test_the_command_finds_the_same_lines_on_a_cluster(speaking, screen_model, tmp_path, tiny_bundle):
    """With the real models, on one cluster of this machine for pictures, speech and text on the screen."""
    del screen_model  # is there
    for name, options in (("alone", ()), ("library", ("--ray",))):
        given = ["--library", str(tmp_path / name), "--bundle", str(tiny_bundle.folder), "--screen-text"]
        assert main(["index", str(speaking), *given, *options]) == 0
    assert_equal(tmp_path / "library", tmp_path / "alone")
    found = open_snapshot(tmp_path / "library").read(SUBTITLES)["source"].to_pylist()
    assert set(found) == {"screen", *(["speech"] if registry.has_speech() else [])}
