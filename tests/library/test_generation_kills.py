"""kill -9 at any time of a move: searches go on with one bundle or the other, nothing is encoded twice."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from films import film, holdings, index_films, open_library, subtitles
from polyreel.encoders.card import read_card
from polyreel.encoders.runtime import Bundle
from polyreel.library.search.search import Library
from polyreel.library.store.frame_features import FrameFeatures
from polyreel.library.store.state import read_state
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS, embedding_table
from tiny_bundle import write_tiny_bundle

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["lance_namespace", "onnxruntime", "polyreel.library", "index_runs"])
PATIENCE_S = 60.0
COLOURS = ("red", "green", "blue", "yellow", "white", "black")
FILMS = 6


def _move(facts: Connection, library: Path, bundle: Path) -> None:
    """A move in a process of its own, which tells what it encodes and commits, and ends by what it did."""
    import lancedb  # noqa: F401  beforehand, so that a kill hits the move and not the import

    from polyreel.library.index import generations
    from polyreel.library.store import store
    from polyreel.library.store import table_files as durable

    commit = generations._Move.commit

    def told(move: generations._Move, made: store.Commit, texts: dict[str, str]) -> store.Commit:
        taken = commit(move, made, texts)
        facts.send({"committed": [row["id"] for row in taken.embeddings]})
        facts.send({"encoded": [row["id"] for row in made.embeddings]})
        return taken

    generations._Move.commit = told
    # A kill, unlike a power cut, leaves what was written; waiting for the disk would take longest.
    durable.sync = lambda _path: None
    facts.send({"ready": True})
    loaded = Bundle(bundle, threads=1)
    options = {"location": str(bundle), "workers": 1, "commit_every_s": 0}
    report = generations.move_library(library, loaded, **options)
    facts.send({"switched": report.switched})


class Move:
    """Starts a move and hears what it says."""

    def __init__(self, library: Path, bundle: Path) -> None:
        self.said: list[dict] = []
        self._facts, end = _PROCESSES.Pipe(duplex=False)
        self._process = _PROCESSES.Process(target=_move, args=(end, library, bundle))
        self._process.start()
        end.close()

    def hear(self) -> bool:
        try:
            assert self._facts.poll(PATIENCE_S), "the move hangs"
            self.said.append(self._facts.recv())
        except (EOFError, OSError):  # what a kill cut short was not said
            return False
        return True

    def kill(self) -> None:
        assert self._process.pid is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        while self.hear():
            pass
        self._process.join(PATIENCE_S)
        self._process.close()
        self._facts.close()

    def told(self, fact: str) -> list[str]:
        return [item for said in self.said for item in said.get(fact, ())]


@pytest.fixture(scope="module")
def indexed(tmp_path_factory, tiny_bundle):
    """Films with lines, and the library of them, which keeps the features of frames."""
    home = tmp_path_factory.mktemp("moves")
    for number in range(FILMS):
        first, second = COLOURS[number], COLOURS[(number + 2) % 6]
        film(home / "videos" / f"{number}.mp4", first, second)
        subtitles(home / "videos" / f"{number}.en.srt", (0, 1, f"the dog {first}"), (2, 3, "runs"))
    index_films(home / "videos", home / "library", tiny_bundle, keep_features=True)
    return home / "library"


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "wide"
    return write_tiny_bundle(folder, name="wide", spare=1, side_px=24, fps=2.0)


def searched_with(library: Library) -> str:
    """The bundle that answers, after a look that the ranking is all its own: what does not match tells."""
    found = library.search("red", mode="visual", top=100)
    assert found.hits
    assert found.hits[0].evidence.visual == pytest.approx(1, abs=1e-3)
    worst = {"tiny": 0.0, "wide": 0.5}[found.bundle]
    assert found.hits[-1].evidence.visual == pytest.approx(worst, abs=2e-3)
    assert found.pictures_left_out == 0
    assert library.search("dog", mode="subtitles").hits
    return found.bundle


def ids_of(library: Path, number: int) -> list[str]:
    state = read_state(library)
    if number not in state.generations:
        return []
    return open_snapshot(library).read(embedding_table(number), ["id"])["id"].to_pylist()


@pytest.mark.parametrize("kills", [3, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])])
def test_kills_at_random_moments_of_a_move(tmp_path, indexed, wide, kills):
    chance = random.Random(kills)
    ends = done = 0
    while done < kills:
        library = Path(shutil.copytree(indexed, tmp_path / f"library {ends}"))
        wanted = set(ids_of(library, 1))
        committed: set[str] = set()
        opened = open_library(library)  # as a server has it, from before the move to after it
        while True:
            move = Move(library, wide)
            if done < kills:
                for _ in range(chance.randint(1, 6)):
                    move.hear()
                    assert searched_with(opened) in {"tiny", "wide"}
                time.sleep(chance.uniform(0, 0.15))
                move.kill()
            else:
                move.end()
            # Nothing that a commit had acknowledged before is encoded again.
            assert not committed & set(move.told("encoded"))
            committed.update(move.told("committed"))
            bundle = searched_with(open_library(library))
            assert searched_with(opened) == bundle
            kept = ids_of(library, 2)
            assert committed <= set(kept) <= wanted
            assert len(kept) == len(set(kept))
            if any("switched" in said for said in move.said):
                break
            done += 1
        ends += 1
        assert (bundle, set(ids_of(library, 2))) == ("wide", wanted)
        holdings(library)
        features = FrameFeatures(library, read_card(wide))
        clips = open_snapshot(library).read(CLIPS, ["clip_id"])["clip_id"].to_pylist()
        assert all(features.read(clip_id) is not None for clip_id in clips)
        shutil.rmtree(library)
    assert ends
