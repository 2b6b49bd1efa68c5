"""What plays in place of files that browsers refuse, subtitles, strips, and why a moment was found."""

from __future__ import annotations

import asyncio
import html
import io
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from servers import listening, serving, wait_for
from starlette.testclient import TestClient

import videos
from browsers import ENDS_WITH_ITS_PROCESS, browser
from decoders import running_decoders
from films import film, index_films
from polyreel.library.results import Evidence, LibraryLine, SubtitleEvidence
from polyreel.server import playback
from polyreel.server.playback import PlaybackService
from polyreel.server.webvtt import webvtt
from polyreel.server.why import mark_words, why_found


@pytest.fixture(scope="module", name="films")
def server_of_refused_films(refused_library: Path) -> Iterator[TestClient]:
    with serving(refused_library) as client:
        yield client


def id_of(client: TestClient, name: str) -> str:
    return next(each["id"] for each in client.get("/api/v1/videos").json()["videos"] if each["name"] == name)


def clocks(data: bytes) -> list[tuple[float, float]]:
    with av.open(io.BytesIO(data)) as container:
        return [
            (frame.time, videos.read_clock(frame.to_ndarray(format="rgb24")))
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize(("name", "kind"), [("old.avi", "video/webm"), ("tuner.ts", "video/mp4")])
def test_a_stream_has_the_pictures_of_its_time(films, name, kind):
    answer = films.get(f"/api/v1/videos/{id_of(films, name)}/stream?start=2")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["accept-ranges"] == "none"
    for time_s, told_s in clocks(answer.content)[:24]:
        assert told_s == pytest.approx(time_s + 2.0, abs=0.05)
    head = films.head(f"/api/v1/videos/{id_of(films, name)}/stream")
    assert (head.status_code, head.content) == (200, b"")


def test_a_player_gets_the_file_or_a_stream(films, client):
    page = films.get(
        f"/play/{id_of(films, 'old.avi')}?start=4&end=5.5&q=red", headers={"HX-Request": "true"}
    ).text
    assert re.search(r'src="/api/v1/videos/\w+/stream\?start=4.000#t=0.000,1.500"', page)
    assert "<html" not in page
    tuner = films.get(f"/play/{id_of(films, 'tuner.ts')}?start=3&end=5").text
    # A copy begins at the picture before that decodes alone.
    assert re.search(r'src="/api/v1/videos/\w+/stream\?start=2.000#t=1.000,3.000"', tuner)
    plain = client.get(f"/play/{id_of(client, 'green.mp4')}?start=1").text
    assert re.search(r'src="/api/v1/videos/\w+/file#t=1.000,11.000"', plain)
    assert client.get("/play/unknown").status_code == 404
    own = id_of(client, "green.mp4")
    assert client.get(f"/play/{own}?start=x&end=-1&clip=y").status_code == 200
    assert client.get(f"/play/{own}?clip={own}@9999999999").status_code == 200  # of an older index


def test_each_language_is_a_track_and_that_of_the_page_is_shown(films):
    address = f"/play/{id_of(films, 'old.avi')}?start=4&end=5"
    for tag in ("en", "cs", "de"):
        text = films.get(address, headers={"Accept-Language": tag}).text
        tracks = re.findall(
            r'<track kind="subtitles" srclang="(\w+)" label="([^"]+)" src="([^"]+)"( default)?>', text
        )
        assert sorted(language for language, *_ in tracks) == ["cs", "en"]
        assert [bool(chosen) for *_, chosen in tracks] == [True, False]
        if tag != "de":
            assert tracks[0][0] == tag
    source = films.get(tracks[1][2].replace("&amp;", "&"))
    assert source.headers["content-type"].startswith("text/vtt")
    assert "00:00:00.000 --> 00:00:01" in source.text  # the times of the stream that begins at 4 s


def test_a_line_is_escaped_and_moved():
    line = LibraryLine(
        start_s=3.5, end_s=5.25, text="a <i>red</i> --> wall\n\n& no dog", language="en", source="x.srt"
    )
    past = line.model_copy(update={"start_s": 1.0, "end_s": 3.9})
    assert webvtt([past, line], shift_s=4.0) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\na &lt;i&gt;red&lt;/i&gt; --&gt; wall\n&amp; no dog\n"
    )
    assert "01:00:03.500 --> 01:00:05.250" in webvtt([line], shift_s=-3600.0)


