"""The pages as they come over the wire, without a browser."""

from __future__ import annotations

import gzip
import html
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from servers import serving, wait_for

from films import film, index_films
from polyreel.errors import UsageError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.library.index.events import Recognised, Settled
from polyreel.library.index.hearing import HearingProgress
from polyreel.library.index.progress_file import LINES_FILE, IndexProgress, ProgressFile
from polyreel.library.results import ClipScore
from polyreel.server.search_params import SearchParams
from polyreel.server.settings import ServerSettings
from polyreel.server.timeline import draw_profile
from polyreel.server.translations import translations_in


def heading(text: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", re.search(r"<h1[^>]*>(.*?)</h1>", text, re.DOTALL)[1]).strip()


def form_of(client, path: str = "/") -> str:
    return re.search(r'name="form" value="([^"]+)"', client.get(path).text)[1]


@pytest.mark.parametrize("tag", STUDY_LANGUAGES)
def test_pages_come_in_the_browsers_language(client, tag):
    translations = translations_in(tag)
    for path, message in (
        ("/", "Filters"),
        ("/library", "Health of the files"),
        ("/model", "Parts and their licences"),
    ):
        text = client.get(path, headers={"Accept-Language": f"{tag};q=0.9, en;q=0.1"}).text
        assert f'<html lang="{tag}">' in text
        assert translations.gettext(message) in text


def test_a_first_page_is_two_requests_and_small(client):
    page = client.get("/?q=red")
    parts = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert len(parts) == 1
    script = client.get(parts[0])
    assert script.headers["cache-control"].startswith("public, max-age=")
    assert script.headers["content-encoding"] == page.headers["content-encoding"] == "gzip"
    assert sum(len(gzip.compress(part.content)) for part in (page, script)) < 60_000


def test_a_search_says_what_it_found(client):
    text = client.get("/?q=dog").text
    assert 'id="doubt"' not in text
    assert "tricolour.mp4" in text
    assert "talks" in text
    assert re.search(
        r'<blockquote lang="en"[^>]*>and then the <mark>dog</mark> runs away <cite[^>]*>Subtitle', text
    )
    assert re.search(r'href="/play/[^"]+" data-play ', text)
    assert "<svg" in text
    assert client.get("/?q=qwrtzpsd&mode=visual").text.count('id="doubt"') == 1


def test_lines_of_a_kind_are_offered_where_there_are_some(client, monkeypatch):
    assert 'value="speech"' not in client.get("/").text
    snapshot = client.app.state.server.snapshot
    kinds = pa.array(["speech"] * len(snapshot.index.subtitles), pa.string())
    column = snapshot.index.subtitles.column_names.index("kind")
    heard = replace(snapshot.index, subtitles=snapshot.index.subtitles.set_column(column, "kind", kinds))
    monkeypatch.setattr(snapshot, "index", heard)
    snapshot.__dict__.pop("line_kinds", None)
    text = client.get("/?q=dog&mode=speech").text
    assert '<option value="speech" selected' in text
    assert "tricolour.mp4" in text
    assert "tricolour.mp4" not in (other := client.get("/?q=dog&mode=subtitles").text)
    assert translations_in("en").gettext("Search in pictures too") in other
    del snapshot.line_kinds


def test_a_page_of_24_hits_is_below_150_kilobytes(client):
    few, many = (client.get(f"/?q=red&moments=all&top={top}").text for top in (1, 24))
    hits = many.count('class="card"') - 1
    assert hits >= 6
    assert len(few) + 23 * (len(many) - len(few)) / hits < 80_000
    # The longest of films adds a drawing of the same size.
    clips = [
        ClipScore(clip_id="", start_s=4.0 * k, end_s=4.0 * k + 4, visual=0.3, strength=None, thumbnail="")
        for k in range(4_500)
    ]
    assert len(draw_profile(clips, (40.0, 44.0))) < 2_000


def test_what_was_params_stays_in_the_form(client):
    text = client.get("/?q=red&mode=visual&length=short&lang=sw&after=2020-01-01").text
    assert 'value="red"' in text
    for choice in ('value="visual" selected', 'value="short" selected', 'value="sw" selected'):
        assert choice in text
    assert 'value="2020-01-01"' in text


def test_htmx_gets_the_part_that_changes_and_an_address_to_share(client):
    answer = client.get("/?q=red&folder=&top=24&length=", headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert answer.headers["hx-push-url"] == "/?q=red"
    again = client.get("/?q=red", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in again.text


def test_more_moments_come_on_demand(client):
    first = client.get("/?q=red&top=3").text
    assert first.count('class="card"') == 3
    more = re.search(r'class="button" href="(/[?][^"]+)"', first)[1].replace("&amp;", "&")
    assert client.get(more).text.count('class="card"') > 3


def test_a_video_has_a_page_with_its_moments(client):
    link = re.search(r'href="(/videos/[^"]+)"', client.get("/?q=white").text)[1].replace("&amp;", "&")
    text = client.get(link).text
    assert "#t=3.000" in text
    # Four moments, each in the timeline and in the list, and three lines.
    assert text.count("data-seek") == 11
    assert "and then the dog runs away" in text
    assert client.get("/videos/unknown").status_code == 404
    bare = client.get(link.partition("?")[0] + "?t=-5").text
    assert "#t=" not in bare
    assert "<meter" not in bare


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/?q=" + "x" * 1_500, 400),
        ("/?q=red&mode=hybird", 400),
        ("/?q=red&lang=klingon", 400),
        ("/?q=red&length=endless", 400),
        ("/?q=red&after=yesterday", 400),
        ("/?like=x", 404),
        ("/?example=x", 404),
        ("/?q=%00", 200),
        ("/?q=++", 200),
        ("/?top=-1&q=red", 200),
        ("/?top=x&q=red", 200),
        ("/library?page=0", 200),
        ("/library?page=99999999999", 200),
        ("/library?page=x", 200),
    ],
)
def test_nonsense_gets_a_clear_page(client, path, status):
    answer = client.get(path, headers={"Accept-Language": "de"})
    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert '<html lang="de">' in answer.text
    if status >= 400:
        assert 'role="alert"' in answer.text


def test_the_library_page_tells_of_each_file(client):
    text = client.get("/library", headers={"Accept-Language": "fr"}).text
    assert "Le fichier est vide." in text
    assert "Copiez-le à nouveau." in text
    assert "the file is empty" in text  # the message itself stands beside it
    assert text.count('<li class="problem">') == 2
    assert text.count('<li><a href="/videos/') == 7


def test_the_library_page_tells_how_far_hearing_and_reading_are(own_library, tmp_path):
    video = str(tmp_path / "videos" / "red.mp4")
    with serving(own_library) as client:
        for source, says, next_stage in (
            ("speech", "Listening to what is said: 1 of 3 videos.", "screen"),
            ("screen", "Reading text on the screen: 1 of 3 videos.", "speech"),
        ):
            shown = ProgressFile(own_library, LINES_FILE)
            shown.take(Recognised(source, HearingProgress(3, 1, 120.0, 30.0, video)))
            text = client.get("/library").text
            assert says in text
            assert 'value="0.250"' in text
            assert '<p class="small">red.mp4</p>' in text
            assert str(tmp_path) not in text
            assert "No indexing is under way." not in text
            assert "The last run ended on" in text  # that of the pictures
            told = client.get("/api/v1/index").json()
            assert (told["running"], told["stage"], told["files"], told["files_done"]) == (True, source, 3, 1)
            assert (told["share"], told["current"], told["left_s"]) == (0.25, "red.mp4", None)
            for was, renewed in ((source, False), ("pictures", True), (next_stage, True), ("", False)):
                assert ("hx-refresh" in client.get(f"/library/progress?was={was}").headers) is renewed
            stopped = shown._now.model_dump() | {"pid": 2**22 + 1}
            (own_library / LINES_FILE).write_text(IndexProgress(**stopped).model_dump_json())
            assert "was stopped before its end. What was" in client.get("/library").text
            assert client.get("/library/progress?was=" + source).headers["hx-refresh"] == "true"
            assert client.get("/api/v1/index").json()["running"] is False
            shown.remove()


def test_the_model_page_has_the_card(client):
    text = client.get("/model").text
    assert "Colours and colour words, for tests." in text
    assert "The quality of this model has not been measured." in text


def test_a_language_can_be_chosen(library_folder):
    with serving(library_folder) as client:
        token = form_of(client)
        answer = client.post("/language", data={"form": token, "to": "cs", "next": "/?q=red"})
        assert answer.headers["location"] == "/?q=red"
        assert '<html lang="cs">' in client.get("/", headers={"Accept-Language": "de"}).text
        assert client.post("/language", data={"form": token, "to": "tlh"}).status_code == 400


def test_an_address_is_as_short_as_can_be():
    params = SearchParams.of({"q": "dog & cat", "lang": "auto", "folder": "", "top": "48", "x": "y"})
    assert params.address == "/?q=dog+%26+cat&top=48"
    assert params.changed(folder="a/b").address == "/?q=dog+%26+cat&folder=a%2Fb"
    assert SearchParams.of({}).address == "/"
    assert SearchParams.of({"q": "a", "top": "999999"}).top == 240
    assert SearchParams.of({"q": "a", "top": "240"}).more is None


def test_an_empty_library_teaches(tmp_path: Path, tiny_bundle):
    from films import index_films

    (tmp_path / "videos").mkdir()
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    with serving(tmp_path / "library") as client:
        home = client.get("/").text
        assert heading(home) == "Nothing is indexed yet."
        assert "polyreel index ~/Videos" in home
        assert "waves on a beach" in home
        assert "Nothing is indexed yet." in client.get("/?q=red").text
        assert "--root FOLDER" in client.get("/library").text
        assert client.get("/api/v1/videos").json() == {"total": 0, "videos": []}
        shown = ProgressFile(tmp_path / "library")
        shown.take(Settled(tmp_path / "videos" / "first.mp4", None))
        assert client.get("/api/v1/index").json()["current"] == "first.mp4"  # and nothing above it
        shown.remove()
        wait_for(lambda: client.get("/api/v1/ready").status_code == 200)


def test_an_empty_library_is_filled_from_its_first_page(tmp_path: Path, tiny_bundle):
    (tmp_path / "videos").mkdir()
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    with serving(tmp_path / "library", roots=(tmp_path / "videos",)) as client:
        home = client.get("/").text
        assert 'action="/library/index"' in home
        assert f'value="{tmp_path}/videos"' in home


@pytest.mark.parametrize("tag", STUDY_LANGUAGES)
def test_the_first_page_teaches_with_queries_in_its_language(client, tag):
    text = client.get("/", headers={"Accept-Language": tag}).text
    own, others = re.findall(r'<ul class="example-queries.*?</ul>', text, re.DOTALL)
    shown = [html.unescape(query) for query in re.findall(r">([^<>]+)</a>", own)]
    ours = translations_in(tag)
    assert ours.gettext("people dance") in shown
    assert len(shown) == len(set(shown)) == 5
    assert sorted(re.findall(r'lang="(\w+)"', others)) == sorted(set(STUDY_LANGUAGES) - {tag})
    first = re.search(r'href="([^"]+)"', own)[1]
    assert client.get(html.unescape(first)).status_code == 200


@pytest.mark.parametrize("tag", STUDY_LANGUAGES)
def test_it_is_said_plainly_whether_the_model_can_tell(client, tag, monkeypatch):
    server = client.app.state.server
    ours = translations_in(tag)
    found = server.library.search("qwrtzpsd", mode="visual")
    said = {
        "poor": "Nothing matches well.",
        "unsure": "The model cannot tell whether these match.",
        "unmeasured": "How well they match is still being measured.",
    }
    for verdict, message in said.items():

        async def ask(query, verdict=verdict):
            return found.model_copy(update={"verdict": verdict})

        monkeypatch.setattr(server.batcher, "ask", ask)
        text = html.unescape(client.get("/?q=qwrtzpsd", headers={"Accept-Language": tag}).text)
        for other in said.values():
            assert (ours.gettext(other) in text) == (other == message), (verdict, other)


# Below a path of a reverse proxy


def links_in(text: str) -> set[str]:
    found = re.findall(r'\b(?:href|src|action|hx-get|poster)="(/[^"]*)"', text)
    return {html.unescape(link).partition("#")[0] for link in found}


@pytest.mark.parametrize(
    ("root", "proxy"),
    [
        ("/videos", "takes the path off"),
        ("/api", "leaves the path"),
        ("/films/of-ours", "takes the path off"),
        pytest.param("/films/of-ours", "leaves the path", marks=pytest.mark.slow),
    ],
)
def test_below_a_root_path_every_link_leads_back_here(library_folder, root, proxy):
    with serving(library_folder, root_path=root) as client:

        def through(address: str, **options):
            assert address.startswith(f"{root}/"), address
            sent = address if proxy == "leaves the path" else address.removeprefix(root)
            return client.get(sent, **options)

        hit = through(f"{root}/api/v1/search?q=blue").json()["hits"][0]
        assert hit["media"].startswith(f"{root}/api/v1/videos/")
        pages = ("/", "/?q=blue", "/?like=" + hit["clip_id"], "/library", "/model", "/login", "/nothing")
        links = set()
        for page in (*pages, f"/videos/{hit['video_id']}?q=blue"):
            text = through(root + page).text
            links |= links_in(text)
            assert set(re.findall(r'data-strip="(/[^/]+)', text)) <= {f"/{root.split('/')[1]}"}
        assert {f"{root}/", f"{root}/library", f"{root}/language"} <= links
        for link in links:
            assert through(link).status_code in {200, 405}, link
        part = through(f"{root}/?q=blue", headers={"HX-Request": "true"})
        assert part.headers["hx-push-url"] == f"{root}/?q=blue"
        assert links_in(part.text)
        assert all(link.startswith(f"{root}/") for link in links_in(part.text))


def test_below_a_root_path_cookies_redirects_and_rules_hold(library_folder):
    token = "correct horse battery staple"
    with serving(library_folder, root_path="/videos", token=token) as client:
        for path in ("/library?page=1", "/videos/library?page=1"):
            answer = client.get(path)
            assert answer.headers["location"] == "/videos/login?next=%2Flibrary%3Fpage%3D1"
        assert client.get("/videos/api/v1/library").status_code == 401
        assert client.get("/videos/api/v1/health").status_code == 200
        page = client.get("/videos/login?next=/model")
        assert "Path=/videos;" in page.headers["set-cookie"] + ";"
        form = re.search(r'name="form" value="([^"]+)"', page.text)[1]
        answer = client.post("/videos/login", data={"form": form, "token": token, "next": "/model"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/videos/model")
        assert "Path=/videos;" in answer.headers["set-cookie"] + ";"
        assert client.get("/videos/model").status_code == 200
        document = client.get("/videos/api/v1/openapi.json").json()
        assert document["servers"] == [{"url": "/videos"}]


@pytest.mark.parametrize("root", ["videos", "/", "/videos/", "//host", "/a b", "/..", '/"', "/a\n"])
def test_a_root_path_is_a_plain_path(library_folder, root):
    with pytest.raises(UsageError, match="not a path that a server can be shown under"):
        ServerSettings(library=library_folder, root_path=root).require_safe()


def test_a_page_of_a_video_names_its_copies(own_library, tiny_bundle):
    videos = own_library.parent / "videos"
    for copy in ("<b>.mp4", "same.mp4"):
        shutil.copy(videos / "red.mp4", videos / copy)
    index_films(videos, own_library, tiny_bundle)
    with serving(own_library) as started:
        (video,) = started.get("/api/v1/videos").json()["videos"]
        assert len(video["copies"]) == 2
        page = started.get(f"/videos/{video['id']}", headers={"Accept-Language": "de"}).text
    shown = re.search(r'<p class="folder copies">Kopien: ([^\n]*)</p>', page)[1]
    assert html.unescape(shown).split(", ") == video["copies"]
    assert "<b>" not in shown


def test_the_library_page_tells_videos_and_files_where_copies_make_them_differ(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "a.mp4", "red")
    shutil.copy(tmp_path / "videos" / "a.mp4", tmp_path / "videos" / "b.mp4")
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    with serving(tmp_path / "library") as client:
        assert '<dd>1 <span class="small">(in 2 files)</span></dd>' in client.get("/library").text
        german = client.get("/library", headers={"Accept-Language": "de"}).text
        assert "(in 2 Dateien)" in german
        assert client.get("/api/v1/library").json()["files"] == 2


def test_what_an_address_cannot_ask_for_is_said(client):
    answer = client.get("/?q=dog&min_duration_s=abc")
    assert answer.status_code == 400
    assert "no parameter of a search has this name: &#39;min_duration_s&#39;" in answer.text
    for folder in ("nowhere", "talk"):
        answer = client.get("/", params={"q": "dog", "folder": folder})
        assert answer.status_code == 404
        assert "No video lies in this folder" in answer.text
        assert "<details open>" in answer.text
        assert "<option>talks</option>" in answer.text  # another one can be chosen
    assert "Did you mean &#39;talks&#39;?" in answer.text
    assert client.get("/videos/unknown").text.count("It is not here, or no longer") >= 1


def test_a_least_match_is_asked_for_and_what_is_left_out_told(client):
    every = client.get("/api/v1/search?q=dog").json()
    found = client.get("/api/v1/search?q=dog&min_match=50").json()
    assert found["hits"] == [hit for hit in every["hits"] if hit["strength"] >= 0.5]
    assert found["left_out"] == len(every["hits"]) - len(found["hits"]) > 0
    page = client.get("/?q=dog&min_match=80").text
    assert '<option value="80" selected>Strong match</option>' in page
    assert re.search(r'id="left-out">\d+ moments? that match(es)? less', page)
    assert client.get("/export/csv?q=dog&min_match=80").text.count("\n") == 1 + page.count(
        '<li class="card">'
    )
    assert client.get("/?q=dog&min_match=101").status_code == 400
    assert client.get("/api/v1/search?q=dog&min_match=101").status_code == 422
