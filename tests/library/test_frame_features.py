"""Features of frames that a library keeps: a bundle with the same image graph needs no videos."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import polyreel
from films import film, index_films, open_library
from polyreel.cli.app import main
from polyreel.encoders import EncoderCard, FrameInput
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.library.index.events import Planned, Progressed, Settled
from polyreel.library.index.generations import drop_generation, estimate_move, move_library
from polyreel.library.store.doctor import examine
from polyreel.library.store.frame_features import FEATURES
from polyreel.library.store.store import open_snapshot
from polyreel.library.store.tables import CLIPS
from tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A bundle with the image graph of "tiny" and other heads: what does not match has a cosine of 0.5."""
    folder = tmp_path_factory.mktemp("bundles") / "turned"
    return Bundle(write_tiny_bundle(folder, name="turned", spare=1))


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """One with an image graph of its own."""
    folder = tmp_path_factory.mktemp("bundles") / "wide"
    return Bundle(write_tiny_bundle(folder, name="wide", spare=1, side_px=24, fps=2.0))


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_bundle):
    """Videos and the library of them, which keeps features."""
    home = tmp_path_factory.mktemp("kept")
    film(home / "videos" / "a.mp4", "red", "blue", each_s=3)
    film(home / "videos" / "b.mp4", "green", "yellow")
    index_films(home / "videos", home / "library", tiny_bundle, keep_features=True)
    return home


@pytest.fixture
def library(made, tmp_path):
    return Path(shutil.copytree(made / "library", tmp_path / "library"))


def move(library: Path, bundle: Bundle, **options: object):
    return move_library(library, bundle, **{"location": str(bundle.folder), "workers": 1, **options})


def clip_ids(library: Path) -> set[str]:
    return set(open_snapshot(library).read(CLIPS, ["clip_id"])["clip_id"].to_pylist())


def kept_for(library: Path, bundle: Bundle) -> set[str]:
    place = library / FEATURES / bundle.card.frames_key
    return {f"{file.parent.name}@{file.stem}" for file in place.rglob("*.npz")}


def vectors_of(library: Path) -> np.ndarray:
    index = open_library(library).snapshot.index
    order = np.argsort(index.clips["clip_id"].to_pylist())
    return np.asarray(index.clip_vectors)[order]


def test_a_bundle_that_differs_behind_the_frames_needs_no_video(made, library, tmp_path, turned, monkeypatch):
    assert kept_for(library, turned) == clip_ids(library)
    (made / "videos").rename(made / "away")
    try:
        estimate = estimate_move(library, turned, location=str(turned.folder))
        assert (estimate.clips, estimate.from_features, estimate.files, estimate.left) == (4, 4, 0, ())
        events = []
        report = move(library, turned, on_event=events.append)
    finally:
        (made / "away").rename(made / "videos")
    assert (report.switched, report.clips, report.videos, report.left) == (True, 4, 0, [])
    planned, *_ = events
    assert planned.files == sum(isinstance(event, Settled) for event in events) == 2
    assert isinstance(planned, Planned)
    done = sum(event.size_bytes for event in events if isinstance(event, Progressed))
    assert done == planned.size_bytes > 0
    index_films(made / "videos", tmp_path / "afresh", turned)
    np.testing.assert_allclose(vectors_of(library), vectors_of(tmp_path / "afresh"), atol=2e-3)
    assert open_library(library).search("rot", mode="visual", top=1).hits[0].start_s == 0
    # Both bundles have use for them: they go with the last of the two.
    drop_generation(library, "tiny")
    assert kept_for(library, turned) == clip_ids(library)


def test_a_bundle_with_another_image_graph_reads_the_videos_and_keeps_its_own(library, tiny_bundle, wide):
    report = move(library, wide)
    assert (report.clips, report.videos) == (4, 2)
    assert kept_for(library, wide) == kept_for(library, tiny_bundle) == clip_ids(library)
    drop_generation(library, "tiny")
    assert kept_for(library, tiny_bundle) == set()
    assert kept_for(library, wide) == clip_ids(library)


def test_features_that_are_damaged_or_gone_are_made_anew_from_the_video(made, library, turned):
    first, *_, last = sorted((library / FEATURES).rglob("*.npz"))
    data = bytearray(first.read_bytes())
    data[-85] ^= 1  # the last bytes before the directory of the archive are the numbers
    first.write_bytes(data)
    last.unlink()
    assert first.parent != last.parent
    assert estimate_move(library, turned, location=str(turned.folder)).from_features == 2
    assert move(library, turned).videos == 2
    assert kept_for(library, turned) == clip_ids(library)
    assert first.read_bytes() == (made / first.relative_to(library.parent)).read_bytes()


