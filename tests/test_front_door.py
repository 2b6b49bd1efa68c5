"""``import polyreel`` alone: what it costs, what it shows, and the way in to a library and a benchmark."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import polyreel
from films import film, subtitles
from polyreel.errors import UnknownNameError, UsageError
from polyreel.extras import install_extra

WITH_NAMES = ["client", "codeswitch", "datasets", "encoders", "errors", "losses", "metrics"]


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_costs_next_to_nothing():
    code = "import time; at = time.process_time(); import polyreel; print(time.process_time() - at)"
    assert min(float(run(code)) for _ in range(3)) <= 0.060


def test_nothing_is_sent_to_the_makers_of_onnx_runtime(tmp_path, monkeypatch):
    # Version 1.32 keeps what it will send, and a number of the machine, in the cache folder of the user.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    run("import polyreel, onnxruntime; onnxruntime.get_available_providers()")
    assert list(tmp_path.rglob("*onnxruntime*")) == []


def test_it_shows_its_names_before_any_is_imported():
    code = "import polyreel, sys; print(dir(polyreel), 'numpy' in sys.modules)"
    assert run(code) == f"{sorted(polyreel.__all__)} False"


def test_every_name_is_there_by_itself():
    """Each in a fork of an interpreter that has imported the package and nothing of it."""
    code = """
import os, polyreel

missing = []
for name in polyreel.__all__:
    if not os.fork():
        assert getattr(polyreel, name)
        exec(f"from polyreel import {name}")
        os._exit(0)  # what ends by an exception exits with 1
    if os.wait()[1]:
        missing.append(name)
print(missing)
"""
    assert run(code) == "[]"


@pytest.mark.parametrize("name", sorted(set(polyreel.__all__) - {"__version__"}))
def test_every_name_says_what_it_is(name):
    assert inspect.getdoc(getattr(polyreel, name))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: polyreel.open(3), r"a library's place must be text or a path \(3 \(int\)\)"),
        (lambda: polyreel.open(None), "must be text or a path"),
        (lambda: polyreel.index(None), "what to index must be"),
        (lambda: polyreel.index([]), "nothing to index.*Name a video"),
        (lambda: polyreel.index(""), "a path is empty.*say so"),
        (lambda: polyreel.index(["a", 3]), "a path must be text or a path"),
        (lambda: polyreel.index("a", 3), "the library's folder must be"),
        (lambda: polyreel.index("a", exclude=[3]), "a pattern of what to exclude must be text"),
        (lambda: polyreel.index("a", workers="x"), "the number of workers must be a whole number"),
        (lambda: polyreel.evaluate("small", 3), "a benchmark's name must be text"),
        (lambda: polyreel.evaluate("small", "dmeo"), "no benchmark has this name.*Did you mean 'demo'"),
        (lambda: polyreel.evaluate("small", "demo", data=3), "the folder of the data must be"),
        (lambda: polyreel.evaluate("small", "demo", seed="x"), "the seed must be a whole number"),
        (lambda: polyreel.evaluate("small", "demo", seed=-1), "the seed must not be negative"),
        (lambda: polyreel.evaluate("small", "demo", languages=3), "languages must be"),
    ],
)
def test_an_argument_of_another_type_is_refused_by_its_name(monkeypatch, call, message):
    monkeypatch.setattr(polyreel, "load_encoder", lambda _name: object())  # what is wrong comes first
    with pytest.raises(UsageError, match=message):
        call()


def test_another_name_is_no_attribute():
    with pytest.raises(AttributeError, match="'polyreel' has no attribute 'serach'"):
        polyreel.serach  # noqa: B018


def test_the_names_meant_for_people_are_few_and_documented():
    faces = {"": polyreel} | {name: getattr(__import__(f"polyreel.{name}"), name) for name in WITH_NAMES}
    public = {(face, name) for face, module in faces.items() for name in getattr(module, "__all__", ())}
    assert len(public) <= 120
    undocumented = [
        f"{face}.{name}"
        for face, name in sorted(public)
        if callable(found := getattr(faces[face], name)) and not inspect.getdoc(found)
    ]
    assert undocumented == []


@pytest.mark.parametrize(
    ("use", "absent", "extra"),
    [
        ("connect('http://127.0.0.1:1')", "httpx2", "serve"),
        ("losses", "torch", "train"),
        ("mteb_model('small')", "mteb", "mteb"),
    ],
)
def test_a_missing_extra_is_named(use, absent, extra):
    code = f"""
