"""What library.json names is on the disk, and whole."""

from __future__ import annotations

import os

import pytest

from films import film, holdings, index_films
from polyreel.errors import LibraryError
from polyreel.library.store import store
from polyreel.library.store import table_files as durable


def test_files_of_tables_reach_the_disk_before_library_json_names_them(tmp_path, tiny_bundle, monkeypatch):
    film(tmp_path / "videos" / "a.mp4", "red")
    library = tmp_path / "library"
    synced, written = [], []
    sync, write = durable.sync, store.write_state

    def noting_sync(path):
        synced.append(path)
        sync(path)

    def noting_write(folder, state):
        present = {path for path in folder.glob("*.lance/**/*") if path.is_file()}
        written.append(present - set(synced) - (written[0] if written else set()))
        write(folder, state)

    monkeypatch.setattr(durable, "sync", noting_sync)
    monkeypatch.setattr(store, "write_state", noting_write)
    index_films(tmp_path / "videos", library, tiny_bundle)
    assert len(written) >= 2
    assert all(not missing for missing in written[1:])  # the first is the empty library's
    files = [path for path in synced if not path.is_dir()]
    assert len(files) == len(set(files)) > 0


@pytest.mark.parametrize("kept", [0, 3, 200])
def test_a_file_that_was_cut_short_is_not_committed(tmp_path, tiny_bundle, monkeypatch, kept):
    """Lance commits it without a word."""
    film(tmp_path / "videos" / "a.mp4", "red")
    library = tmp_path / "library"
    index_films(tmp_path / "videos", library, tiny_bundle)
    before = holdings(library)
    film(tmp_path / "videos" / "b.mp4", "blue")
    append = store.Writer._append_vectors

    def cutting(writer, *arguments):
        present = set(library.glob("gen-1.lance/data/*"))
        append(writer, *arguments)
        (new,) = set(library.glob("gen-1.lance/data/*")) - present
        os.truncate(new, kept)

    with monkeypatch.context() as patch:
        patch.setattr(store.Writer, "_append_vectors", cutting)
        with pytest.raises(LibraryError, match=r"was cut short.*Free some space"):
            index_films(tmp_path / "videos", library, tiny_bundle)
    assert holdings(library) == before
    assert index_films(tmp_path / "videos", library, tiny_bundle).indexed == 1
    assert len(holdings(library)) == 2
