"""What goes wrong under a running server, and what goes on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from servers import load_bundle, serving, wait_for
from starlette.testclient import TestClient
from test_examples import picture

from disks import small_disk
from films import film, index_films
from polyreel.client.documents import ErrorDocument
from polyreel.encoders.runtime import Bundle
from polyreel.errors import LibraryError
from polyreel.library.index.progress_file import ProgressFile, read_progress
from polyreel.library.index.run_record import RunProblem, RunRecord, write_run_record
from polyreel.library.search.search import Library
from polyreel.server import search_batcher
from polyreel.server.app import create_app
from polyreel.server.settings import ServerSettings

API = "/api/v1"


def kind_of(answer) -> str:
    return ErrorDocument.model_validate_json(answer.content).error.kind


def test_a_library_that_is_deleted_says_so_and_comes_back(own_library, tmp_path):
    with serving(own_library) as client:
        own_library.rename(tmp_path / "elsewhere")
        gone = wait_for(lambda: (answer := client.get(f"{API}/search?q=red")).status_code == 503 and answer)
        assert kind_of(gone) == "LibraryError"
        assert client.get(f"{API}/ready").status_code == 503
        assert client.get(f"{API}/health").json() == {
            **client.get(f"{API}/health").json(),
            "status": "failing",
            "problem": "no library is here",
        }
        for path in ("/", "/?q=red", "/library", "/model", "/videos/x"):
            page = client.get(path)
            assert page.status_code == 503, path
            assert "The library cannot be read now" in page.text
        (tmp_path / "elsewhere").rename(own_library)
        wait_for(lambda: client.get(f"{API}/search?q=red").status_code == 200)


def test_a_server_without_a_library_does_not_start(tmp_path):
    with pytest.raises(LibraryError, match="no library is here"):
        create_app(ServerSettings(library=tmp_path), load_bundle)


def test_a_model_that_loses_a_part_says_so(own_library, tmp_path, tiny_bundle):
    copy = Path(shutil.copytree(tiny_bundle.folder, tmp_path / "tiny"))
    state = json.loads((own_library / "library.json").read_text())
    state["generations"]["1"]["location"] = str(copy)
    (own_library / "library.json").write_text(json.dumps(state))
    with serving(own_library) as client:
        (copy / "frames.onnx").unlink()
        answer = client.post(f"{API}/search/example", files={"file": ("a.jpg", picture("red"))})
        assert (answer.status_code, kind_of(answer)) == (503, "BundleError")
        assert client.get(f"{API}/search?q=red").status_code == 200


def best_green(client) -> str:
    answer = client.get(f"{API}/search?q=green&top=1&mode=visual")
    assert answer.status_code == 200, answer.text
    return answer.json()["hits"][0]["video"]


def test_a_new_commit_shows_without_restart_and_searches_go_on(own_library, tiny_bundle):
    stop, failures = [], []

    def ask(client) -> int:
        count = 0
        while not stop:
            answer = client.get(f"{API}/search?q=green")
            count += 1
            if answer.status_code != 200:
                failures.append(answer.text)
            time.sleep(0.01)  # the run between is to have its turn
        return count

    with serving(own_library) as client, ThreadPoolExecutor(2) as crew:
        asking = [crew.submit(ask, client) for _ in range(2)]
        try:
            before = client.get(f"{API}/health").json()["commit"]
            film(own_library.parent / "videos" / "green.mp4", "green")
            index_films(own_library.parent / "videos", own_library, tiny_bundle, commit_every_s=0)
            wait_for(lambda: best_green(client) == "green.mp4")
            assert client.get(f"{API}/health").json()["commit"] > before
        finally:
            stop.append(True)
        assert failures == []
        assert all(each.result() > 0 for each in asking)


def test_a_new_commit_does_not_wait_for_the_first_calibration(own_library, tiny_bundle, monkeypatch):
    calibrating, done = threading.Event(), threading.Event()

    def slow(library) -> None:  # as on a new library, whose background queries are not encoded yet
        calibrating.set()
        done.wait(20)

    monkeypatch.setattr(Library, "calibrate", slow)
    with TestClient(create_app(ServerSettings(library=own_library), load_bundle)) as client:
        client.base_url = "http://127.0.0.1"
        try:
            assert calibrating.wait(10)
            film(own_library.parent / "videos" / "green.mp4", "green")
            index_films(own_library.parent / "videos", own_library, tiny_bundle)
            wait_for(lambda: best_green(client) == "green.mp4", seconds=5)
        finally:
            done.set()


@pytest.mark.parametrize(("took_s", "pause_s"), [(0.0, 1.0), (0.2, 2.0), (11.0, 3.0), (600.0, 3.0)])
def test_the_pause_between_two_looks_is_bounded(took_s, pause_s):
    assert search_batcher._pause_s(took_s, search_batcher._MAX_REFRESH_PAUSE_S) == pause_s


def test_a_move_to_another_bundle_is_followed(own_library, tmp_path, other_bundle):
    with serving(own_library) as client:
        assert client.get(f"{API}/bundle").json()["name"] == "tiny"
        moved = tmp_path / "moved"
        index_films(own_library.parent / "videos", moved, other_bundle)
        state = json.loads((moved / "library.json").read_text())
        state["commit"] += 100
        (moved / "library.json").write_text(json.dumps(state))
        own_library.rename(tmp_path / "old")
        moved.rename(own_library)
        wait_for(lambda: client.get(f"{API}/bundle").json().get("name") == "other")
        assert client.get(f"{API}/search?q=red").json()["bundle"] == "other"


def test_progress_of_a_run_elsewhere_shows(own_library):
    with serving(own_library) as client:
        shown = ProgressFile(own_library)
        from polyreel.library.index.events import Planned, Progressed, Settled

        shown.take(Planned(4, 1_000))
        shown._written_at = 0.0
        shown.take(Progressed(250.0))
        shown._written_at = 0.0
        shown.take(Settled(own_library.parent / "videos" / "red.mp4", None))
        document = client.get(f"{API}/index").json()
        assert document == {
            "running": True,
            "files": 4,
            "files_done": 1,
            "failed": 0,
            "share": 0.25,
            "current": "red.mp4",
            "stage": "pictures",
            "left_s": None,
        }
        answer = client.get("/library/progress?was=pictures")
        assert "1 of 4 files" in answer.text
        assert "was=pictures" in answer.text
        assert "hx-refresh" not in answer.headers
        shown.remove()
        # The run has ended: whatever else the page says is to be said anew.
        answer = client.get("/library/progress?was=pictures")
        assert answer.headers["hx-refresh"] == "true"
        assert "The last run ended on" in answer.text
        assert "1 new video" in answer.text
        assert "hx-refresh" not in client.get("/library/progress?was=").headers
        assert client.get(f"{API}/index").json()["running"] is False


def test_a_run_that_was_killed_half_way_is_told_from_one_that_runs(own_library):
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    shown = ProgressFile(own_library)
    shown._now = shown._now.model_copy(update={"pid": int(dead.stdout)})
    from polyreel.library.index.events import Planned

    shown.take(Planned(4, 1_000))
    assert read_progress(own_library).is_running is False
    with serving(own_library) as client:
        assert client.get(f"{API}/index").json()["running"] is False
        assert "was stopped before its end" in client.get("/library").text
        assert client.get(f"{API}/search?q=red").status_code == 200


def test_the_time_that_is_left_is_said_once_it_can_be_told(own_library):
    began = datetime.now(UTC) - timedelta(minutes=5)
    shown = ProgressFile(own_library)
    told = {"files": 9, "files_done": 3, "size_bytes": 1_000, "started_at": began}
    with serving(own_library) as client:
        for done, text in ((0.0, ""), (500.0, "About 5 minutes left.")):
            shown._now = shown._now.model_copy(update={**told, "size_done_bytes": done})
            shown.write()
            found = re.search(r"About [^<]* left[.]", client.get("/library").text)
            assert (found[0] if found else "") == text


def test_what_the_last_run_could_not_open_is_listed_with_its_remedy(own_library):
    write_run_record(
        own_library,
        RunRecord(
            ended_at=datetime.now(UTC),
            failed=1,
            problems=(
                RunProblem(
                    path=str(own_library.parent / "videos" / "locked"),
                    message=f"the folder cannot be read: {own_library.parent}/videos/locked.",
                ),
            ),
        ),
    )
    with serving(own_library) as client:
        text = client.get("/library").text
    assert "1 file or folder could not be read" in text
    assert re.search(r"<h3>locked ", text)
    assert "The folder could not be opened." in text
    assert "Check its permissions and its drive" in text
    assert str(own_library.parent / "videos") not in text


def test_progress_that_is_no_progress_is_none(own_library):
    (own_library / "progress.json").write_text("{")
    assert read_progress(own_library) is None
    assert read_progress(own_library / "nowhere") is None


def test_a_folder_can_be_indexed_from_outside_if_it_is_allowed(own_library, tmp_path):
    allowed = tmp_path / "videos"
    secret = tmp_path / "secret"
    secret.mkdir()
    film(allowed / "new" / "blue.mp4", "blue")
    (allowed / "way-out").symlink_to(secret)
    with serving(own_library, roots=(allowed,)) as client:
        for folder in (
            secret,
            allowed / ".." / "secret",
            allowed / "way-out",
            "/",
            "relative",
            "a\0b",
            "x" * 4_000,
        ):
            answer = client.post(f"{API}/index", json={"folder": str(folder)})
            assert answer.status_code in {400, 403}, folder
        assert client.post(f"{API}/index", json={"folder": str(allowed / "nothing")}).status_code == 400
        assert client.post(f"{API}/index", json={"folder": ""}).status_code == 422
        assert client.post(f"{API}/index", content=b"{").status_code == 422
        answer = client.post(f"{API}/index", json={"folder": str(allowed)})
        assert (answer.status_code, answer.json()["running"]) == (202, True)
        assert kind_of(client.post(f"{API}/index", json={"folder": str(allowed)})) == "LibraryBusyError"
        assert "Indexing is under way" in client.get("/library").text
        wait_for(lambda: client.get(f"{API}/library").json()["videos"] == 2, seconds=60)
        wait_for(lambda: not client.app.state.server.indexer.is_running, seconds=60)
        text = client.get("/library").text
        assert "blue.mp4" in text
        assert "The last run ended on" in text
        assert "1 file left as it was" in text


def test_a_run_is_stopped_from_the_page_that_began_it(own_library, tmp_path):
    with serving(own_library, roots=(tmp_path / "videos",)) as client:
        page = client.get("/library").text
        form = re.search(r'name="form" value="([^"]+)"', page)[1]
        assert "Stop indexing" not in page
        assert client.post("/library/index/stop", data={"form": "another's"}).status_code == 403
        for folder, why in ((tmp_path, "may not be indexed"), (tmp_path / "videos/no", "no such folder")):
            refused = client.post("/library/index", data={"form": form, "folder": str(folder)})
            assert re.search(f"<details open>.*{why}", refused.text)  # its headline says too little
        client.post("/library/index", data={"form": form, "folder": str(tmp_path / "videos")})
        page = client.get("/library").text
        assert "Indexing is under way" in page
        assert "Stop indexing" in page
        answer = client.post("/library/index/stop", data={"form": form})
        assert (answer.status_code, answer.headers["location"]) == (303, "/library#indexing")
        page = client.get("/library").text
        assert "Index this folder" in page
        assert "The last run failed" not in page


def test_without_roots_nothing_is_indexed(client):
    answer = client.post(f"{API}/index", json={"folder": "/"})
    assert (answer.status_code, kind_of(answer)) == (403, "ForbiddenError")
    assert "--root" in answer.text


def test_a_full_disk_does_not_stop_searching(tmp_path, tiny_bundle):
    with small_disk(tmp_path / "disk", size_bytes=4 << 20) as disk:
        film(tmp_path / "videos" / "red.mp4", "red")
        index_films(tmp_path / "videos", disk / "library", tiny_bundle)
        shutil.rmtree(disk / "library" / "cache")
        with contextlib.suppress(OSError), (disk / "filler").open("wb") as file:
            while True:
                file.write(b"\0" * 65_536)
        with serving(disk / "library") as client:
            assert client.get(f"{API}/search?q=red").json()["hits"][0]["video"] == "red.mp4"


def test_many_wait_in_line_and_the_rest_is_refused(library_folder, monkeypatch):
    from polyreel.server import search_batcher

    monkeypatch.setattr(search_batcher, "_WAITING", 4)

    class SlowBundle(Bundle):
        def encode_text(self, texts):
            if any(text.startswith("slow") for text in texts):
                time.sleep(0.3)
            return super().encode_text(texts)

    app = create_app(ServerSettings(library=library_folder), lambda location: SlowBundle(Path(location)))
    from starlette.testclient import TestClient

    with TestClient(
        app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000), raise_server_exceptions=False
    ) as client:
        with ThreadPoolExecutor(24) as crew:
            answers = list(crew.map(lambda n: client.get(f"{API}/search?q=slow{n}"), range(24)))
        statuses = {answer.status_code for answer in answers}
        assert statuses == {200, 503}
        assert {kind_of(answer) for answer in answers if answer.status_code == 503} == {"OverloadError"}
        assert client.get(f"{API}/search?q=red").status_code == 200


def test_the_server_works_where_nobody_may_write(own_library):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    for folder in (own_library, own_library / "cache"):
        folder.chmod(0o500)
    try:
        with serving(own_library) as client:
            assert client.get(f"{API}/search?q=red").status_code == 200
    finally:
        for folder in (own_library, own_library / "cache"):
            folder.chmod(0o700)


def test_a_model_that_cannot_be_run_is_one_message_at_the_start(own_library, tmp_path, tiny_bundle, capsys):
    from polyreel.cli.app import main

    copy = Path(shutil.copytree(tiny_bundle.folder, tmp_path / "tiny"))
    state = json.loads((own_library / "library.json").read_text())
    state["generations"]["1"]["location"] = str(copy)
    (own_library / "library.json").write_text(json.dumps(state))
    (copy / "text.onnx").unlink()
    assert main(["serve", "--library", str(own_library), "--port", "0"]) == 1
    said = capsys.readouterr().err
    assert "a part of the bundle is damaged" in said
    assert "Traceback" not in said
