"""``polyreel data build how2`` and what it says."""

import json
from pathlib import Path

import pytest

from films import film, subtitles
from polyreel.cli.app import main
from polyreel.datasets.store.table import open_table


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["data", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def films(tmp_path) -> Path:
    film(tmp_path / "films" / "pan.mp4", "red", "blue")
    subtitles(tmp_path / "films" / "pan.en.srt", (0.0, 2.0, "we cut the onion"), (2.0, 4.0, "and fry it"))
    subtitles(tmp_path / "films" / "pan.de.srt", (0.0, 4.0, "wir schneiden die Zwiebel und braten sie"))
    return tmp_path / "films"


def test_videos_become_a_table_that_checks(tmp_path, films, capsys):
    code, out, _ = run(capsys, "build", "how2", "--videos", films, "--out", tmp_path / "out", "--json")
    assert code == 0
    built = json.loads(out)
    assert (built["clips"], built["captions"]) == ({"train": 1}, {"train": {"de": 1, "en": 1}})
    assert built["build"] == json.loads((tmp_path / "out" / "build.json").read_text(encoding="utf-8"))
    record = open_table(tmp_path / "out").record(0)
    assert (record.clip.start_s, record.clip.end_s, record.clip.video) == (0.0, 4.0, "pan")
    assert record.media.path == films / "pan.mp4"
    assert [c.text for c in record.captions] == [
        "we cut the onion and fry it",
        "wir schneiden die Zwiebel und braten sie",
    ]
    code, out, _ = run(capsys, "check", tmp_path / "out")
    assert (code, "Nothing is broken." in out) == (0, True)


def test_a_second_run_says_what_was_finished(tmp_path, films, capsys):
    for _ in range(2):
        code, out, _ = run(
            capsys,
            "build",
            "how2",
            "--videos",
            films / "pan.mp4",
            "--languages",
            "en,de",
            "--out",
            tmp_path / "o",
        )
    assert code == 0
    assert "1 videos were finished by an earlier run." in out


def test_real_captions_with_a_video_among_them(tmp_path, films, shared_data, capsys):
    known = films / "Cz4Q4QOuoo8.mp4"
    (films / "pan.mp4").rename(known)
    captions, out_folder = shared_data / "timed-captions", tmp_path / "out"
    code, out, _ = run(
        capsys, "build", "how2", "--captions", captions, "--videos", known, "--out", out_folder
    )
    assert code == 0
    assert "Dropped: 54 lines in cs, is in another language." in out
    table = open_table(out_folder)
    with_media = {table.clip(index).video for index in range(len(table)) if table.media(index) is not None}
    assert with_media == {"Cz4Q4QOuoo8"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["how2"], "there is nothing to build from"),
        (["how2", "--videos", "nowhere.mp4"], "neither a video file nor a platform's id: nowhere.mp4"),
        (["how2", "--captions", "nowhere"], "there are no captions"),
        (["how2", "--videos", "x", "--languages", "klingon"], "not a language: 'klingon'"),
        (["how2", "--videos", "x", "--translator", "nowhere"], "no translation model is there"),
        (["how2", "--videos", "x", "--recogniser", "nowhere"], "no speech model is there"),
        (["how2", "--videos", "Cz4Q4QOuoo8"], "downloading is off: Cz4Q4QOuoo8"),
        (["stamps", "--videos", "x", "--download"], "for how2 only: stamps (--videos, --download)"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path, monkeypatch, arguments, said, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "build", *arguments, "--out", "out")
    assert code in {1, 2}
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "manifest.json").exists()
