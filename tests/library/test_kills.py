"""kill -9 at any time: the library opens, nothing acknowledged is lost or doubled, the next run goes on."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from films import Held, film, holdings, index_films, open_library, orphans, subtitles
from index_runs import Run
from polyreel.library.store.state import read_state

FILMS = 12
COLOURS = ("red", "green", "blue", "yellow", "white", "black")


def make_films(folder: Path) -> None:
    """Twelve films of two clips and two subtitle lines each."""
    for number in range(FILMS):
        first, second = COLOURS[number % 6], COLOURS[(number + 1 + number // 6) % 6]
        film(folder / f"film {number:02d}.mp4", first, second)
        lines = (0, 1, f"first {number}"), (2, 3, f"second {number}")
        subtitles(folder / f"film {number:02d}.en.srt", *lines)


def change_films(folder: Path) -> None:
    """Of every way in which a folder changes, some."""
    for number in range(3):  # renamed
        for suffix in (".mp4", ".en.srt"):
            (folder / f"film {number:02d}{suffix}").rename(folder / f"moved {number:02d}{suffix}")
    for number in range(3, 6):  # other pictures
        film(folder / f"film {number:02d}.mp4", COLOURS[number], COLOURS[number - 3], COLOURS[number - 2])
    for number in range(6, 9):  # other words
        subtitles(folder / f"film {number:02d}.en.srt", (0, 2, f"other {number}"))
    for suffix in (".mp4", ".en.srt"):
        (folder / f"film 09{suffix}").unlink()
    film(folder / "new.mp4", "yellow", "red")


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder, and what the library of an uninterrupted run holds of it."""

    folder: Path
    wanted: dict[str, Held]
    took_s: float


@pytest.fixture(scope="module")
def stages(tmp_path_factory, tiny_bundle):
    """The films, and the same films after some changes, under one path each time."""
    home = tmp_path_factory.mktemp("kills")
    made = []
    for number, change in enumerate((make_films, change_films)):
        folder = home / f"stage {number}"
        if made:
            shutil.copytree(made[-1].folder, folder)
        change(folder)
        run = Run(tiny_bundle.folder, home / f"library {number}", folder)
        run.until("stage", "ready")
        began = time.monotonic()
        assert run.end() == 0
        took_s = time.monotonic() - began
        assert run.done is not None
        made.append(Stage(folder, holdings(home / f"library {number}"), took_s))
    assert len(made[0].wanted) == FILMS
    assert all(held.status == "ok" for stage in made for held in stage.wanted.values())
    return tuple(made)


@dataclass(slots=True)
class Victim:
    """A library whose runs are killed; it moves from stage to stage each time that a run gets to its end."""

    home: Path
    bundle: Path
    stages: tuple[Stage, ...]
    chance: random.Random
    kills: int = 0
    ends: int = 0
    _before: dict[str, Held] = field(default_factory=dict)
    _now: dict[str, Held] = field(default_factory=dict)
    _acknowledged: set[str] = field(default_factory=set)

    @property
    def library(self) -> Path:
        return self.home / "library"

    @property
    def folder(self) -> Path:
        return self.home / "videos"

    def suffer(self, kills: int) -> None:
        for stage in self._forever():
            if self.kills >= kills:
                return
            self._enter(stage)
            while not self._run(stage, kills):
                pass

    def _forever(self) -> Iterator[Stage]:
        while True:
            self._before = {}
            shutil.rmtree(self.library, ignore_errors=True)
            yield from self.stages

    def _enter(self, stage: Stage) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(stage.folder, self.folder)
        self._acknowledged = set()
        self._now = {self._here(path, stage): held for path, held in stage.wanted.items()}

    def _here(self, path: str, stage: Stage) -> str:
        return str(self.folder / Path(path).relative_to(stage.folder))

    def _run(self, stage: Stage, kills: int) -> bool:
        """One run, killed at random; whether it got to its end."""
        run = Run(self.bundle, self.library, self.folder)
        if self.kills >= kills:
            run.end()
        elif self.chance.random() < 0.2:
            run.until("stage", "ready")
            time.sleep(self.chance.uniform(0, stage.took_s))
            run.kill()
        else:  # most of the time it decodes, so most kills are aimed at the moments that matter
            run.until("stage", times=self.chance.randint(1, 9))
            time.sleep(self.chance.uniform(0, 0.04))
            run.kill()
        self._acknowledged.update(run.acknowledged)
        if run.done is None:
            self.kills += 1
            self._check()
            return False
        self.ends += 1
        assert holdings(self.library) == self._now
        assert orphans(self.library) == set()
        self._before = self._now
        return True

    def _check(self) -> None:
        if read_state(self.library) is None:  # killed while it was being made
            assert not self._before
            assert not self._acknowledged
            return
        held = holdings(self.library)
        for path, found in held.items():
            is_half_read = self._before.get(path) is None and _is_beginning(found, self._now.get(path))
            assert is_half_read or found in (self._before.get(path), self._now.get(path)), path
        for path in self._acknowledged:
            assert held.get(path) == self._now[path], path
        for path in self._before.keys() & self._now.keys():
            assert path in held
        whole = [found for found in held.values() if found.status == "ok"]
        assert (len(open_library(self.library).search("red", top=100).hits) > 0) == bool(whole)


