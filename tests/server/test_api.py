"""The REST API: what it answers, and what it answers to nonsense."""

from __future__ import annotations

import json
import unicodedata

import pytest

from polyreel.client.documents import ErrorDocument, VideosDocument
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.results import Contents, SearchResult, Timeline
from tiny_bundle import MEANINGS

API = "/api/v1"


def search(client, query, **parameters) -> SearchResult:
    answer = client.get(f"{API}/search", params={"q": query, **parameters})
    assert answer.status_code == 200, answer.text
    return SearchResult.model_validate_json(answer.content)


def refused(client, path, status, **parameters) -> ErrorDocument:
    answer = client.get(path, params=parameters)
    assert answer.status_code == status, answer.text
    return ErrorDocument.model_validate_json(answer.content)


@pytest.mark.parametrize(("language", "word"), list(zip(STUDY_LANGUAGES, MEANINGS[1], strict=True)))
def test_a_colour_is_found_in_nine_languages(client, language, word):
    found = search(client, word, lang=language, mode="visual", top=1)
    assert found.hits[0].video == "green.mp4"
    assert (found.language, found.confident) == (language, True)
    assert found.hits[0].grade in {"fair", "strong"}


def test_a_search_says_why_and_leads_on(client):
    found = search(client, "dog runs", top=3)
    best = found.hits[0]
    assert (best.video, best.start_s, best.end_s, best.rank) == ("talks/tricolour.mp4", 3.0, 6.0, 1)
    assert best.evidence.subtitle is not None
    assert (best.evidence.subtitle.text, best.evidence.subtitle.language) == (
        "and then the dog runs away",
        "en",
    )
    assert (best.grade, found.verdict) == ("strong", "good")
    assert found.false_alarm_rate < 0.5
    assert client.get(best.thumbnail).content.startswith(b"\xff\xd8")
    assert client.get(best.media.partition("#")[0]).content[4:8] == b"ftyp"
    assert best.media.endswith("#t=3.000")


def test_nothing_that_matches_is_said_to_be_so(client):
    found = search(client, "qwrtzpsdfg", mode="visual")
    assert found.hits
    assert not found.confident
    found = search(client, "qwrtzpsdfg", mode="subtitles")
    assert (found.verdict, {hit.grade for hit in found.hits}) == ("poor", {"weak"})


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"folder": "talks"}, {"talks/tricolour.mp4"}),
        ({"folder": "talks/"}, {"talks/tricolour.mp4"}),
        ({"folder": "talks/tricolour.mp4"}, {"talks/tricolour.mp4"}),
        ({"min_duration_s": 5}, {"talks/tricolour.mp4"}),
        ({"max_duration_s": 5, "folder": "talks"}, set()),
        ({"subtitles": "en"}, {"talks/tricolour.mp4"}),
        ({"subtitles": "sw"}, set()),
        ({"after": "2000-01-01", "before": "2001-01-01"}, set()),
        ({"after": "2020-01-01", "min_duration_s": 5}, {"talks/tricolour.mp4"}),
    ],
)
@pytest.mark.parametrize("mode", ["visual", "hybrid"])
def test_filters_let_through_what_they_say(client, parameters, names, mode):
    assert {hit.video for hit in search(client, "red dog", mode=mode, **parameters).hits} == names
    answer = client.get(f"{API}/videos", params=parameters)
    assert {video.name for video in VideosDocument.model_validate_json(answer.content).videos} == names


def test_a_folder_may_be_given_from_the_root(client, library_folder):
    folder = str(library_folder.parent / "videos" / "talks")
    assert {hit.video for hit in search(client, "red", folder=folder).hits} == {"talks/tricolour.mp4"}


def test_more_like_a_moment_leaves_that_moment_out(client):
    red = search(client, "red", mode="visual").hits[0]
    answer = client.get(f"{API}/search/like/{red.clip_id}", params={"top": 2})
    found = SearchResult.model_validate_json(answer.content)
    assert red.clip_id not in {hit.clip_id for hit in found.hits}
    assert {red.video, found.hits[0].video} == {"red.mp4", "talks/tricolour.mp4"}
    assert (found.query, found.language, found.mode) == ("", "und", "visual")


def test_a_timeline_tells_where_a_video_matches(client):
    video = search(client, "dog").hits[0].video_id
    answer = client.get(f"{API}/videos/{video}/moments", params={"q": "rojo"})
    found = Timeline.model_validate_json(answer.content)
    assert [round(clip.visual) for clip in found.clips] == [0, 0, 1, 0]
    assert [clip.start_s for clip in found.clips] == [0.0, 3.0, 6.0, 9.0]
    assert (found.video.subtitles, found.video.clips) == (("en",), 4)


def test_videos_come_in_pages(client):
    everything = VideosDocument.model_validate_json(client.get(f"{API}/videos").content)
    assert everything.total == len(everything.videos) == 7
    part = VideosDocument.model_validate_json(client.get(f"{API}/videos?skip=2&top=3").content)
    assert part.videos == everything.videos[2:5]
    one = client.get(f"{API}/videos/{everything.videos[0].id}").json()
    assert one == everything.videos[0].model_dump(mode="json")


def test_a_moment_stands_for_itself(client):
    hit = search(client, "white", mode="visual", folder="talks").hits[0]
    moment = client.get(f"{API}/moments/{hit.clip_id}").json()
    assert (moment["start_s"], moment["video"]["name"]) == (3.0, "talks/tricolour.mp4")


