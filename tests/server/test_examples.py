"""Searching with a picture or a clip of one's own, and with files that are neither."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from servers import serving

import videos
from films import film
from polyreel.client.documents import ErrorDocument
from polyreel.library.results import SearchResult
from polyreel.media.jpeg import encode_jpeg
from tiny_bundle import PALETTE

ADDRESS = "/api/v1/search/example"


def picture(colour: str) -> bytes:
    return encode_jpeg(videos.solid(PALETTE[colour])(0.0))


def png(width: int, height: int) -> bytes:
    """A black PNG, small as a file whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(b"\0" * (1 + 3 * width)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def send(client, data: bytes, name: str = "a.jpg", **parameters):
    return client.post(ADDRESS, files={"file": (name, data)}, params=parameters)


@pytest.mark.parametrize("colour", ["red", "green"])
def test_a_picture_finds_moments_like_it(client, colour):
    answer = send(client, picture(colour), top=1)
    assert SearchResult.model_validate_json(answer.content).hits[0].video in {
        f"{colour}.mp4",
        "talks/tricolour.mp4",
    }


def test_a_clip_finds_moments_like_it(client, tmp_path):
    data = film(tmp_path / "own.mp4", "yellow").read_bytes()
    answer = send(client, data, name="own.mp4", folder=".")
    assert SearchResult.model_validate_json(answer.content).hits[0].video == "yellow.mp4"


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 5_000,
        b"this is no picture",
        PLAYLIST,
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xff\xd8\xff" + b"\0" * 100,
        b"PK\x03\x04" + b"\0" * 100,
        png(2, 2)[:50],
    ],
    ids=["empty", "zeros", "text", "playlist", "concat", "svg", "cut jpeg", "zip", "cut png"],
)
def test_what_is_no_picture_is_refused(client, data):
    answer = send(client, data)
    assert answer.status_code == 422
    error = ErrorDocument.model_validate_json(answer.content).error
    assert error.kind in {"MediaError", "DecodeError"}
    assert error.item == "a.jpg"
    assert "/tmp" not in error.message


def test_a_bomb_does_not_go_off(client):
    data = png(20_000, 24_000)
    assert len(data) < 8_000_000
    answer = send(client, data, name="bomb.png")
    assert answer.status_code == 422
    assert client.get("/api/v1/search?q=red").status_code == 200


def test_a_very_wide_picture_is_only_wide(client):
    assert send(client, png(60_000, 4), name="wide.png").status_code in {200, 422}


def test_a_form_without_a_file_is_refused(client):
    for sent in (
        {"data": {"x": "y"}},
        {"json": {}},
        {"content": b"x"},
        {"files": {"other": ("a.jpg", b"x")}},
    ):
        answer = client.post(ADDRESS, **sent)
        assert answer.status_code == 400, sent
        assert ErrorDocument.model_validate_json(answer.content).error.kind == "RequestError"
    broken = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post(ADDRESS, content=b"--y\r\n", headers=broken).status_code == 400
    assert (
        client.post(ADDRESS, content=b"", headers={"content-type": "multipart/form-data"}).status_code == 400
    )


def test_a_file_beyond_the_limit_is_refused(library_folder):
    with serving(library_folder, max_upload_bytes=20_000) as client:
        answer = send(client, b"\xff\xd8\xff" + b"\0" * 200_000)
        assert answer.status_code == 413
        assert send(client, picture("red")).status_code == 200


def test_on_the_page_an_example_gets_an_address(client):
    token = re.search(r'name="form" value="([^"]+)"', client.get("/").text)[1]
    files = {"file": ("red.jpg", picture("red"), "image/jpeg")}
    answer = client.post("/example", data={"form": token}, files=files)
    assert answer.status_code == 303
    page = client.get(answer.headers["location"]).text
    assert 'src="data:image/jpeg;base64,' in page
    assert "red.mp4" in page
    assert 'class="detected"' not in page
    video = re.search(r'href="(/videos/[^"]+)"', page)[1].replace("&amp;", "&")
    assert client.get(video).status_code == 200
    refused = client.post("/example", data={"form": token}, files={"file": ("x.txt", b"x", "text/plain")})
    assert refused.status_code == 422
    assert "cannot be searched with" in refused.text