def _is_beginning(found: Held, whole: Held | None) -> bool:
    """Whether a file is held in part: its first clips, and nothing that is said in it."""
    if whole is None or (found.status, found.subtitles) != ("partial", ()):
        return False
    return bool(found.clips) and found.clips == whole.clips[: len(found.clips)]


def torment(home: Path, bundle: Path, stages: tuple[Stage, ...], kills: int, *, seed: int) -> list[Victim]:
    """Share ``kills`` between two libraries, side by side."""
    victims = [
        Victim(home / str(number), bundle, stages, random.Random(f"{seed} {number}")) for number in range(2)
    ]
    for victim in victims:
        victim.home.mkdir()
    with ThreadPoolExecutor(len(victims)) as pool:
        for finished in [pool.submit(victim.suffer, kills // len(victims)) for victim in victims]:
            finished.result()
    return victims


@pytest.mark.parametrize(
    "kills", [8, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1_800)])]
)
def test_kills_at_random_lose_and_double_nothing(tmp_path, tiny_bundle, stages, kills):
    victims = torment(tmp_path, tiny_bundle.folder, stages, kills, seed=kills)
    assert sum(victim.kills for victim in victims) >= kills
    assert all(victim.ends for victim in victims)


def kill_soon_after(
    stage_name: str, delays_s: Iterable[float], bundle: Path, library: Path, folder: Path
) -> Iterator[Run]:
    for delay_s in delays_s:
        run = Run(bundle, library, folder)
        run.until("stage", stage_name)
        time.sleep(delay_s)
        run.kill()
        yield run


def test_kills_while_the_library_is_made(tmp_path, tiny_bundle, stages):
    folder, library = stages[0].folder, tmp_path / "library"
    for run in kill_soon_after("ready", (0.0, 0.01, 0.02, 0.04), tiny_bundle.folder, library, folder):
        state = read_state(library)
        assert state is not None or not run.acknowledged
    assert index_films(folder, library, tiny_bundle).failed == []
    assert holdings(library) == stages[0].wanted


def test_kills_while_the_copy_for_searching_is_written(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "a.mp4", "red")
    library = tmp_path / "library"
    for number, run in enumerate(
        kill_soon_after("caching", (0.0, 0.001, 0.003), tiny_bundle.folder, library, tmp_path / "videos")
    ):
        assert run.acknowledged
        assert open_library(library).search("red").hits[0].evidence.visual == pytest.approx(1, abs=1e-3)
        film(
            tmp_path / "videos" / f"{number}.mp4", "green", COLOURS[number]
        )  # so that the next run writes it
    index_films(tmp_path / "videos", library, tiny_bundle)
    assert len(open_library(library).search("green").hits) > 1


def test_two_runs_at_once(tmp_path, tiny_bundle, stages):
    folder, library = stages[0].folder, tmp_path / "library"
    first = Run(tiny_bundle.folder, library, folder)
    first.until("committed")
    first.signal(signal.SIGSTOP)
    try:
        second = Run(tiny_bundle.folder, library, folder)
        assert second.end() == 0
        assert second.failure.startswith("LibraryBusyError: another index run is writing this library")
        assert "searching goes on meanwhile" in second.failure
        assert open_library(library).search("red").hits  # readers do not wait
    finally:
        first.signal(signal.SIGCONT)
    assert first.end() == 0
    assert first.done is not None
    assert holdings(library) == stages[0].wanted
    third = Run(tiny_bundle.folder, library, folder)
    third.end()
    assert third.done is not None
    assert not third.done["changed"]


def test_runs_that_start_together_leave_a_whole_library(tmp_path, tiny_bundle, stages):
    folder, library = stages[0].folder, tmp_path / "library"
    runs = [Run(tiny_bundle.folder, library, folder) for _ in range(2)]
    assert [run.end() for run in runs] == [0, 0]
    assert any(run.done for run in runs)
    for run in runs:
        assert run.done or run.failure.startswith("LibraryBusyError")
    assert holdings(library) == stages[0].wanted


def test_interrupts_at_random_lose_and_double_nothing(tmp_path, tiny_bundle, stages):
    """Ctrl-C, unlike a kill, lets the run go on for a moment: what it then commits has to be whole, too."""
    folder, library = stages[0].folder, tmp_path / "library"
    chance = random.Random(3)
    acknowledged: set[str] = set()
    for _ in range(5):
        run = Run(tiny_bundle.folder, library, folder)
        run.until("stage", "ready")
        time.sleep(chance.uniform(0, stages[0].took_s * 0.6))
        run.signal(signal.SIGINT)
        run.end()
        acknowledged.update(run.acknowledged)
        if read_state(library) is not None:
            held = holdings(library)
            assert all(held[path] == stages[0].wanted[path] for path in acknowledged)
    index_films(folder, library, tiny_bundle)
    assert holdings(library) == stages[0].wanted
