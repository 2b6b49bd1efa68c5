"""A library that an encoder of the user's own makes: indexed, searched, and bound to it."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import polyreel
from films import film, holdings, subtitles
from polyreel.cli.app import main
from polyreel.encoders import EncoderCard, FrameInput
from polyreel.errors import BundleError, BundleMismatchError, UsageError
from polyreel.library.index.generations import move_library
from polyreel.library.search.background import load_background
from polyreel.library.search.search_index import CACHE
from polyreel.library.store.doctor import examine
from polyreel.library.store.state import read_state
from tiny_bundle import PALETTE

WORDS = {"rot": "red", "grün": "green", "blau": "blue", "nyekundu": "red"}


def card(identity: str = "weights-1", dim: int = 3) -> EncoderCard:
    frames = FrameInput(width_px=8, height_px=8, fps=1, dim=3)
    return EncoderCard(name="colours", identity=identity, dim=dim, frames=frames)


class Colours:
    """Texts and clips lie where their colour does; it holds what cannot be sent to another process."""

    def __init__(self, card: EncoderCard) -> None:
        self.card = card
        self.lock = threading.Lock()
        self.called_in: set[int] = set()
        self.texts: list[str] = []

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.floating]:
        self.called_in.add(os.getpid())
        self.texts += texts
        words = [[PALETTE.get(WORDS.get(word, word)) for word in text.split()] for text in texts]
        known = [[np.array(colour) - 120.0 for colour in row if colour] for row in words]
        return np.array([np.mean(row, axis=0) if row else [1, 1, 1] for row in known])

    def encode_frames(self, frames: NDArray[np.uint8]) -> NDArray[np.floating]:
        self.called_in.add(os.getpid())
        return frames.mean(axis=(1, 2))

    def encode_video(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.floating]:
        return np.stack([clip.mean(axis=0) for clip in clips]) - 120.0


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films") / "videos"
    film(folder / "flag.mp4", "red", "blue")
    film(folder / "talk.mp4", "green")
    subtitles(folder / "talk.de.srt", (0, 1, "ein blau Auto"))
    return folder


@pytest.fixture(scope="module")
def made(videos):
    polyreel.index(videos, videos.parent / "library", encoder=Colours(card()), workers=1)
    return videos.parent / "library"


@pytest.fixture
def library(made, tmp_path):
    """One that a test may change."""
    return shutil.copytree(made, tmp_path / "library")


@pytest.fixture
def new(tmp_path):
    return film(tmp_path / "new" / "new.mp4", "yellow")


def test_it_encodes_clips_lines_and_queries_in_the_program_itself(videos, tmp_path):
    model = Colours(card())
    report = polyreel.index(videos, tmp_path / "library", encoder=model, workers=2)
    assert (report.indexed, report.clips, report.subtitles, report.failed) == (2, 3, 1, [])
    assert model.texts == ["ein blau Auto"]
    assert model.called_in == {os.getpid()}
    assert polyreel.index(videos, tmp_path / "library", encoder=model, workers=2).unchanged == 2
    with polyreel.open(tmp_path / "library", encoder=model) as opened:
        seen = opened.search("rot", mode="visual", top=1)
        assert seen.bundle == "colours"
        assert "library.calibrate()" in seen.doubt
        hit = seen.hits[0]
        assert (Path(hit.video).name, hit.start_s) == ("flag.mp4", 0.0)
        assert hit.evidence.visual == pytest.approx(1, abs=2e-3)  # unit vectors, though the model's are not
        said = opened.search("blue", mode="subtitles", top=1).hits[0]
        assert (Path(said.video).name, said.evidence.subtitle.text) == ("talk.mp4", "ein blau Auto")
        like = opened.search_example(film(tmp_path / "other.mp4", "green"), top=1).hits[0]
        assert Path(like.video).name == "talk.mp4"
        assert opened.search_like(hit.clip_id, top=3).hits
        opened.calibrate()
        assert opened.search("rot", mode="visual", top=1).hits[0].strength is not None


def test_what_is_new_is_indexed_with_it_only(library, new, tiny_bundle):
    with pytest.raises(BundleError, match=r"an encoder of a Python program.*: colours\..*encoder=\.\.\."):
        polyreel.index(new, library)
    with pytest.raises(BundleMismatchError, match=r"needs the encoder colours \(weights-1\), not colours"):
        polyreel.index(new, library, encoder=Colours(card("weights-2")))
    with pytest.raises(BundleMismatchError, match=r"not tiny.*Pass it as encoder.*polyreel bundles set"):
        polyreel.index(new, library, bundle=tiny_bundle.folder)
    assert len(holdings(library)) == 2
    assert polyreel.index(new, library, encoder=Colours(card())).indexed == 1


def test_it_is_opened_with_it_only(made, tiny_bundle):
    with pytest.raises(BundleError, match="an encoder of a Python program"):
        polyreel.open(made)
    for other, said in [
        (Colours(card("weights-2")), r"needs the encoder colours \(weights-1\), not colours \(weights-2\)"),
        (tiny_bundle, r"needs the encoder colours \(weights-1\), not tiny"),
        (Colours(card(dim=4)), r"identity of the library's own, but vectors of another width.*4, expected 3"),
    ]:
        with pytest.raises(BundleMismatchError, match=said):
            polyreel.open(made, encoder=other)
    with pytest.raises(UsageError, match=r"not an encoder: object \(it lacks encode_text"):
        polyreel.open(made, encoder=object())
    with pytest.raises(UsageError, match=r"an encoder is an object: 'small'.*bundle="):
        polyreel.open(made, encoder="small")
    with pytest.raises(UsageError, match="a server has its encoder already"):
        polyreel.open("http://127.0.0.1:9", encoder=Colours(card()))


def test_a_library_of_a_bundle_refuses_it(videos, tmp_path, tiny_bundle):
    polyreel.index(videos, tmp_path / "library", bundle=tiny_bundle.folder)
    said = r"needs the bundle tiny .* not colours \(weights-1\).*Leave the encoder out"
    with pytest.raises(BundleMismatchError, match=said):
        polyreel.index(videos, tmp_path / "library", encoder=Colours(card()))
    with pytest.raises(BundleMismatchError, match=said):
        polyreel.open(tmp_path / "library", encoder=Colours(card()))
    with pytest.raises(UsageError, match="a bundle and an encoder are given"):
        polyreel.index(videos, tmp_path / "x", bundle="small", encoder=Colours(card()))


def test_a_loaded_bundle_is_an_encoder_that_is_found_again(videos, tmp_path, tiny_bundle):
    polyreel.index(videos, tmp_path / "library", encoder=tiny_bundle)
    assert read_state(tmp_path / "library").generation.location == str(tiny_bundle.folder)
    assert polyreel.open(tmp_path / "library").search("rot").bundle == "tiny"
    assert polyreel.open(tmp_path / "library", encoder=tiny_bundle).search("rot").bundle == "tiny"


@pytest.mark.parametrize("command", [["search", "rot"], ["index", "."], ["bundles", "set", "python:colours"]])
def test_the_command_line_says_what_it_needs(made, command, capsys):
    assert main([*command, "--library", str(made), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)["error"]
    assert said["kind"] == "BundleError"
    assert "an encoder of a Python program" in said["message"]
    assert "colours" in said["message"]
    assert "polyreel bundles set" in said["message"]


def test_doctor_says_what_it_needs(made):
    health = examine(made)
    assert health.bundle == "colours (weights-1)"
    assert "encoder=" in health.bundle_state
    assert health.usable


def test_a_move_away_from_it_says_that_no_command_goes_back(library, tiny_bundle, capsys):
    command = ["bundles", "set", str(tiny_bundle.folder), "--library", str(library)]
    assert main([*command, "--estimate"]) == 0
    assert "no way back: colours (weights-1) is an encoder of a Python" in " ".join(
        capsys.readouterr().out.split()
    )
    assert main(command) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "kept: no command can go back to them, 'polyreel bundles drop' lets them go." in said
    assert main(["bundles", "drop", "colours", "--library", str(library)]) == 0


def test_it_moves_to_a_bundle_and_an_open_library_follows(library, tiny_bundle):
    opened = polyreel.open(library, encoder=Colours(card()))
    assert opened.search("rot").bundle == "colours"
    move_library(library, tiny_bundle, location=str(tiny_bundle.folder), workers=1)
    assert opened.search("rot").bundle == "tiny"
    assert polyreel.open(library).search("rot", top=1).hits[0].start_s == 0.0


class Failing(Colours):
    """One method gives what it is told to, from a call on."""

    def __init__(self, method: str, answer: object, *, after: int = 0) -> None:
        super().__init__(card())
        self.left, own = after, getattr(self, method)

        def encode(given: Sequence[object]) -> object:
            self.left -= 1
            if self.left >= 0:
                return own(given)
            if isinstance(answer, Exception):
                raise answer
            return answer

        setattr(self, method, encode)


ONE_ROW = np.ones((1, 3))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            Failing("encode_video", RuntimeError("out of memory\nat 0x7f"), after=1),
            r"failed: Failing.encode_video, for .*flag.mp4, 0:02 \(RuntimeError: out of memory\)\.",
        ),
        (Failing("encode_video", ValueError()), r"encode_video, for .*flag.mp4, 0:00 \(ValueError\)"),
        (
            Failing("encode_frames", np.ones((3, 3))),
            r"another shape: Failing.encode_frames, for .*flag.mp4, 0:00 \(\(3,",
        ),
        (
            Failing("encode_video", ONE_ROW * np.nan),
            r"not finite: rows 0 of Failing.encode_video, for .*0:00",
        ),
        (
            Failing("encode_video", ONE_ROW * 0, after=1),
            r"zeros, which has no direction: rows 0 of Failing.encode_video, for .*flag.mp4, 0:02",
        ),
        (
            Failing("encode_text", ONE_ROW * 0),
            r"rows 0 of Failing.encode_text, for .*talk.mp4, its lines \('ein blau Auto'\)",
        ),
        (Failing("encode_video", None), "cannot be read as an array"),
        (Failing("encode_text", np.ones((1, 2))), r"another shape: Failing.encode_text, for .*its lines"),
        (
            Failing("encode_text", KeyError("Auto")),
            r"encode_text, for .*talk.mp4, its lines \(KeyError: 'Auto'\)",
        ),
    ],
)
def test_a_model_that_fails_is_one_message_and_leaves_nothing_behind(model, said, videos, tmp_path):
    with pytest.raises(UsageError, match=said):
        polyreel.index(videos, tmp_path / "library", encoder=model, workers=1)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")] == []
    assert not (tmp_path / "library").exists()


def test_what_was_committed_stays_when_it_fails_later(library, new):
    before = holdings(library)
    with pytest.raises(UsageError, match=r"the encoder failed.*new.mp4, 0:00"):
        polyreel.index(new, library, encoder=Failing("encode_video", OSError("gone")))
    assert holdings(library) == before
    assert polyreel.index(new, library, encoder=Colours(card())).indexed == 1


def test_a_query_that_it_fails_on_is_one_message(made):
    opened = polyreel.open(made, encoder=Failing("encode_text", RuntimeError("no")))
    with pytest.raises(UsageError, match=r"the encoder failed: Failing.encode_text \(RuntimeError: no\)"):
        opened.search("rot")
    opened = polyreel.open(made, encoder=Failing("encode_text", ONE_ROW * 0))
    with pytest.raises(UsageError, match=r"rows 0 of Failing.encode_text \('rot'\)"):
        opened.search("rot")


def test_kept_background_queries_are_of_one_identity(tmp_path):
    long = "colours-of-this-and-that-year-"
    first, second = (Colours(card(f"{long}{number}")) for number in (1, 2))
    load_background(first, tmp_path / CACHE)
    load_background(second, tmp_path / CACHE)
    assert first.texts == second.texts != []