def test_a_strip_is_drawn_once(films):
    address = f"/api/v1/videos/{id_of(films, 'old.avi')}/strip?start=0&end=2.5"
    first = films.get(address)
    assert first.headers["content-type"] == "image/jpeg"
    assert first.headers["cache-control"].startswith("private, max-age=")
    with av.open(io.BytesIO(first.content)) as container:
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    told = [videos.read_clock(image[:, 256 * tile + 32 : 256 * tile + 224]) for tile in range(5)]
    assert told == pytest.approx([0.25, 0.75, 1.25, 1.75, 2.25], abs=0.06)
    assert films.get(address).content == first.content
    for wrong in ("start=3&end=3", "start=0&end=500", "start=0"):
        assert films.get(address.partition("?")[0] + "?" + wrong).status_code in {400, 422}


def test_a_film_that_is_no_longer_there_as_it_was_is_told_in_one_message(tmp_path, tiny_bundle):
    film(tmp_path / "films" / "a.mp4", "red")
    path = videos.write_video(tmp_path / "films" / "b.avi", seconds=2, codec="mpeg4")
    index_films(tmp_path / "films", tmp_path / "library", tiny_bundle)
    with serving(tmp_path / "library") as client:
        video = id_of(client, "b.avi")
        facts = path.stat()
        path.write_bytes(bytes(facts.st_size))
        gone = client.get(f"/api/v1/videos/{video}/stream")
        assert (gone.status_code, gone.json()["error"]["what"]) == (
            404,
            "the file of this video has changed since it was indexed",
        )
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))  # a damage that leaves no trace
        broken = client.get(f"/api/v1/videos/{video}/stream")
        assert broken.status_code == 422
        assert broken.json()["error"]["what"] == "the file is not a video that can be opened"
        page = client.get(f"/play/{video}", headers={"Accept-Language": "de"})
        assert page.status_code == 422
        assert "Dieses Video kann nicht abgespielt werden" in page.text
        assert client.get(f"/videos/{video}").status_code == 200  # what is indexed is still shown


def test_a_film_from_the_far_future_plays_and_a_link_is_told_as_one(tmp_path, tiny_bundle):
    path = film(tmp_path / "films" / "a.mp4", "red")
    os.utime(path, (2**34, 2**34))  # the year 2514; a library keeps times up to 2262
    (tmp_path / "link.mp4").symlink_to(film(tmp_path / "b.mp4", "blue"))
    index_films([tmp_path / "films", tmp_path / "link.mp4"], tmp_path / "library", tiny_bundle)
    with serving(tmp_path / "library") as client:
        videos_of = {each["name"]: each["id"] for each in client.get("/api/v1/videos").json()["videos"]}
        assert client.get(f"/api/v1/videos/{videos_of['films/a.mp4']}/file").status_code == 200
        refused = client.get(f"/api/v1/videos/{videos_of['link.mp4']}/file")
        assert (refused.status_code, refused.json()["error"]["remedy"]) == (
            404,
            "Index the file that it leads to",
        )


