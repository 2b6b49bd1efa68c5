"""What the server does not do: for other sites, without a token, out of its library, beyond its limits."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from servers import listening, serving, wait_for
from starlette.testclient import TestClient

from films import index_films
from polyreel.client.documents import ErrorDocument, VideosDocument
from polyreel.errors import PolyreelError, UsageError
from polyreel.server.app import create_app
from polyreel.server.csrf import CsrfSigner
from polyreel.server.errors import RangeError, public_error
from polyreel.server.files import satisfiable_ranges
from polyreel.server.rates import Rates
from polyreel.server.settings import ServerSettings, is_loopback

API = "/api/v1"
TOKEN = "correct horse battery staple"


def video_ids(client) -> dict[str, str]:
    found = VideosDocument.model_validate_json(client.get(f"{API}/videos").content)
    return {video.name: video.id for video in found.videos}


def form_token(client, path: str = "/") -> str:
    return re.search(r'name="form" value="([^"]+)"', client.get(path).text)[1]


# Who may ask


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_beyond_the_own_machine_a_token_is_needed(library_folder, host):
    with pytest.raises(UsageError, match=r"needs a token.*POLYREEL_TOKEN"):
        create_app(ServerSettings(library=library_folder, host=host), lambda _location: None)


def test_a_token_that_can_be_guessed_is_refused(library_folder):
    with pytest.raises(UsageError, match="too short to be a secret"):
        create_app(ServerSettings(library=library_folder, token="secret"), lambda _location: None)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(
            (host, True)
            for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "::ffff:127.0.0.1")
        ),
        *((host, False) for host in ("10.0.0.1", "localhost.example.org", "")),
    ],
)
def test_only_the_own_machine_is_the_own_machine(host, own):
    assert is_loopback(host) is own


def test_with_a_token_nothing_opens_without_it(library_folder):
    with serving(library_folder, host="0.0.0.0", token=TOKEN) as client:
        for path in (f"{API}/search?q=red", f"{API}/videos", f"{API}/metrics", f"{API}/openapi.json"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert ErrorDocument.model_validate_json(answer.content).error.kind == "UnauthorisedError"
            wrong = client.get(path, headers={"Authorization": f"Bearer {TOKEN}x"})
            assert wrong.status_code == 401
            right = client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})
            assert right.status_code == 200
        assert client.get(f"{API}/health").status_code == 200
        page = client.get("/library?page=1")
        assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Flibrary%3Fpage%3D1")


def test_a_browser_enters_with_the_token_once(library_folder):
    with serving(library_folder, host="0.0.0.0", token=TOKEN) as client:
        seal = form_token(client, "/login?next=/model")
        wrong = client.post("/login", data={"form": seal, "token": "guess", "next": "/model"})
        assert wrong.status_code == 401
        right = client.post("/login", data={"form": seal, "token": TOKEN, "next": "/model"})
        assert (right.status_code, right.headers["location"]) == (303, "/model")
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/model").status_code == 200
        client.cookies.clear()
        client.cookies.set("polyreel_session", "0" * 64)
        assert client.get("/model").status_code == 303


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\t/evil"]
)
def test_nobody_is_led_to_another_site(library_folder, wanted):
    with serving(library_folder, token=TOKEN) as client:
        seal = form_token(client, "/login")
        answer = client.post("/login", data={"form": seal, "token": TOKEN, "next": wanted})
        assert answer.headers["location"] == "/"


# Which page may ask


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "a b", "["]
)
def test_the_server_answers_to_its_own_names_only(client, host):
    answer = client.get(f"{API}/search?q=red", headers={"Host": host})
    assert answer.status_code == 400
    assert "not known under this name" in answer.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost:8420", "[::1]:8420", "192.168.1.5", socket.gethostname()]
)
def test_addresses_and_own_names_are_known(client, host):
    assert client.get(f"{API}/health", headers={"Host": host}).status_code == 200


def test_a_name_can_be_given(library_folder):
    with serving(library_folder, names=("Videos.Example",)) as client:
        assert client.get(f"{API}/health", headers={"Host": "videos.example"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        *({"Origin": origin} for origin in ("https://evil.example", "null", "http://127.0.0.1:9999")),
        *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")),
    ],
)
def test_pages_of_other_sites_change_nothing(client, headers):
    for path in (
        "/language",
        "/library/index",
        "/library/bundle",
        "/library/bundle/pause",
        "/example",
        f"{API}/index",
        f"{API}/search/example",
    ):
        assert client.post(path, headers=headers, json={"folder": "/"}).status_code == 403


def test_a_form_needs_its_seal(client):
    seal = form_token(client)
    for given in ("", "x", seal[:-1] + ("0" if seal[-1] != "0" else "1"), seal.partition(".")[0] + "."):
        answer = client.post("/language", data={"form": given, "to": "de"})
        assert answer.status_code == 403
    answer = client.post("/language", data={"form": seal, "to": "de", "next": "/library"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/library")
    client.cookies.clear()
    assert client.post("/language", data={"form": seal, "to": "de"}).status_code == 403


def test_seals_are_made_for_one_browser_and_look_different_each_time():
    csrf = CsrfSigner(None)
    one, other = csrf.form("visitor"), csrf.form("visitor")
    assert one != other
    assert csrf.is_form(one, "visitor")
    assert not csrf.is_form(one, "another")
    assert not csrf.is_form(csrf.form(""), "")
    assert not CsrfSigner(None).is_form(one, "visitor")
    assert not csrf.is_token("")


# What a browser is told


def test_every_answer_carries_the_headers(client):
    for path in ("/", "/library", f"{API}/search?q=red", f"{API}/nothing", "/nothing", "/static/x.js"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


def test_pages_hold_no_inline_script_and_nothing_from_elsewhere(client):
    for path in ("/", "/?q=red", "/library", "/model"):
        text = client.get(path).text
        assert re.findall(r"<script(?![^>]* src=)", text) == []
        assert re.findall(r"\son\w+=", text) == []
        assert re.findall(r"\sstyle=", text) == []
        assert re.findall(r'(?:src|href|action)="(?:https?:)?//', text) == []


def test_what_was_typed_is_shown_as_text(client):
    text = client.get("/", params={"q": "<script>alert(1)</script>\"' onx=1"}).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text
    talk = client.get("/", params={"q": "sesquipedalian"}).text
    assert "&amp; more" in talk


# Files


def test_a_range_is_a_range(client, library_folder):
    address = f"{API}/videos/{video_ids(client)['red.mp4']}/file"
    whole = (library_folder.parent / "videos" / "red.mp4").read_bytes()
    answer = client.get(address, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, whole[10:20])
    assert answer.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert client.get(address, headers={"Range": "bytes=-5"}).content == whole[-5:]
    beyond = client.get(address, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    assert client.get(address).content == whole
    assert ErrorDocument.model_validate_json(beyond.content).error.kind == "RangeError"
    assert client.get(address, headers={"Range": "bytes=a-b"}).content == whole  # RFC 9110: ignored
    assert client.get(address, headers={"Range": "bytes=" + "0-0," * 5_000}).status_code == 200


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-0", [(0, 0)]),
        ("bytes=90-", [(90, 99)]),
        ("bytes=-10", [(90, 99)]),
        ("bytes=-1000", [(0, 99)]),
        ("BYTES = 5-7 , ,200-300, 9-1000", [(5, 7), (9, 99)]),
        ("bytes=0-" + "9" * 100, [(0, 99)]),
        *(
            (header, None)
            for header in ("bytes=", "bytes=-", "bytes=7-5", "bytes=a-b", "bytes=0-1,x", "lines=0-1")
        ),
        *((header, None) for header in ("bytes", "", "bytes=١-٢", "bytes=--1", "bytes=" + "0-0," * 500)),
        *(
            (header, "beyond")
            for header in ("bytes=100-", "bytes=100-200,300-", "bytes=-0", "bytes=" + "9" * 50 + "-")
        ),
    ],
)
def test_ranges_are_read_as_the_standard_has_them(header, ranges):
    if ranges == "beyond":
        with pytest.raises(RangeError, match=r"beyond the end of the file \(100\)"):
            satisfiable_ranges(header, 100)
    else:
        assert satisfiable_ranges(header, 100) == ranges


def test_what_a_client_has_already_is_not_sent_again(client):
    hit = client.get(f"{API}/search?q=red").json()["hits"][0]
    for address in (hit["thumbnail"], hit["media"].partition("#")[0]):
        first = client.get(address)
        tag = first.headers["etag"]
        for known in (tag, f'"other", W/{tag}', "*"):
            again = client.get(address, headers={"If-None-Match": known, "Range": "bytes=0-1"})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
            assert again.headers["cache-control"] == first.headers["cache-control"]
        assert client.get(address, headers={"If-None-Match": '"other"'}).content == first.content
        day = first.headers["last-modified"]
        for seen, status in ((day, 304), ("Fri, 01 Jan 2100 00:00:00 GMT", 304), ("yesterday", 200)):
            assert client.get(address, headers={"If-Modified-Since": seen}).status_code == status, seen
        old = {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}
        assert client.get(address, headers=old).status_code == 200
        tag_goes_first = {"If-Modified-Since": day, "If-None-Match": '"other"'}
        assert client.get(address, headers=tag_goes_first).status_code == 200
        stale = {"If-Range": '"other"', "Range": "bytes=999999999-"}
        assert client.get(address, headers=stale).content == first.content


def test_head_is_get_without_the_body(client):
    hit = client.get(f"{API}/search?q=red").json()["hits"][0]
    video, clip = hit["video_id"], hit["clip_id"]
    script = re.search(r'<script src="([^"]+)"', client.get("/").text)[1]
    api = [
        f"{API}/{path}"
        for path in ("search?q=red", "videos", "library", "bundle", "index", "health", "ready")
    ]
    api += [f"{API}/search/like/{clip}", f"{API}/moments/{clip}", f"{API}/metrics", f"{API}/openapi.json"]
    api += [f"{API}/videos/{video}", f"{API}/videos/{video}/file", f"{API}/videos/{video}/moments?q=red"]
    pages = ["/", "/?q=red", f"/videos/{video}", "/library", "/library/progress", "/model", "/login", script]
    for path in (*api, *pages, hit["thumbnail"], hit["media"]):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-type"] == get.headers["content-type"]
    file = client.head(hit["media"])
    assert int(file.headers["content-length"]) == len(client.get(hit["media"]).content)
    part = client.head(hit["media"], headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "10")
    assert client.head("/nothing").status_code == 404
    assert client.head("/language").status_code == 405


def harm(path: Path, how: str) -> None:
    content, times = path.read_bytes(), (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.unlink()
    if how == "link":
        secret = path.parent / "secret"
        secret.write_bytes(content)
        os.utime(secret, ns=times)
        path.symlink_to(secret)
    elif how == "fifo":
        os.mkfifo(path)
    elif how == "other":
        path.write_bytes(content + b"x")
    elif how == "folder":
        path.mkdir()


@pytest.mark.parametrize("how", ["gone", "link", "fifo", "other", "folder"])
def test_only_what_was_indexed_is_served(own_library, how):
    video = own_library.parent / "videos" / "red.mp4"
    with serving(own_library) as client:
        address = f"{API}/videos/{video_ids(client)['red.mp4']}/file"
        assert client.get(address).status_code == 200
        harm(video, how)
        answer = client.get(address)
        assert answer.status_code == 404
        assert ErrorDocument.model_validate_json(answer.content).error.kind == "NotFoundError"
        assert client.get(f"{API}/search?q=red").status_code == 200


def test_of_several_paths_one_that_is_there_is_served(own_library, tiny_bundle):
    videos = own_library.parent / "videos"
    content = (videos / "red.mp4").read_bytes()
    (videos / "z.mp4").write_bytes(content)
    index_films(videos, own_library, tiny_bundle)
    with serving(own_library) as client:
        address = f"{API}/videos/{video_ids(client)['red.mp4']}/file"
        (videos / "red.mp4").unlink()
        assert client.get(address).content == content
        assert client.get(f"{API}/search?q=red&top=1").json()["hits"][0]["video"] == "z.mp4"
        assert "z.mp4</h1>" in client.get(address.removeprefix(API).removesuffix("/file")).text
        (videos / "z.mp4").unlink()
        gone = client.get(address)
        assert (gone.status_code, gone.json()["error"]["item"]) == (404, "red.mp4")


def test_a_thumbnail_that_leads_out_is_not_served(own_library, tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    with serving(own_library) as client:
        address = client.get(f"{API}/search?q=red").json()["hits"][0]["thumbnail"]
        (file,) = (own_library / "thumbs").glob("*/*/0000000000.jpg")
        file.unlink()
        file.symlink_to(tmp_path / "secret")
        assert client.get(address).status_code == 404
        file.unlink()
        folder = file.parent
        folder.rename(tmp_path / "moved")
        (tmp_path / "moved" / file.name).write_bytes(b"secret")
        folder.symlink_to(tmp_path / "moved")
        assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/../../etc/passwd", "/static/../pages.py", "/static/%2e%2e/pages.py", "//etc/passwd", "/videos/..%2f"],
)
def test_no_address_leads_out(client, path):
    assert client.get(path).status_code in {303, 404}


# How much


def test_a_large_body_is_refused_before_it_is_read(client):
    answer = client.post(f"{API}/index", content=b"x" * 70_000)
    assert answer.status_code == 413
    assert ErrorDocument.model_validate_json(answer.content).error.kind == "TooLargeError"


def test_a_body_that_lies_about_its_length_is_refused(client):
    def pieces():
        for _ in range(100):
            yield b"x" * 10_000

    assert client.post("/language", content=pieces()).status_code in {400, 413}


def test_one_client_cannot_ask_without_end(library_folder):
    with serving(library_folder, searches_per_s=0.2) as client:
        answers = [client.get(f"{API}/search?q=red") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert answers[-1].headers["retry-after"]
        assert ErrorDocument.model_validate_json(answers[-1].content).error.kind == "TooManyError"
        assert client.get(f"{API}/health").status_code == 200


def test_rates_recover_with_time_and_forget_the_quiet():
    now = [0.0]
    rates = Rates(2.0, burst=3.0, clock=lambda: now[0])
    assert [rates.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert rates.wait_s("b") == 0
    now[0] = 0.5
    assert [rates.wait_s("a") for _ in range(2)] == [0, 0.5]
    for number in range(20_000):
        rates.wait_s(str(number))
    assert len(rates._buckets) == 10_000


def test_logs_do_not_tell_what_was_searched(library_folder, caplog):
    caplog.set_level("INFO", "polyreel.server.access")
    with serving(library_folder) as client:
        client.get(f"{API}/search?q=sesquipedalian")
        client.get("/?q=sesquipedalian")
    assert "/api/v1/search" in caplog.text
    assert "sesquipedalian" not in caplog.text
    with serving(library_folder, log_queries=True) as client:
        client.get("/?q=sesquipedalian")
    assert "sesquipedalian" in caplog.text


def test_methods_and_paths_make_no_series_and_no_long_lines(library_folder, caplog):
    caplog.set_level("INFO", "polyreel.server.access")
    with serving(library_folder) as client:
        before = len(client.get(f"{API}/metrics").text.splitlines())
        for number in range(50):
            client.request("M" * 200 + "ABCDEFGHIJ"[number % 10] * number, f"/nothing/{number}")
        client.get("/%1b[31m%0aforged%0d%F0%9F%98%80%E2%80%AE" * 1_000)
        text = client.get(f"{API}/metrics").text
        client.head(f"{API}/health")
        assert 'method="HEAD",route="/api/v1/health"' in client.get(f"{API}/metrics").text
    assert len(text.splitlines()) < before + 60
    assert 'method="other"' in text
    assert "MMM" not in text + caplog.text
    lines = [record.getMessage() for record in caplog.records if record.name == "polyreel.server.access"]
    assert all(len(line) < 2_100 and line.isprintable() for line in lines)


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b", "http://\u2100.example"])
def test_an_origin_that_is_no_address_is_a_bad_request(client, origin):
    for path in ("/language", f"{API}/index"):
        answer = client.post(path, headers={"Origin": origin.encode()}, data={"to": "de"})
        assert answer.status_code in {400, 403}, answer.text
    assert client.post(f"{API}/index", headers={"Origin": "http://["}).status_code == 400


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "idna", "rot13", "base64", "unicode_escape", "none"])
def test_forms_are_utf_8(client, charset):
    body = b'--x\r\ncontent-disposition: form-data; name="form"\r\n\r\n+2AA-\\ud800\r\n--x--\r\n'
    for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        answer = client.post(
            "/language", content=body, headers={"content-type": f"{kind}; charset={charset}"}
        )
        assert (answer.status_code, "not in UTF-8" in answer.text) == (400, True)
        plain = client.post("/language", content=body, headers={"content-type": f"{kind}; charset=UTF-8"})
        assert plain.status_code in {400, 403}


@pytest.mark.parametrize(
    "body", [b"", b"x", b"--x", b"--x\r\n\x00\r\n\r\n", b"--x\r\ncontent-disposition: form-data\r\n\r\n--x--"]
)
def test_a_broken_form_is_a_bad_request(client, body):
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/language", content=body, headers=headers).status_code in {400, 403}


def test_tokens_cannot_be_guessed_without_end(library_folder):
    with serving(library_folder, host="0.0.0.0", token=TOKEN) as own:

        def ask(token: str, address: str) -> Any:
            far = TestClient(own.app, base_url="http://127.0.0.1", client=(address, 5))
            return far.get(f"{API}/library", headers={"Authorization": f"Bearer {token}"})

        statuses = [ask(f"guess {number}", "10.0.0.1").status_code for number in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        blocked = ask(TOKEN, "10.0.0.1")
        assert (blocked.status_code, blocked.json()["error"]["kind"]) == (429, "TooManyError")
        assert 1 <= int(blocked.headers["retry-after"]) <= 10
        assert ask(TOKEN, "10.0.0.2").status_code == 200
        # Behind a proxy on this machine, guesses do not shut out those that know the token.
        assert [ask("guess", "127.0.0.1").status_code for _ in range(11)] == [401] * 10 + [429]
        assert ask(TOKEN, "127.0.0.1").status_code == 200
        form = form_token(own, "/login")
        assert own.post("/login", data={"form": form, "token": "guess"}).status_code == 429


def test_errors_show_no_path_of_this_machine(own_library, tmp_path):
    with serving(own_library) as client:
        own_library.rename(tmp_path / "elsewhere")
        gone = wait_for(lambda: (answer := client.get(f"{API}/search?q=red")).status_code == 503 and answer)
        page = client.get("/?q=red")
        assert page.status_code == 503
        assert str(tmp_path) not in gone.text + page.text
        assert gone.json()["error"]["item"] == "library"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read /home/ann/films/a.mp4: gone", "cannot read a.mp4: gone"),
        ("Use --bundle '/srv/models/b'", "Use --bundle 'b'"),
        ("See /api/v1/openapi.json", "See /api/v1/openapi.json"),
        ("Use http://HOST:8420/a/b", "Use http://HOST:8420/a/b"),
        ("1/2 and video/mp4", "1/2 and video/mp4"),
    ],
)
def test_a_path_is_cut_to_its_name(text, shown):
    assert public_error(PolyreelError(text, item=Path("/srv/my films"), remedy=text)).remedy == shown
    assert public_error(PolyreelError(text, item=Path("/srv/my films"))).item == "my films"


# Raw connections


def ask_raw(port: int, text: bytes, *, seconds: float = 10.0) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(text)
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
        return answer


def test_a_head_of_a_megabyte_gets_a_typed_error(site):
    text = b"GET /api/v1/search?q=" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    # It stops listening before all was said, and what it says of that may be lost with the connection.
    for size in (len(text), *[80_000] * 20):
        with contextlib.suppress(ConnectionError):
            answer = ask_raw(site.port, text[:size])
            break
    else:
        pytest.fail("no answer came")
    assert b" 400 " in answer.splitlines()[0]
    assert b'"kind":"RequestError"' in answer


@pytest.mark.parametrize(
    "text", [b"\x16\x03\x01\x02\x00\x01", b"HELO there\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n"]
)
def test_what_is_no_http_ends_with_an_answer(site, text):
    assert b"400" in ask_raw(site.port, text + b"\r\n\r\n")


def test_slow_heads_and_bodies_are_not_waited_for(library_folder):
    with listening(library_folder, head_timeout_s=0.3, body_timeout_s=0.3) as started:
        began = time.monotonic()
        assert ask_raw(started.port, b"GET / HTTP/1.1\r\nHost: loc") == b""
        assert ask_raw(started.port, b"") == b""
        head = b"POST /language HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        answer = ask_raw(started.port, head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nto=")
        assert b" 408 " in answer.splitlines()[0]
        assert time.monotonic() - began < 4


def test_idle_connections_stop_nobody(site):
    idle = [socket.create_connection(("127.0.0.1", site.port)) for _ in range(200)]
    try:
        answer = ask_raw(
            site.port, b"GET /api/v1/search?q=red HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert b" 200 " in answer.splitlines()[0]
    finally:
        for connection in idle:
            connection.close()
