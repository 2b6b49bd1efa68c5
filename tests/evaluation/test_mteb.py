"""Bundles measured by the package MTEB itself, on tasks in its own format that are made here.

``make test-mteb`` installs what this needs beside the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import polyreel
from films import film
from polyreel.encoders import EncoderCard, FrameInput
from polyreel.encoders.card import CARD_FILE
from polyreel.errors import UsageError
from tiny_bundle import DIM, MEANINGS, PALETTE, write_tiny_bundle

mteb = pytest.importorskip("mteb", reason="the extra mteb is not installed; make test-mteb has it")
datasets = pytest.importorskip("datasets")

from mteb.abstasks.retrieval import AbsTaskRetrieval  # noqa: E402
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData  # noqa: E402
from mteb.abstasks.task_metadata import TaskMetadata  # noqa: E402
from mteb.models.models_protocols import EncoderProtocol  # noqa: E402
from mteb.types import PromptType  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

COLOURS = ("red", "green", "blue", "yellow")
FACTS = {
    "description": "Colours and their names.",
    "reference": None,
    "dataset": {"path": "made-here", "revision": "1"},
    "eval_splits": ["test"],
    "eval_langs": ["deu-Latn"],
    "main_score": "ndcg_at_10",
}


def task(
    category: str, modalities: Sequence[str], queries: dict, corpus: datasets.Dataset
) -> AbsTaskRetrieval:
    """A retrieval task in which query i asks for document i."""
    ids = [f"q{place}" for place in range(len(COLOURS))]
    split = RetrievalSplitData(
        queries=datasets.Dataset.from_dict({"id": ids, **queries}),
        corpus=corpus.add_column("id", [f"d{place}" for place in range(len(COLOURS))]),
        relevant_docs={name: {f"d{place}": 1} for place, name in enumerate(ids)},
        top_ranked=None,
    )

    class Colours(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name=f"Colours{category.upper()}",
            type="Retrieval" if category == "t2t" else "Any2AnyRetrieval",
            category=category,
            modalities=list(modalities),
            **FACTS,
        )

        def load_data(self, **_options: object) -> None:
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    return Colours()


def german() -> dict[str, list[str]]:
    names = {meanings[0]: meanings[1] for meanings in MEANINGS}
    return {"text": [names[colour] for colour in COLOURS]}


@pytest.fixture(scope="module")
def of_texts():
    english = datasets.Dataset.from_dict(
        {"title": [""] * 4, "text": [f"  {name}\u200b " for name in COLOURS]}
    )
    return task("t2t", ["text"], german(), english)


def of_videos(folder: Path) -> AbsTaskRetrieval:
    decoders = pytest.importorskip(
        "torchcodec.decoders", reason="torchcodec is not installed", exc_type=Exception
    )
    files = [str(film(folder / f"{colour}.mp4", colour, each_s=3)) for colour in COLOURS]
    try:
        decoders.VideoDecoder(files[0])
    except (RuntimeError, OSError) as error:
        pytest.skip(f"torchcodec does not work here: {str(error).splitlines()[0]}")
    corpus = datasets.Dataset.from_dict({"video": files}).cast_column("video", datasets.Video())
    return task("t2v", ["text", "video"], german(), corpus)


def measured(model: object, of: AbsTaskRetrieval, cache: mteb.ResultCache | None = None) -> dict[str, float]:
    result = mteb.evaluate(model, of, cache=cache, show_progress_bar=False, encode_kwargs={"batch_size": 2})
    (scores,) = result.task_results[0].scores["test"]
    return {name: scores[name] for name in ("ndcg_at_10", "mrr_at_10", "recall_at_1")}


PERFECT = {"ndcg_at_10": 1.0, "mrr_at_10": 1.0, "recall_at_1": 1.0}


def test_it_is_an_encoder_of_mteb(tiny_bundle):
    model = polyreel.mteb_model(tiny_bundle.folder)
    assert isinstance(model, EncoderProtocol)
    meta = model.mteb_model_meta
    assert (meta.name, meta.revision, meta.embed_dim) == ("polyreel/tiny", tiny_bundle.card.identity, DIM)
    assert polyreel.mteb_model(tiny_bundle, max_frames=1).mteb_model_meta.experiment_kwargs == {
        "max_frames": 1
    }
    with pytest.raises(UsageError, match="the number of frames must be above 0"):
        polyreel.mteb_model(tiny_bundle, max_frames=0)


def test_texts_find_texts_and_the_result_is_kept_under_the_bundle_s_identity(tiny_bundle, of_texts, tmp_path):
    cache = mteb.ResultCache(cache_path=tmp_path)
    model = polyreel.mteb_model(tiny_bundle)
    assert measured(model, of_texts, cache) == PERFECT
    kept = list(tmp_path.rglob(f"polyreel__tiny/{tiny_bundle.card.identity}/**/ColoursT2T.json"))
    assert len(kept) == 1
    model.encode = None  # is not asked again
    assert measured(model, of_texts, cache) == PERFECT


def test_texts_find_videos(tiny_bundle, tmp_path):
    assert measured(polyreel.mteb_model(tiny_bundle), of_videos(tmp_path)) == PERFECT


def test_frames_are_those_of_the_rate_and_no_more_than_asked_for(tiny_bundle, tmp_path):
    seen: list[tuple[int, ...]] = []

    class Counting:
        card = EncoderCard(
            name="counting", identity="1", dim=3, frames=FrameInput(width_px=8, height_px=6, fps=2, dim=3)
        )

        def encode_text(self, texts):
            return np.ones((len(texts), 3))

        def encode_frames(self, frames):
            seen.append(frames.shape)
            return frames.mean(axis=(1, 2))

        def encode_video(self, clips):
            return np.stack([clip.mean(axis=0) for clip in clips])

    videos = of_videos(tmp_path)
    measured(polyreel.mteb_model(Counting()), videos)
    measured(polyreel.mteb_model(Counting(), max_frames=4), videos)
    assert seen == [(6, 6, 8, 3)] * 4 + [(4, 6, 8, 3)] * 4


def test_texts_find_pictures(tiny_bundle):
    pictures = [Image.new("RGB", (40, 30), PALETTE[colour]) for colour in COLOURS]
    corpus = datasets.Dataset.from_dict({"image": pictures}).cast_column("image", datasets.Image())
    assert (
        measured(polyreel.mteb_model(tiny_bundle), task("t2i", ["text", "image"], german(), corpus))
        == PERFECT
    )


def test_what_is_searched_has_the_prefix_of_lines(tmp_path, tiny_bundle, of_texts):
    folder = write_tiny_bundle(tmp_path / "bundle")
    card = polyreel.load_encoder(folder).card
    text = card.text.model_copy(update={"document_prefix": "dog "})
    (folder / CARD_FILE).write_text(card.model_copy(update={"text": text}).model_dump_json())
    model = polyreel.mteb_model(folder)

    def encoded(prompt_type: PromptType | None) -> np.ndarray:
        inputs = DataLoader(datasets.Dataset.from_dict({"text": ["red", "blue"]}), batch_size=2)
        return model.encode(
            inputs,
            task_metadata=of_texts.metadata,
            hf_split="test",
            hf_subset="default",
            prompt_type=prompt_type,
            show_progress_bar=False,
        )

    asked, searched = (
        tiny_bundle.encode_text(["red", "blue"]),
        tiny_bundle.encode_text(["dog red", "dog blue"]),
    )
    assert np.allclose(encoded(PromptType.query), asked)
    assert np.allclose(encoded(None), asked)
    assert np.allclose(encoded(PromptType.document), searched)


def test_a_vector_that_is_not_finite_is_refused_where_mteb_would_rank_it(tiny_bundle, of_texts, monkeypatch):
    monkeypatch.setattr(
        type(tiny_bundle), "encode_text", lambda _self, texts, **_o: np.full((len(texts), DIM), np.nan)
    )
    with pytest.raises(UsageError, match=r"a vector is not finite: rows 0, 1, 2, 3 of ColoursT2T"):
        measured(polyreel.mteb_model(tiny_bundle), of_texts)


def test_items_of_several_parts_are_refused(tiny_bundle):
    both = datasets.Dataset.from_dict({"image": [None] * 4, "text": list(COLOURS)})
    with pytest.raises(UsageError, match=r"one text, picture or video: ColoursT2IT \(text and image\)"):
        measured(polyreel.mteb_model(tiny_bundle), task("t2it", ["text", "image"], german(), both))
