"""A full disk: one clear error, everything committed stays, and with space the next run goes on."""

from __future__ import annotations

import subprocess

import pytest

from disks import small_disk
from films import film, holdings, index_films, open_library, subtitles
from index_runs import Run
from polyreel.errors import LibraryError
from polyreel.library.index.events import Committed
from polyreel.library.store.state import read_state
from tiny_bundle import PALETTE

COLOURS = [*PALETTE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("films")
    for number, colour in enumerate(COLOURS):
        film(home / f"{number}.mp4", colour, COLOURS[number - 1])
        subtitles(home / f"{number}.en.srt", (0, 1, f"words {number}"))
    return home


@pytest.mark.parametrize("size_kib", [16, 60, 240])
def test_a_disk_that_fills_up(tmp_path, folder, tiny_bundle, size_kib):
    acknowledged: set[str] = set()

    def note(event):
        if isinstance(event, Committed):
            acknowledged.update(event.paths)

    with small_disk(tmp_path / "disk", size_bytes=size_kib << 10) as disk:
        library = disk / "library"
        for _ in range(2):
            with pytest.raises(LibraryError, match=r"the disk is full.*what was committed is kept") as caught:
                index_films(folder, library, tiny_bundle, commit_every_s=0, on_event=note)
            assert str(library) in str(caught.value)
            assert "\n" not in str(caught.value)
        if read_state(library) is not None:
            held = holdings(library)
            assert acknowledged <= {path for path, row in held.items() if row.status == "ok"}
            assert len(open_library(library).search("red", top=100).hits) >= bool(acknowledged)
        assert bool(acknowledged) == (size_kib >= 240), "the sizes no longer cover both cases"
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        report = index_films(folder, library, tiny_bundle)
        assert report.indexed == len(COLOURS) - len(acknowledged)
        assert len(holdings(library)) == len(COLOURS)


@pytest.mark.parametrize("max_file_bytes", [0, 700, 1_400])
def test_files_that_may_not_grow(tmp_path, folder, tiny_bundle, max_file_bytes):
    """A quota or a limit of the shell stops one file rather than all."""
    library = tmp_path / "library"
    run = Run(tiny_bundle.folder, library, folder, max_file_bytes=max_file_bytes)
    assert run.end() == 0
    assert run.failure.startswith("LibraryError: the disk is full"), run.failure
    if read_state(library) is not None:
        assert run.acknowledged <= set(holdings(library))
    assert index_films(folder, library, tiny_bundle).indexed == len(COLOURS) - len(run.acknowledged)
    assert len(holdings(library)) == len(COLOURS)
