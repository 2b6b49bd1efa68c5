"""Finding videos in folders, whatever people keep in theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from polyreel.errors import UsageError
from polyreel.library.index.ignoring import IGNORE_FILE, SERVICE_FOLDERS
from polyreel.library.index.scan import VIDEO_SUFFIXES, scan


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(*roots: Path) -> list[str]:
    return [video.path.name for video in scan(roots).videos]


def test_videos_are_found_at_any_depth_in_order_of_path(tmp_path):
    made = [touch(tmp_path / name) for name in ("b.mp4", "a/z.mkv", "a/b/c/d.webm", "c.MOV")]
    assert [video.path for video in scan([tmp_path]).videos] == sorted(made)


def test_what_tells_a_changed_file_is_noted(tmp_path):
    path = touch(tmp_path / "a.mp4", b"12345")
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    (video,) = scan([tmp_path]).videos
    assert (video.size_bytes, video.version.mtime_ns, video.sidecars) == (5, 1_234_567_890_123_456_789, "")


def test_only_names_of_videos_are_taken_from_a_folder(tmp_path):
    for suffix in [*VIDEO_SUFFIXES, ".jpg", ".srt", ".mp3", ".mp4.part", "", ".py"]:
        touch(tmp_path / f"file{suffix}", b"\0")
    assert sorted(names(tmp_path)) == sorted(f"file{suffix}" for suffix in VIDEO_SUFFIXES)


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    for name in (".hidden.mp4", ".Trash/a.mp4", "b/.cache/c.mp4", "._d.mp4", "seen.mp4"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["seen.mp4"]


def test_a_file_that_is_named_is_taken_whatever_its_name(tmp_path):
    assert names(touch(tmp_path / ".strange.bin")) == [".strange.bin"]


def test_a_path_that_is_given_twice_counts_once(tmp_path):
    path = touch(tmp_path / "a" / "film.mp4")
    assert names(tmp_path, path, tmp_path / "a", tmp_path / "a" / ".." / "a") == ["film.mp4"]


def test_relative_paths_become_absolute(tmp_path, monkeypatch):
    touch(tmp_path / "film.mp4")
    monkeypatch.chdir(tmp_path)
    assert scan([Path()]).videos[0].path == tmp_path / "film.mp4"


def test_the_home_folder_can_be_named_by_a_tilde(tmp_path, monkeypatch):
    touch(tmp_path / "Videos" / "film.mp4")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names(Path("~/Videos")) == ["film.mp4"]


@pytest.mark.parametrize("path", ["missing", "~nobody-of-this-name/videos", "a/" * 200])
def test_a_path_that_does_not_exist_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "film.mp4")
    with pytest.raises(UsageError, match=r"no such file or folder.*that its drive is mounted"):
        scan([tmp_path, Path(path)])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "dangling",
            "a symbolic link leads nowhere: {}/dangling (to gone). Check that the drive it leads to",
        ),
        ("loop", "symbolic links lead back to themselves: {}/loop. Name the folder"),
        ("film.mp4/inside", "a file has nothing within it: {0}/film.mp4/inside ({0}/film.mp4 is a file)."),
        ("x" * 300, f"no path is as long as this: {{}}/{'x' * 300}. Check it."),
    ],
)
def test_what_is_wrong_with_a_path_is_said(tmp_path, path, said):
    touch(tmp_path / "film.mp4")
    (tmp_path / "dangling").symlink_to("gone")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UsageError) as caught:
        scan([tmp_path / path])
    assert str(caught.value).startswith(said.format(tmp_path))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(13, "Permission denied"),
            "permission to look at this: {}/a.mp4 (Permission denied).",
        ),
        (
            OSError(5, "Input/output error"),
            "this cannot be looked at: {}/a.mp4 (Input/output error). Check that",
        ),
    ],
)
def test_a_path_that_the_system_refuses_is_not_said_to_be_missing(tmp_path, monkeypatch, error, said):
    touch(tmp_path / "closed" / "a.mp4")
    enters, look = os.access, Path.stat  # tests run as root, whom no permission stops
    monkeypatch.setattr(os, "access", lambda path, how: Path(path).name != "closed" and enters(path, how))

    def refuse(path, **how):
        if path.name == "a.mp4":
            raise error
        return look(path, **how)

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(UsageError) as caught:
        scan([tmp_path / "closed" / "a.mp4"])
    assert said.format(tmp_path / "closed") in str(caught.value)
    if isinstance(error, PermissionError):
        assert str(caught.value).endswith(f"Check who may enter {tmp_path / 'closed'}.")


def test_an_address_is_refused_but_a_folder_of_such_a_name_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"addresses of this kind are not read: https://a/films.*Mount"):
        scan([Path("https://a/films")])
    with pytest.raises(UsageError, match=r"a user or a password is not taken: s3://…@bucket\."):
        scan([Path("s3://me:secret@bucket/films")])
    with pytest.raises(UsageError, match=r"no address in a bucket: s3://bucket/films/\.\."):
        scan([Path("s3://bucket/films/../other")])
    film = touch(tmp_path / "s3:" / "bucket" / "films" / "a.mp4")
    assert [video.path for video in scan([Path("s3://bucket/films")]).videos] == [film]


def test_links_inside_a_folder_are_counted_and_not_followed(tmp_path):
    outside = touch(tmp_path / "outside" / "secret.mp4")
    inside = tmp_path / "inside"
    touch(inside / "film.mp4")
    (inside / "link.mp4").symlink_to(outside)
    (inside / "linked folder").symlink_to(outside.parent)
    (inside / "dangling.mp4").symlink_to(tmp_path / "nothing")
    found = scan([inside])
    assert [video.path.name for video in found.videos] == ["film.mp4"]
    assert (found.links, found.problems) == (3, [])


def test_a_ring_of_links_ends(tmp_path):
    touch(tmp_path / "a" / "film.mp4")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.mp4").symlink_to(tmp_path / "self.mp4")
    assert names(tmp_path) == ["film.mp4"]
    with pytest.raises(UsageError, match="lead back to themselves"):
        scan([tmp_path / "self.mp4"])


def test_links_that_are_named_are_followed(tmp_path):
    film = touch(tmp_path / "real" / "film.mp4")
    (tmp_path / "folder").symlink_to(film.parent)
    (tmp_path / "film.mp4").symlink_to(film)
    assert names(tmp_path / "folder") == ["film.mp4"]
    assert scan([tmp_path / "film.mp4"]).videos[0].size_bytes == 1


def test_files_that_were_taken_before_are_found_where_nobody_looks_for_videos(tmp_path):
    places = ["film.dat", ".hidden.mp4", ".cache/film.dat", "@eaDir/film.mp4", "linked/film.mp4", "link.mp4"]
    known = [str(tmp_path / place) for place in places]
    (tmp_path / "linked").symlink_to(touch(tmp_path / ".away" / "film.mp4").parent)
    (tmp_path / "link.mp4").symlink_to(tmp_path / ".away" / "film.mp4")
    for place in known[:4]:
        touch(Path(place))
        touch(Path(place).with_name("other.dat"))
    (tmp_path / ".cache" / "loop").symlink_to(tmp_path)
    found = scan([tmp_path], known=[*known, str(tmp_path / "gone.dat")])
    assert ([str(video.path) for video in found.videos], found.links) == (sorted(known), 0)
    left = scan([tmp_path], known=known, exclude=["*.dat", "/.hidden.mp4", "link*"]).videos
    assert [str(video.path) for video in left] == [str(tmp_path / "@eaDir" / "film.mp4")]


def test_what_is_no_regular_file_is_reported_and_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    found = scan([tmp_path])
    assert found.videos == []
    (problem,) = map(str, found.problems)
    assert problem.startswith(f"not a regular file: {tmp_path / 'pipe.mp4'} (a pipe). Write what it gives")
    assert len(scan([tmp_path / "pipe.mp4"]).problems) == 1


@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"caf\xe9/film.mp4"])
def test_a_name_that_is_not_utf8_is_one_clear_problem(tmp_path, name):
    touch(tmp_path / "fine.mp4")
    touch(Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))))  # noqa: PTH118  bytes
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["fine.mp4"]
    (problem,) = map(str, found.problems)
    assert problem.startswith("the file name is not valid UTF-8")
    assert "caf�" in problem
    assert problem.endswith("Rename it.")
    problem.encode()


def test_names_in_any_script_are_names(tmp_path):
    made = [touch(tmp_path / "视频" / "🎬 фильм ‏فيلم.mp4"), touch(tmp_path / "new\nline.mp4")]
    assert sorted(video.path for video in scan([tmp_path]).videos) == sorted(made)


def test_a_folder_that_cannot_be_listed_is_reported_and_remembered(tmp_path, monkeypatch):
    touch(tmp_path / "open" / "a.mp4")
    touch(tmp_path / "locked" / "b.mp4")
    list_folder = os.scandir  # tests run as root, whom no permission stops

    def refuse(folder):
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["a.mp4"]
    assert found.unseen == [tmp_path / "locked"]
    (problem,) = map(str, found.problems)
    assert "the folder cannot be read" in problem
    assert "locked (Permission denied)" in problem


def test_a_file_that_goes_during_the_walk_is_reported(tmp_path, monkeypatch):
    touch(tmp_path / "a.mp4")
    vanishing = touch(tmp_path / "b.mp4")
    look = Path.lstat

    def gone(path):
        if path == vanishing:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return look(path)

    monkeypatch.setattr(Path, "lstat", gone)
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["a.mp4"]
    assert "the file cannot be looked at" in str(found.problems[0])


def test_subtitle_files_leave_a_signature_that_changes_with_them(tmp_path):
    touch(tmp_path / "film.mp4")
    other = touch(tmp_path / "other.mp4")
    signatures = []
    for change in (
        lambda: None,
        lambda: touch(tmp_path / "film.en.srt", b"1"),
        lambda: touch(tmp_path / "film.en.srt", b"12"),
        lambda: os.utime(tmp_path / "film.en.srt", ns=(5, 5)),
        lambda: touch(tmp_path / "film.vtt"),
        lambda: (tmp_path / "film.en.srt").rename(tmp_path / "film.de.srt"),
    ):
        change()
        found = {video.path: video.sidecars for video in scan([tmp_path]).videos}
        assert found[other] == ""
        signatures.append(found[tmp_path / "film.mp4"])
    assert len(set(signatures)) == len(signatures)


# What owners and other programs keep beside videos


@pytest.mark.parametrize("folder", sorted(SERVICE_FOLDERS))
def test_folders_of_other_programs_are_passed_over(tmp_path, folder):
    touch(tmp_path / "year" / folder / "thumbnail.mp4")
    touch(tmp_path / "year" / "film.mp4")
    assert names(tmp_path) == ["film.mp4"]


def test_patterns_exclude_as_in_a_gitignore(tmp_path):
    for name in ("film.mp4", "raw/a.mp4", "raw/keep.mp4", "b/raw/c.mp4", "b/proxy_d.mp4", "b/proxy/e.mp4"):
        touch(tmp_path / name)
    found = scan([tmp_path], exclude=["/raw/*", "!/raw/keep.mp4", "proxy_*"])
    assert [str(video.path.relative_to(tmp_path)) for video in found.videos] == [
        "b/proxy/e.mp4",
        "b/raw/c.mp4",
        "film.mp4",
        "raw/keep.mp4",
    ]
    assert sorted(found.excluded) == [tmp_path / "b" / "proxy_d.mp4", tmp_path / "raw" / "a.mp4"]


def test_a_file_of_patterns_holds_for_its_folder_and_below(tmp_path):
    for name in ("a/x.mp4", "a/b/x.mp4", "a/b/y.mp4", "x.mp4"):
        touch(tmp_path / name)
    touch(tmp_path / "a" / IGNORE_FILE, b"# not these\nx.mp4\n")
    touch(tmp_path / "a" / "b" / IGNORE_FILE, b"!x.mp4\n")
    found = [str(video.path.relative_to(tmp_path)) for video in scan([tmp_path]).videos]
    assert found == ["a/b/x.mp4", "a/b/y.mp4", "x.mp4"]


def test_a_pipe_in_place_of_a_file_of_patterns_is_said_and_not_waited_for(tmp_path):
    touch(tmp_path / "film.mp4")
    os.mkfifo(tmp_path / IGNORE_FILE)
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["film.mp4"]
    assert [str(problem) for problem in found.problems] == [
        f"the file cannot be read: {tmp_path / IGNORE_FILE} (Not a regular file)."
    ]


def test_a_pattern_that_means_nothing_is_said(tmp_path):
    touch(tmp_path / "film.mp4")
    touch(tmp_path / IGNORE_FILE, b"!\n")
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["film.mp4"]
    assert "a pattern cannot be read" in str(found.problems[0])
    with pytest.raises(UsageError, match=r"a pattern cannot be read.*as in a \.gitignore"):
        scan([tmp_path], exclude=["!"])


def test_typescript_is_not_a_transport_stream(tmp_path):
    touch(tmp_path / "player.ts", "export const größe = 1;\n".encode())
    touch(tmp_path / "player.mts", b"import x from 'y';\n" * 200)
    touch(tmp_path / "film.ts", b"G@\0\x10" + b"\xff" * 184)
    touch(tmp_path / "empty.ts", b"")
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["empty.ts", "film.ts"]
    assert (found.texts, found.problems) == (2, [])


# No single file, name or folder stops a run


@pytest.mark.parametrize("year", [1, 2500, 9999])
def test_any_date_is_a_date(tmp_path, year):
    path = touch(tmp_path / "film.mp4")
    seconds = (year - 1970) * 31_556_952
    try:
        os.utime(path, (seconds, seconds))
    except OSError:
        pytest.skip("this file system does not know such dates")
    (video,) = scan([tmp_path]).videos
    assert -(2**63) <= video.version.mtime_ns < 2**63


def test_a_subtitle_whose_name_is_not_utf8_stops_nothing(tmp_path):
    touch(tmp_path / "film.mp4")
    touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/film.fran\xe7ais.srt")))
    (video,) = scan([tmp_path]).videos
    assert video.sidecars.encode().startswith("film.fran�ais.srt:".encode())


def test_a_folder_nested_as_deep_as_paths_go_stops_nothing(tmp_path):
    touch(tmp_path / "film.mp4")
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        for _ in range(60):
            Path("x" * 100).mkdir()
            os.chdir("x" * 100)
        Path("deep.mp4").write_bytes(b"x")
    finally:
        os.chdir(before)
    found = scan([tmp_path])
    assert [video.path.name for video in found.videos] == ["film.mp4"]
    (problem,) = map(str, found.problems)
    assert "File name too long" in problem
    assert len(found.unseen) == 1


@pytest.mark.parametrize("pattern", ["[", "raw[1", "a/[!b", r"\[[", "[]"])
def test_a_bracket_that_is_not_closed_is_no_pattern(tmp_path, pattern):
    with pytest.raises(UsageError, match=r"cannot be read.*a bracket is not closed.*as in a \.gitignore"):
        scan([tmp_path], exclude=["*.tmp", pattern])
    (tmp_path / IGNORE_FILE).write_text(f"{pattern}\n")
    assert ["a bracket is not closed" in str(problem) for problem in scan([tmp_path]).problems] == [True]


@pytest.mark.parametrize("pattern", ["[ab]", "[!a]x", r"\[", "[]]", "# a [ comment", r"[a\]b]"])
def test_a_bracket_that_is_closed_is_one(tmp_path, pattern):
    assert scan([tmp_path], exclude=[pattern]).problems == []