import sys
sys.modules["{absent}"] = None
import polyreel
from polyreel.errors import UsageError
try:
    polyreel.{use}
except UsageError as error:
    print(error)
"""
    said = run(code)
    assert f"not installed: {absent}" in said
    assert f"Install it with: {install_extra(extra)}" in said


def test_videos_are_indexed_and_found(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "flag.mp4", "red", "blue")
    videos, library = str(tmp_path / "videos"), str(tmp_path / "library")
    report = polyreel.index(videos, library, bundle=tiny_bundle.folder)
    assert (report.indexed, report.clips) == (1, 2)
    assert polyreel.index([videos], library).unchanged == 1  # with its own bundle
    with polyreel.open(library) as opened:
        assert [hit.start_s for hit in opened.search("blau", top=1).hits] == [2]


def test_a_line_beside_a_film_is_found_and_says_how_well_it_matches(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "flag.mp4", "red", "blue")
    subtitles(tmp_path / "videos" / "flag.en.srt", (2, 3, "the dog runs home"))
    polyreel.index(tmp_path / "videos", tmp_path / "library", bundle=tiny_bundle.folder, workers=1)
    with polyreel.open(tmp_path / "library") as opened:
        hit = opened.search("dog runs", top=1).hits[0]
    assert (hit.start_s, hit.evidence.subtitle.text) == (2, "the dog runs home")
    assert hit.strength is not None
    assert hit.grade is not None


def test_without_a_name_it_is_the_library_of_the_command_line(tmp_path, tiny_bundle, monkeypatch):
    film(tmp_path / "videos" / "red.mp4", "red")
    monkeypatch.setenv("POLYREEL_LIBRARY", str(tmp_path / "own"))
    polyreel.index(tmp_path / "videos", bundle=tiny_bundle.folder, workers=1)
    assert (tmp_path / "own" / "library.json").is_file()


def test_indexing_tells_how_far_it_is(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "red.mp4", "red")
    events = []
    polyreel.index(tmp_path / "videos", tmp_path / "own", bundle=tiny_bundle.folder, on_event=events.append)
    assert type(events[0]).__name__ == "Planned"


def test_an_encoder_is_loaded_by_name_or_from_its_folder(tiny_bundle):
    assert polyreel.load_encoder(tiny_bundle.folder).card.name == "tiny"
    with pytest.raises(UnknownNameError, match=r"'smal'.*small"):
        polyreel.load_encoder("smal")


def test_an_encoder_is_measured_by_name_and_as_an_object(tmp_path, tiny_bundle):
    film(tmp_path / "red.mp4", "red")
    film(tmp_path / "blue.mp4", "blue")
    lines = [{"id": name, "media": f"{name}.mp4", "caption": {"en": name}} for name in ("red", "blue")]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    for encoder in (tiny_bundle, str(tiny_bundle.folder)):
        result = polyreel.evaluate(encoder, "folder", data=str(tmp_path), languages=["en"])
        assert result.languages["en"].metrics["r@1"].value == 100
    with pytest.raises(UnknownNameError, match="folder"):
        polyreel.evaluate(tiny_bundle, "foldr")
    with pytest.raises(UsageError):
        polyreel.index(tmp_path / "nowhere", tmp_path / "library", bundle=tiny_bundle.folder)
