"""Files whose reader on a cluster is lost, at moments that no test can bring about by killing one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from polyreel.errors import WorkerKilledError
from polyreel.library.index.decode_pool import Job
from polyreel.library.index.encoding import ClipEncoded
from polyreel.library.index.on_ray import _Reading
from polyreel.library.index.scan import FoundVideo
from polyreel.library.store.file_version import FileVersion
from polyreel.media.limited import DecodeOptions, Finished, Opened
from polyreel.scale.crew import ACTORS_FOR_A_FILE, Crew, Lost, Todo

VECTOR = np.zeros(2, np.float32)
FIRST, SECOND = (ClipEncoded(start_s, start_s + 5, b"", VECTOR, VECTOR) for start_s in (0.0, 5.0))
LOST = Lost("the node is gone")


def answers(reading: _Reading, job: Job, *told: object) -> list[object]:
    return [event for answer in told for event in reading.take(None, job, answer)]


@pytest.fixture
def job() -> Job:
    return Job(FoundVideo(Path("film.mp4"), FileVersion(100, 0), ""), DecodeOptions(4, 4), video="known")


@pytest.fixture
def todo() -> Todo[Job]:
    return Todo((), count=0)


@pytest.fixture
def reading(todo) -> _Reading:
    return _Reading(Crew(lambda: None, wanted=1), todo, set(), {})


def test_a_file_goes_on_after_the_last_clip_that_came(reading, todo, job):
    opened = Opened(10.0)
    assert answers(reading, job, [opened, FIRST], LOST) == [opened, FIRST]
    assert todo.peek(2) == [job]
    assert job.options.from_s == 5.0
    finished = Finished(None, (), ())
    assert answers(reading, job, [Opened(10.0), SECOND, finished], None) == [SECOND, finished]


def test_a_reader_that_is_lost_behind_its_last_word_has_read_the_file(reading, todo, job):
    finished = Finished(None, (), ())
    assert answers(reading, job, [Opened(5.0), FIRST, finished], LOST)[-1] is finished
    assert not todo


def test_a_file_that_its_readers_end_at_is_left_out_with_a_message(reading, todo, job):
    for _ in range(ACTORS_FOR_A_FILE - 1):
        assert answers(reading, job, LOST) == []
        assert todo.take() is job
    (failure,) = answers(reading, job, LOST)
    assert isinstance(failure, WorkerKilledError)
    assert "film.mp4 (the node is gone)" in str(failure)
    assert not todo