def test_the_library_says_what_was_left_out(client):
    found = Contents.model_validate_json(client.get(f"{API}/library").content)
    assert (found.videos, found.clips, found.subtitles, found.paths) == (7, 10, 3, 9)
    assert found.folders == ("talks",)
    assert found.lines == {"en": 3}
    assert [(problem.name, problem.left_out) for problem in found.problems] == [
        ("empty.mp4", True),
        ("text.mp4", True),
    ]
    assert "Copy it again" in found.problems[0].message
    assert client.get(f"{API}/bundle").json()["name"] == "tiny"
    assert client.get(f"{API}/index").json()["running"] is False


def test_operation_is_told_without_query_text(client):
    search(client, "sesquipedalian")
    assert client.get(f"{API}/health").json()["status"] == "ok"
    assert client.get(f"{API}/ready").status_code == 200
    text = client.get(f"{API}/metrics").text
    assert 'polyreel_requests_total{method="GET",route="/api/v1/search",status="200"}' in text
    assert 'polyreel_library{what="clips"} 10.0' in text
    assert "sesquipedalian" not in text


AWKWARD = [
    "🐕",
    "👨‍👩‍👧‍👦🎬",
    "كلب يجري",
    "a AND b OR (c",
    "it's; DROP TABLE clips",
    "%00",
    "../../etc/passwd",
    "1234",
    "dog собака 狗",
]


@pytest.mark.parametrize("query", AWKWARD)
def test_no_query_breaks_anything(client, query):
    search(client, query)
    assert client.get("/", params={"q": query}).status_code == 200


def test_composed_and_decomposed_text_are_one(client):
    composed = "màu đỏ"
    plain, taken_apart = (search(client, unicodedata.normalize(form, composed)) for form in ("NFC", "NFD"))
    assert plain.hits == taken_apart.hits


@pytest.mark.parametrize(
    ("path", "parameters", "status", "kind"),
    [
        ("/search", {}, 422, "ParameterError"),
        ("/search", {"q": ""}, 422, "ParameterError"),
        ("/search", {"q": "   "}, 400, "QueryError"),
        ("/search", {"q": "\x00"}, 400, "QueryError"),
        ("/search", {"q": "x" * 1_001}, 422, "ParameterError"),
        ("/search", {"q": "red", "top": 0}, 422, "ParameterError"),
        ("/search", {"q": "red", "top": 10**30}, 422, "ParameterError"),
        ("/search", {"q": "red", "mode": "hybird"}, 400, "UnknownNameError"),
        ("/search", {"q": "red", "lang": "klingon"}, 400, "UsageError"),
        ("/search", {"q": "red", "subtitles": "klingon"}, 400, "UsageError"),
        ("/search", {"q": "red", "after": "yesterday"}, 422, "ParameterError"),
        ("/search", {"q": "red", "after": "2021-01-01", "before": "2020-01-01"}, 400, "UsageError"),
        ("/search", {"q": "red", "min_duration_s": "nan"}, 422, "ParameterError"),
        ("/search", {"q": "red", "folder": "tal"}, 404, "NotFoundError"),
        ("/search/like/x", {}, 404, "NotFoundError"),
        (f"/search/like/{'0' * 32}@0000000000", {}, 404, "NotFoundError"),
        ("/videos/x", {}, 404, "NotFoundError"),
        ("/videos/..%2F..%2Fetc%2Fpasswd/file", {}, 404, "NotFoundError"),
        ("/videos/x/moments", {"q": "red"}, 404, "NotFoundError"),
        ("/thumbnails/..%2F..%2Flibrary.json", {}, 404, "NotFoundError"),
        ("/moments/'; drop", {}, 404, "NotFoundError"),
        ("/nothing", {}, 404, "NotFoundError"),
    ],
)
def test_nonsense_gets_a_typed_error(client, path, parameters, status, kind):
    error = refused(client, API + path, status, **parameters).error
    assert error.kind == kind
    assert error.message.startswith(error.what)


def test_methods_that_are_not_there_are_refused(client):
    answer = client.post(f"{API}/search")
    assert answer.status_code == 405
    assert ErrorDocument.model_validate_json(answer.content).error.kind == "RequestError"


def test_a_query_in_bytes_that_are_no_text_breaks_nothing(client):
    assert client.get(f"{API}/search?q=%ff%fe%00red").status_code == 200


def test_the_interface_describes_itself(client):
    document = client.get(f"{API}/openapi.json").json()
    assert document["info"]["version"]
    assert {f"{API}{path}" for path in ("/search", "/search/example", "/videos/{video_id}/file")} <= set(
        document["paths"]
    )
    assert not any(not path.startswith(API) for path in document["paths"])
    assert "200" in json.dumps(document["paths"][f"{API}/search"])


@pytest.mark.parametrize(
    ("address", "meant"),
    [("/search?q=red&topp=2", "top"), ("/videos?skipp=1", "skip"), ("/search/export?q=red&too=csv", "to")],
)
def test_a_parameter_that_there_is_not_is_refused(client, address, meant):
    answer = client.get(f"/api/v1{address}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["remedy"].startswith(f"Did you mean {meant!r}?")
    assert client.get("/api/v1/health?x=1").status_code == 400