def test_they_are_kept_from_the_time_they_are_asked_for_until_they_are_let_go(tmp_path, tiny_bundle):
    videos, library = tmp_path / "videos", tmp_path / "library"
    film(videos / "a.mp4", "red", "blue")
    index_films(videos, library, tiny_bundle)
    assert not (library / FEATURES).exists()
    film(videos / "b.mp4", "green")
    index_films(videos, library, tiny_bundle, keep_features=True)
    film(videos / "c.mp4", "white")
    index_films(videos, library, tiny_bundle)
    assert len(kept_for(library, tiny_bundle)) == 2
    assert len(clip_ids(library)) == 4
    assert examine(library).space_bytes[FEATURES] > 0
    (videos / "b.mp4").unlink()
    index_films(videos, library, tiny_bundle)
    assert len(kept_for(library, tiny_bundle)) == 1
    index_films(videos, library, tiny_bundle, keep_features=False)
    assert not (library / FEATURES).exists()


def test_a_film_that_is_read_in_two_runs_has_them_all(tmp_path, tiny_bundle):
    film(tmp_path / "videos" / "long.mp4", "red", "green", "blue", "white", each_s=3)
    seen = []

    def interrupt(event: object) -> None:
        if isinstance(event, Progressed) and seen.append(event) is None and len(seen) == 3:
            raise KeyboardInterrupt

    options = {"keep_features": True, "commit_every_s": 0}
    run = index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle, on_event=interrupt, **options)
    assert run.half_read
    index_films(tmp_path / "videos", tmp_path / "library", tiny_bundle)
    assert kept_for(tmp_path / "library", tiny_bundle) == clip_ids(tmp_path / "library")


def test_the_command_line_keeps_them_and_says_what_they_save(tmp_path, capsys, tiny_bundle, turned):
    film(tmp_path / "videos" / "a.mp4", "red", "blue")
    library = ["--library", str(tmp_path / "library")]
    index = ["index", str(tmp_path / "videos"), "--bundle", str(tiny_bundle.folder), *library]
    assert main([*index, "--keep-features"]) == 0
    (tmp_path / "videos" / "a.mp4").unlink()
    capsys.readouterr()
    assert main(["bundles", "set", str(turned.folder), *library]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "To encode for turned" in said
    assert ": 2 clips from the kept features of their frames; about" in said
    assert "cannot be read" not in said
    assert main([*index[:2], *library, "--no-keep-features"]) == 0
    assert not (tmp_path / "library" / FEATURES).exists()


def test_of_an_encoder_of_a_program_none_are_kept(tmp_path):
    class Own:
        card = EncoderCard(
            name="own", identity="1", dim=3, frames=FrameInput(width_px=8, height_px=8, fps=1, dim=3)
        )

        def encode_text(self, texts):
            return np.ones((len(texts), 3))

        def encode_frames(self, frames):
            return np.ones((len(frames), 3))

        encode_video = encode_text

    film(tmp_path / "videos" / "a.mp4", "red")
    with pytest.raises(UsageError, match="features of frames are kept of bundles only: own"):
        polyreel.index(tmp_path / "videos", tmp_path / "library", encoder=Own(), keep_features=True)
    assert not (tmp_path / "library").exists()
    assert polyreel.index(tmp_path / "videos", tmp_path / "library", encoder=Own()).indexed == 1


def test_bundles_share_features_only_if_nothing_about_them_differs(tiny_bundle, turned, wide):
    def of(**changes: object) -> str:
        return tiny_bundle.card.model_copy(update=changes).frames_key

    files = tiny_bundle.card.files
    assert turned.card.frames_key == of(files={**files, "text.onnx": "0" * 64}) == of()
    others = [
        wide.card.frames_key,
        of(files={**files, "frames.onnx": "0" * 64}),
        of(files={**files, "frames.onnx.data": "0" * 64}),
        of(frames=tiny_bundle.card.frames.model_copy(update={"kernel": "bicubic"})),
        of(frames=tiny_bundle.card.frames.model_copy(update={"fps": 2.0})),
    ]
    assert len({of(), *others}) == len(others) + 1