def test_a_stream_ends_with_its_request(tmp_path, tiny_bundle):
    (tmp_path / "films").mkdir()
    # Longer than what is sent before it is seen.
    videos.write_video(tmp_path / "films" / "a.avi", seconds=60, fps=2, codec="mpeg4", size=(64, 48))
    index_films(tmp_path / "films", tmp_path / "library", tiny_bundle)
    with listening(tmp_path / "library") as site:
        video = site.app.state.server.snapshot.video(0).id
        before = running_decoders()
        with socket.create_connection(("127.0.0.1", site.port)) as asking:
            asking.sendall(f"GET /api/v1/videos/{video}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert asking.recv(1_000).startswith(b"HTTP/1.1 200")
            assert len(running_decoders() - before) == 1
        wait_for(lambda: running_decoders() <= before)


def test_a_player_that_reads_nothing_frees_the_process(refused_library, monkeypatch):
    monkeypatch.setattr(playback, "_STALL_S", 0.2)
    with listening(refused_library) as site:
        service = site.app.state.server.playback
        video = next(each.id for each in site.app.state.server.library.videos() if each.name == "noise.ts")
        with socket.socket() as asking:
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            asking.connect(("127.0.0.1", site.port))
            before = running_decoders()
            asking.sendall(f"GET /api/v1/videos/{video}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            wait_for(lambda: running_decoders() - before)
            wait_for(lambda: running_decoders() <= before)
            assert service._streams._inside == 0  # while the player could still read what was sent
            assert asking.recv(100).startswith(b"HTTP/1.1 200")


def test_only_so_many_streams_run_at_once(tmp_path):
    path = videos.write_video(tmp_path / "a.avi", seconds=1, codec="mpeg4")

    async def ask_twice() -> None:
        service = PlaybackService(streams=1)
        first = await service.stream(path, 0.0, None)
        second = asyncio.ensure_future(service.stream(path, 0.0, None))
        await asyncio.sleep(0.3)
        assert not second.done()
        await first._slot.aclose()
        await (await second)._slot.aclose()
        service.close()

    asyncio.run(ask_twice())


def test_other_moments_of_a_video_unfold(films):
    text = films.get("/?q=red&mode=visual").text
    cards = {re.search(r"<h2>([^<]+)", card)[1]: card for card in text.split('<li class="card">')[1:]}
    assert "1 more moment in this video" in cards["twice.mp4"]
    address = html.unescape(re.search(r'hx-get="(/more/[^"]+)"', cards["twice.mp4"])[1])
    part = films.get(address).text
    assert part.count('class="card"') == 1
    assert re.findall(r">(\d:\d\d)–", cards["twice.mp4"] + part) == ["0:00", "0:04"]
    every = films.get("/?q=red&mode=visual&moments=all").text
    assert every.count('class="card"') > text.count('class="card"')


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("and then the Dog runs", "a dog", "and then the <mark>Dog</mark> runs"),
        ("dogged <b>", "dog", "dogged &lt;b&gt;"),
        ("Ein CAFÉ, bitte", "cafe", "Ein <mark>CAFÉ</mark>, bitte"),
        ("一只小狗在跑步", "小狗", "一只<mark>小狗</mark>在跑步"),
        ("大狗小狗", "狗", "大<mark>狗</mark>小<mark>狗</mark>"),
        ("小狗在跑", "小狗在", "<mark>小狗在</mark>跑"),
        ("Собака бежит", "собака", "<mark>Собака</mark> бежит"),
        ("nothing", "", "nothing"),
    ],
)
def test_searched_words_are_marked(text, query, marked):
    assert mark_words(text, query) == marked


@pytest.mark.parametrize(
    ("picture", "line", "seen", "said"),
    [
        (0.9, 0.01, True, False),
        (0.05, 0.9, False, True),
        (0.5, 0.9, True, True),
        (0.001, 0.002, False, True),
        (None, 0.9, False, True),
        (None, None, False, True),
    ],
)
def test_why_a_moment_was_found(picture, line, seen, said):
    spoken = SubtitleEvidence(text="a dog", language="en")
    evidence = Evidence(visual=0.3, picture=picture, line=line, subtitle=spoken)
    why = why_found(evidence, "dog")
    assert (why.seen, why.said is not None) == (seen, said)
    assert why_found(evidence.model_copy(update={"subtitle": None}), "dog").seen


LONG_TASKS = """new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) (window.tasks ??= []).push(entry.duration);
}).observe({type: "longtask", buffered: true});"""


@pytest.mark.slow
@ENDS_WITH_ITS_PROCESS
def test_the_browser_never_waits_for_24_hits_of_long_films(tmp_path, tiny_bundle):
    colours = ("red", "blue", "green", "white")
    for number in range(24):
        film(tmp_path / "films" / f"{number}.mp4", *colours * (13 + number))
    index_films(tmp_path / "films", tmp_path / "library", tiny_bundle)
    with listening(tmp_path / "library") as site, browser(tmp_path) as started:
        page = started.new_page()
        page.add_init_script(LONG_TASKS)
        page.goto(site.address + "/?q=red")
        assert page.locator(".card").count() == 24
        size = len(page.content())
        for _ in range(3):
            page.locator(".thumb").first.press("Enter")
            page.wait_for_selector("#theatre video")
            page.keyboard.press("n")
            page.keyboard.press("Escape")
            page.mouse.wheel(0, 2_000)
            page.wait_for_timeout(500)
        tasks = page.evaluate("window.tasks ?? []")
        longest_ms = max(tasks, default=0)
        print(f"{size / 1000:.0f} kB, {len(tasks)} tasks above 50 ms, the longest {longest_ms:.0f} ms")
        assert size < 150_000
        assert longest_ms < 1_000
