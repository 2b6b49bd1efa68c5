"""Videos whose reader of lines is lost, and nodes that lack what lines need."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import UsageError, WorkerKilledError
from polyreel.library.index.found_lines import LineJob, LinesEnded, LinesFound, NotRead
from polyreel.library.index.line_stages import LineStage
from polyreel.library.index.lines_on_ray import _Finding
from polyreel.media.limited import Limits
from polyreel.recognition.protocol import Place, RecognisedLine
from polyreel.scale.crew import ACTORS_FOR_A_FILE, Crew, Lost, Todo

JOB = LineJob("known", Path("film.mkv"), subtitled=frozenset({"de"}))
LOST = Lost("the node is gone")
NOTHING = np.zeros((0, 2), np.float32)


def found(job: LineJob, *, seconds: float, language: str) -> LinesFound:
    until = Place(0, job.begin.time_s + seconds)
    line = RecognisedLine("hallo", job.begin.time_s, until.time_s, language, "speech", 0.9)
    return LinesFound((), NOTHING, job.after([line], until))


class Asked:
    """Stands where an actor's handle does, and keeps what it is asked."""

    def __init__(self) -> None:
        self.find, self.jobs = self, list[LineJob]()

    def options(self, **_given: object) -> Asked:
        return self

    def remote(self, job: LineJob) -> object:
        self.jobs.append(job)
        return object()


@pytest.fixture
def todo() -> Todo[LineJob]:
    return Todo((), count=0)


@pytest.fixture
def finding(todo) -> _Finding:
    return _Finding(Crew(lambda: None, wanted=1), todo)


def test_a_video_goes_on_after_the_last_stretch_with_what_its_subtitles_told(finding, todo):
    actor = Asked()
    finding.give(actor, JOB)
    first = found(JOB, seconds=20, language="de-CH")
    assert [*finding.take(actor, JOB, [first])] == [first]
    assert [*finding.take(actor, JOB, LOST)] == []
    finding.give(actor, todo.take())
    rest = actor.jobs[-1]
    assert (rest.begin, rest.is_told) == (Place(0, 20.0), False)
    assert found(rest, seconds=10, language="de").rest.is_told
    assert not found(rest, seconds=10, language="sw").rest.is_told


def test_a_reader_that_is_lost_behind_its_last_word_has_read_the_video(finding, todo):
    finding.give(Asked(), JOB)
    assert [*finding.take(None, JOB, [LinesEnded()])] == [LinesEnded()]
    assert [*finding.take(None, JOB, LOST)] == []
    assert not todo


def test_a_video_that_its_readers_end_at_is_left_for_the_next_run(finding, todo):
    for _ in range(ACTORS_FOR_A_FILE - 1):
        finding.give(Asked(), JOB)
        assert [*finding.take(None, JOB, LOST)] == []
        assert todo.take() == JOB
    (left,) = finding.take(None, JOB, LOST)
    assert isinstance(left, NotRead)
    assert isinstance(left.error, WorkerKilledError)


def test_a_node_without_weights_fetches_nothing_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path))
    stage = LineStage("screen", is_on=True, is_asked_for=True)
    with pytest.raises(UsageError, match=f"node {platform.node()} lacks the weights for screen"):
        stage.load_on_node(Limits())
    assert not [*tmp_path.iterdir()]
