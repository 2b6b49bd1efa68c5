"""Moments that leave the server as files of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import serving
from starlette.testclient import TestClient

import videos
from polyreel.media.decode import VideoReader


@pytest.fixture(scope="module", name="films")
def server_of_films(refused_library: Path) -> Iterator[TestClient]:
    with serving(refused_library) as client:
        yield client


def id_of(client: TestClient, name: str) -> str:
    return next(each["id"] for each in client.get("/api/v1/videos").json()["videos"] if each["name"] == name)


def left_behind() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("polyreel-cut-*"))


def test_a_moment_is_a_file_with_its_pictures_and_leaves_nothing_behind(films, tmp_path):
    before = left_behind()
    address = f"/api/v1/videos/{id_of(films, 'tuner.ts')}/cut"
    answer = films.get(f"{address}?start=1.2&end=2.4")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/x-matroska"
    assert answer.headers["content-disposition"] == 'attachment; filename="tuner 1.20-2.40.mkv"' or (
        "tuner%201.20-2.40.mkv" in answer.headers["content-disposition"]
    )
    (tmp_path / "cut.mkv").write_bytes(answer.content)
    with VideoReader(tmp_path / "cut.mkv") as reader:
        shown = [videos.read_clock(f.to_ndarray(format="rgb24")) for _, f in reader.timed_frames()]
    assert shown[0] == pytest.approx(1.2, abs=0.05)
    assert shown[-1] == pytest.approx(2.4, abs=0.09)
    assert set(left_behind()) <= set(before)
    head = films.head(f"{address}?start=1.2&end=2.4")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ("start=2&end=1", 400, "a cut is of up to five minutes"),
        ("start=0&end=400", 400, "a cut is of up to five minutes"),
        ("start=900&end=901", 422, "lies beyond the end of the film"),
        ("start=1", 422, ""),
    ],
)
def test_what_cannot_be_cut_is_said(films, asked, status, said):
    before = left_behind()
    answer = films.get(f"/api/v1/videos/{id_of(films, 'tuner.ts')}/cut?{asked}")
    assert (answer.status_code, said in answer.text) == (status, True)
    assert set(left_behind()) <= set(before)
    assert films.get("/api/v1/videos/none/cut?start=0&end=1").status_code == 404


def test_each_hit_has_a_link_that_saves_it(films):
    page = films.get("/?q=red", headers={"accept-language": "de"}).text
    assert "Diesen Moment speichern: " in page
    assert "/cut?start=" in page
