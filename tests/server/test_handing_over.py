"""What leaves the page for other programs: a search as a list, what is said as subtitles."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pysubs2
import pytest
from servers import serving
from starlette.testclient import TestClient

from films import film, index_films

TOKEN = "a-secret-of-the-tests"


@pytest.fixture(scope="module", name="heard")
def server_of_heard_films(heard_library: Path) -> Iterator[TestClient]:
    with serving(heard_library) as client:
        yield client


def name_of(answer) -> str:
    """The name under which a browser saves an answer."""
    given = answer.headers["content-disposition"]
    return unquote(re.fullmatch(r"attachment; filename(?:=\"|\*=utf-8'')([^\"]+)\"?", given)[1])


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("csv", "text/csv; charset=utf-8"),
        ("edl", "text/plain; charset=utf-8"),
        ("fcpxml", "application/xml"),
        ("m3u", "audio/x-mpegurl"),
        ("otio", "application/json"),
    ],
)
def test_what_a_search_shows_is_saved_as_a_list(client, library_folder, kind, media_type):
    if kind == "otio":
        pytest.importorskip("opentimelineio", reason="polyreel[edit] is not installed")
    page = client.get("/?q=dog&top=3").text
    assert f'href="/export/{kind}?q=dog&amp;top=3"' in page
    answer = client.get(f"/export/{kind}?q=dog&top=3")
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert name_of(answer) == f"dog.{kind}"
    # In full, because this server is for its own machine alone.
    film_s_path = str(library_folder.parent / "videos" / "talks" / "tricolour.mp4")
    assert film_s_path in unquote(answer.text)
    if kind == "csv":
        again = client.get("/api/v1/search/export?q=dog&top=3&per_video=1&to=csv")
        assert (again.content, name_of(again)) == (answer.content, "dog.csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        shown = client.get("/api/v1/search?q=dog&top=3&per_video=1").json()["hits"]
        assert [row["clip_id"] for row in rows] == [hit["clip_id"] for hit in shown]
        assert rows[0]["text"] == "and then the dog runs away"
    head = client.head(f"/export/{kind}?q=dog")
    assert (head.status_code, head.content) == (200, b"")


def test_every_kind_of_search_can_be_saved(client):
    clip = client.get("/api/v1/search?q=red&top=1").json()["hits"][0]["clip_id"]
    alike = client.get(f"/export/csv?like={quote(clip)}&top=2")
    assert (name_of(alike), alike.text.count("\n")) == ("polyreel.csv", 3)
    asked = quote('a/b: "красный" . ')
    assert name_of(client.get(f"/export/m3u?q={asked}")) == "a b красный.m3u"
    every = client.get("/export/csv?q=red&moments=all").text
    assert every.count("tricolour.mp4") > 1
    long = name_of(client.get("/export/csv?q=" + "x" * 900))
    assert len(long) == len("x" * 60 + ".csv")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/export/docx?q=red", 400, "docx"),
        ("/export/csv", 400, "the query is empty"),
        ("/export/csv?q=red&folder=nowhere", 404, "nowhere"),
        ("/api/v1/search/export?q=red&to=docx", 400, "Known: csv, edl"),
        ("/api/v1/search/export?q=red", 422, "to"),
    ],
)
def test_what_cannot_be_saved_is_said(client, path, status, says):
    answer = client.get(path)
    assert answer.status_code == status
    assert says in answer.text
    assert "content-disposition" not in answer.headers


def test_for_other_machines_films_are_named_from_their_common_folder(library_folder):
    with serving(library_folder, token=TOKEN) as client:
        client.headers["authorization"] = f"Bearer {TOKEN}"
        for kind in ("fcpxml", "m3u"):
            text = client.get(f"/export/{kind}?q=dog").text
            assert "talks/tricolour.mp4" in text
            assert str(library_folder.parent) not in text


def test_films_that_are_gone_are_left_out_and_the_name_of_the_file_says_so(tmp_path, tiny_bundle):
    for colour in ("red", "blue"):
        film(tmp_path / "videos" / f"{colour}.mp4", colour)
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    with serving(tmp_path / "library") as client:
        (tmp_path / "videos" / "blue.mp4").unlink()
        answer = client.get("/export/edl?q=red", headers={"accept-language": "de"})
        assert name_of(answer) == "red (1 Film ausgelassen).edl"
        assert answer.text.count("FROM CLIP NAME") == 1
        (tmp_path / "videos" / "red.mp4").unlink()
        (tmp_path / "videos" / "red.mp4").symlink_to("/etc/hostname")
        answer = client.get("/export/edl?q=red")
        assert answer.status_code == 404
        assert "no film of the hits can be read" in answer.text


def video_named(client: TestClient, name: str) -> str:
    return next(each["id"] for each in client.get("/api/v1/videos").json()["videos"] if each["name"] == name)


def test_what_is_said_can_be_kept_as_subtitles(heard):
    video = video_named(heard, "talk.mkv")
    page = heard.get(f"/videos/{video}").text
    for kind in ("srt", "vtt", "json"):
        address = f"/api/v1/videos/{video}/transcript?to={kind}"
        assert f'href="{address}"' in page
        answer = heard.get(address)
        assert name_of(answer) == f"talk.sw.{kind}"  # most letters are Swahili
        if kind == "json":
            document = json.loads(answer.text)
            assert (document["video"], document["engine"]) == ("talk.mkv", "tones/1")
            assert [(line["text"], line["language"]) for line in document["lines"]] == [
                ("red", "en"),
                ("kijani", "sw"),
            ]
        else:
            events = pysubs2.SSAFile.from_string(answer.text, format_=kind)
            assert [event.plaintext for event in events] == ["red", "kijani"]
            assert events[0].start == pytest.approx(500, abs=60)


def test_where_nothing_was_heard_no_subtitles_are_offered(heard):
    video = video_named(heard, "quiet.mkv")
    assert "/transcript" not in heard.get(f"/videos/{video}").text
    answer = heard.get(f"/api/v1/videos/{video}/transcript")
    assert answer.status_code == 404
    assert "nothing that is said in this video is in the library" in answer.text
    assert heard.get(f"/api/v1/videos/{video}/transcript?to=doc").status_code == 422
