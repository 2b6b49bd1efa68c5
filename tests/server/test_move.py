"""A library is moved to another bundle from its page, with nothing but a form, while it is searched."""

from __future__ import annotations

import re
import shutil

import pytest
from servers import serving, wait_for

from polyreel.library.index.progress_file import ProgressFile
from polyreel.library.store.state import read_state
from polyreel.library.store.store import MOVE_FILE
from tiny_bundle import write_tiny_bundle

FORM = re.compile(r'name="form" value="([^"]+)"')


@pytest.fixture
def two_bundles(tmp_path, monkeypatch):
    """A cache in which one more bundle is installed."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    write_tiny_bundle(tmp_path / "cache" / "bundles" / "wide", name="wide", spare=1)


def post(client, bundle: str):
    seal = FORM.search(client.get("/library").text)[1]
    return client.post("/library/bundle", data={"form": seal, "bundle": bundle})


def searched_with(client) -> str:
    return client.get("/api/v1/search", params={"q": "red"}).json()["bundle"]


@pytest.mark.usefixtures("two_bundles")
def test_a_button_moves_the_library(own_library, tmp_path):
    with serving(own_library, roots=(tmp_path,)) as client:
        page = client.get("/library").text
        assert "Searches use tiny." in page
        assert '<option value="wide">' in page
        old = client.get("/", params={"q": "red"})
        answer = post(client, "wide")
        assert (answer.status_code, answer.headers["location"]) == (303, "/library#model")
        wait_for(lambda: read_state(own_library).generation.bundle == "wide", seconds=60)
        wait_for(
            lambda: client.get("/api/v1/search", params={"q": "red"}).json()["bundle"] == "wide", seconds=60
        )
        assert "Searches use wide." in client.get("/library").text
        assert (old.status_code, client.get("/", params={"q": "red"}).status_code) == (200, 200)


@pytest.mark.usefixtures("two_bundles")
def test_a_button_pauses_the_move_which_then_goes_on(own_library, tmp_path):
    with serving(own_library, roots=(tmp_path,)) as client:
        assert "Pause the move" not in client.get("/library").text
        post(client, "wide")
        page = client.get("/library").text
        assert "Pause the move" in page
        assert "Move to this model" not in page
        assert client.post("/library/bundle/pause", data={"form": "x"}).status_code == 403
        answer = client.post("/library/bundle/pause", data={"form": FORM.search(page)[1]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/library#indexing")
        page = client.get("/library").text
        assert "Move to this model" in page
        assert "The move failed" not in page
        assert searched_with(client) == "tiny"
        post(client, "wide")
        wait_for(lambda: searched_with(client) == "wide", seconds=60)


@pytest.mark.usefixtures("two_bundles")
def test_an_example_of_the_old_bundle_is_not_searched_with_by_the_new_one(own_library, tmp_path):
    picture = next((own_library / "thumbs").rglob("*.jpg"))
    with serving(own_library, roots=(tmp_path,)) as client:
        seal = FORM.search(client.get("/").text)[1]
        files = {"file": ("red.jpg", picture.read_bytes(), "image/jpeg")}
        address = client.post("/example", data={"form": seal}, files=files).headers["location"]
        assert client.get(address).status_code == 200
        post(client, "wide")
        wait_for(
            lambda: client.get("/api/v1/search", params={"q": "red"}).json()["bundle"] == "wide", seconds=60
        )
        assert client.get(address).status_code == 503


@pytest.mark.usefixtures("two_bundles")
def test_the_model_in_use_is_none_to_move_to_unless_it_was_made_anew(own_library, tmp_path):
    bundles = tmp_path / "cache" / "bundles"
    write_tiny_bundle(bundles / "tiny")
    with serving(own_library, roots=(tmp_path,)) as client:
        page = client.get("/library").text
        assert '<option value="wide">' in page
        assert '<option value="tiny"' not in page
        answer = post(client, "tiny")
        assert answer.status_code == 400
        assert "the library uses this model already" in answer.text
        shutil.rmtree(bundles / "wide")
        page = client.get("/library").text
        assert "Move to this model" not in page
        assert "polyreel bundles set NAME" in page
        shutil.rmtree(bundles / "tiny")
        write_tiny_bundle(bundles / "tiny", spare=1)
        assert '<option value="tiny">' in client.get("/library").text


@pytest.mark.usefixtures("two_bundles")
def test_what_cannot_be_moved_to_is_refused(own_library, tmp_path):
    with serving(own_library, roots=(tmp_path,)) as client:
        assert post(client, str(tmp_path / "cache" / "bundles" / "wide")).status_code == 400
        assert post(client, "").status_code == 400
        assert client.post("/library/bundle", data={"bundle": "wide"}).status_code == 403
        progress = ProgressFile(own_library, MOVE_FILE, bundle="wide")
        progress.write()
        assert "Moving to wide: 0 of 0 files." in client.get("/library").text
        assert post(client, "wide").status_code == 409
        gone = own_library / MOVE_FILE
        gone.write_text(re.sub(r'"pid":\s*\d+', '"pid":999999999', gone.read_text()))
        page = client.get("/library").text
        assert "The move to wide was stopped. What it had done is kept; start it again" in page
        assert '<option value="wide" selected>' in page
    with serving(own_library) as client:
        assert "polyreel bundles set NAME" in client.get("/library").text
        assert post(client, "wide").status_code == 403
