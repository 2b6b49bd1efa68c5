"""What the page says of hearing and reading: of the library, and of each video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from servers import serving
from starlette.testclient import TestClient

from polyreel.library.store.doctor import examine
from polyreel.recognition.screen.weights import MODEL, UNREADABLE
from polyreel.server.translations import translations_in


@pytest.fixture(scope="module", name="heard")
def server_of_heard_films(heard_library: Path) -> Iterator[TestClient]:
    with serving(heard_library) as client:
        yield client


def plain(markup: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", markup)).replace(" :", ":").split())


def told(markup: str) -> list[str]:
    """Each line of a page about what was heard or read."""
    return [plain(each) for each in re.findall(r'class="[a-z]+ told">(.*?)</(?:span|p)>', markup, re.DOTALL)]


SAYS = {
    "failed.mkv": "could not be heard · Its sound cannot be decoded.",
    "half.mkv": "heard up to 1:03 · tones/1",
    "quiet.mkv": "no speech · tones/1",
    "silent.mp4": "no sound",
    "spared.mkv": "its subtitles say the same",
    "talk.mkv": "2 lines · English, Swahili · tones/1",
    "waiting.mkv": "not listened to yet",
}


def test_the_library_page_says_of_each_video_what_was_heard_and_read(heard):
    text = heard.get("/library").text
    videos = re.findall(r'<li><a href="/videos/(.*?)</li>', text, re.DOTALL)
    found = {re.search(r"<span>([^<]+)</span>", video)[1]: told(video) for video in videos}
    for name, says in SAYS.items():
        shown = "not read yet" if name == "waiting.mkv" else f"no text · {MODEL}"
        assert found.pop(name) == [f"Speech · {says}", f"Text on the screen · {shown}"]
    assert found == {}


def test_the_library_page_counts_what_doctor_counts(heard, heard_library):
    text = plain(heard.get("/library").text)
    speech = examine(heard_library).speech
    assert speech.heard == {"tones/1": 2}
    assert (speech.lines, speech.spared, len(speech.half_heard), len(speech.unheard)) == (2, 1, 1, 1)
    for says in (
        "Videos heard by tones/1 2",
        "Lines 2",
        "Videos whose subtitles say the same 1",
        "Videos half heard 1",
        "Videos not heard yet 1",
        "Videos that could not be heard 1",
        "failed.mkv could not be heard Its sound cannot be decoded. What to do: Convert it again",
        f"Videos read by {MODEL} 6",
        "Videos not read yet 1",
    ):
        assert says in text
    assert "(pcm_s16le, 7 damaged packets)" in text
    assert str(heard_library.parent) not in text


def test_what_the_engine_cannot_read_is_said_where_it_read(heard):
    assert f"Text in {UNREADABLE} letters is not read." in plain(heard.get("/library").text)
    assert "letters is not read" not in page_of(heard, "waiting.mkv")


def page_of(client: TestClient, name: str, **headers: str) -> str:
    videos = client.get("/api/v1/videos").json()["videos"]
    video = next(each["id"] for each in videos if each["name"] == name)
    return client.get(f"/videos/{video}", headers=headers).text


def test_the_page_of_a_video_says_so_too_and_takes_no_speech_for_subtitles(heard):
    text = page_of(heard, "talk.mkv", **{"accept-language": "de"})
    speech, screen = told(text)
    assert speech.startswith(
        "Gesprochen · 2 Zeilen · Englisch, Suaheli · tones/1 · Als Untertitel speichern: SRT"
    )
    assert screen.startswith(f"Text im Bild · kein Text · {MODEL} · Text in kyrillischer,")
    assert "Untertitel: " not in text


def test_who_does_without_reads_nothing_about_it(client):
    text = client.get("/library").text
    assert translations_in("en").gettext("Speech and text on the screen") not in text
    assert told(text) == []
