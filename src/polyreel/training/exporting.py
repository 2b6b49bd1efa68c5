"""Checkpoint -> bundle: the end of training, and where search and evaluation begin.

What stands on the parts of the default bundle (the packaged text encoder, frozen, and the mean of its frame
features) is written by the same builder as the default bundle, without PyTorch's exporter. Everything else
goes through ``torch.onnx``. Either way the graphs are then held against the model on real texts and frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from polyreel.datasets.registry import DATASETS
from polyreel.encoders.build.bundle_spec import BundleSpec, networks_of, shipped
from polyreel.encoders.build.trained_heads import TrainedHeads
from polyreel.encoders.build.writing import GraphParts, write_bundle
from polyreel.encoders.card import BundleCard, Licence, TextInput, read_card
from polyreel.encoders.registry import build_on_default, bundle_with_features, locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.errors import UsageError
from polyreel.files import new_folder
from polyreel.models.inputs import TextReader
from polyreel.models.towers import TwoTowers
from polyreel.training.checkpoints import Checkpoint, load_checkpoint
from polyreel.training.tracing import trace_text, trace_video

__all__ = ["Details", "Exported", "export_checkpoint", "export_details", "trained_heads"]

# The 4-bit text graph rounds activations to 8 bits, which alone moves embeddings by some 1e-4.
_MOST_DISTANCE, _MOST_DISTANCE_INT8 = 1e-3, 0.03
_PROBE_TEXTS = (
    "a dog runs across the grass",
    "Ein Mann spielt Gitarre.",
    "une femme coupe des oignons dans la cuisine",
    "děti si hrají na pláži",
    "一辆摩托车在路上飞驰",
    "поезд подъезжает к станции",
    "một con mèo đang ngủ trên ghế",
    "ndege wanaruka juu ya ziwa",
    "dos personas bailan en la calle por la noche, y detrás de ellas se ve una fuente iluminada",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was made.

    Attributes:
        folder: where it is.
        card: its card.
        text_distance, video_distance: largest cosine distance between graph and model on the probes.
    """

    folder: Path
    card: BundleCard
    text_distance: float
    video_distance: float


@dataclass(frozen=True, slots=True)
class Details:
    """What a card says of a training run.

    Attributes:
        training: how the bundle was made.
        licences: terms of the corpora that it was trained on, as far as the registry knows them.
    """

    training: str
    licences: tuple[Licence, ...]


def export_checkpoint(source: Path, out: Path, *, name: str | None = None, int8: bool = False) -> Exported:
    """Write the model of a checkpoint as a bundle.

    Args:
        source: a checkpoint, or a run's folder, whose best (or last) checkpoint is taken.
        out: folder of the bundle; it appears only when it is complete and agrees with the model.
        name: of the bundle; the run's by default.
        int8: weights of the text graph in 8 bits: a quarter of the size, embeddings move a little.

    Raises:
        TrainingError: the checkpoint is missing or damaged.
        UsageError: the model cannot become a bundle.
    """
    checkpoint = load_checkpoint(source)
    model = checkpoint.build_model()
    _require_exportable(model, out)
    label = (name or checkpoint.state.recipe.run).lower()
    with new_folder(out) as made:
        heads = trained_heads(model)
        if heads is not None and not int8:
            card = build_on_default(
                made, _bundle_spec(checkpoint, model, heads, label), alike=locate_bundle()
            )
        else:
            card = write_bundle(made, _parts(checkpoint, model, label, int8=int8))
        distances = _distances(model, Bundle(made))
        if max(distances) > (_MOST_DISTANCE_INT8 if int8 else _MOST_DISTANCE):
            raise UsageError(
                "the exported graphs do not agree with the model",
                item=out,
                value=f"cosine distance {distances[0]:.2g} of texts, {distances[1]:.2g} of clips",
                remedy="Please report this with the recipe",
            )
    return Exported(out, card, *distances)


def trained_heads(model: TwoTowers) -> TrainedHeads | None:
    """What a model adds to the parts of the default bundle; None if it stands on other parts."""
    text, video = model.spec.text, model.spec.video
    on_default_parts = (
        model.text.cacheable
        and text.encoder == "e5-small"
        and text.layer is None
        and text.language_free
        and text.head != "none"
        and video is not None
        and video.trained_pooling == "mean"
        and video.head != "none"
    )
    if not on_default_parts or model.video is None:
        return None
    weight = 1.0 if model.spec.prior_weight is None else model.spec.prior_weight
    return TrainedHeads(
        model.text.trained_arrays(),
        model.video.trained_arrays(),
        prior_weight=weight,
        starts_semantic=model.video.spec.pooling == "semantic",
        power=model.video.spec.power,
    )


def _require_exportable(model: TwoTowers, out: Path) -> None:
    if model.video is None:
        raise UsageError(
            "a text-only model has no video tower, and a bundle needs one",
            remedy="Give the recipe's model a 'video' section",
        )
    if not isinstance(model.text.reader, TextReader):
        raise UsageError(
            "the text encoder has to be told the language of every word, and a bundle has no place for it",
            item=model.text.spec.encoder,
            remedy="Train on another text encoder, such as e5-small",
        )
    if networks_of(model.video.spec.features) is None:
        raise UsageError(
            "the features of this model come from a network that is not at hand to read frames with",
            value=f"{model.video.spec.features:,} a frame",
            remedy=f"Train on the features of the default bundle, {shipped().features:,} a frame",
        )
    if out.exists():
        raise UsageError("the folder of the bundle exists already", item=out, remedy="Name another one")


def _bundle_spec(checkpoint: Checkpoint, model: TwoTowers, heads: TrainedHeads, name: str) -> BundleSpec:
    details = export_details(checkpoint)
    assert model.video is not None
    networks = networks_of(model.video.spec.features)
    assert networks is not None  # see _require_exportable
    return BundleSpec(
        name=name,
        description=checkpoint.state.recipe.description or f"trained by the recipe {name}",
        training=details.training,
        learnt=heads,
        networks=networks,
        licences=details.licences,
    )


def _parts(checkpoint: Checkpoint, model: TwoTowers, name: str, *, int8: bool) -> GraphParts:
    assert model.video is not None
    default = locate_bundle(bundle_with_features(model.video.spec.features))
    details, reader = export_details(checkpoint), model.text.reader
    assert isinstance(reader, TextReader)  # see _require_exportable
    return GraphParts(
        name=name,
        description=checkpoint.state.recipe.description or f"trained by the recipe {name}",
        training=details.training,
        dim=len(model.embed_text(model.text.prepare(["a"]))[0]),
        text=TextInput(prefix=reader.prefix, max_tokens=reader.max_tokens, pad_id=reader.pad_id),
        tokenizer=_whole(reader.tokenizer),
        write_text=partial(trace_text, model, int8=int8),
        write_video=partial(trace_video, model),
        frames_of=default,
        frames=read_card(default).frames,
        licences=(*read_card(default).licences, *details.licences),
    )


def _whole(tokenizer: Tokenizer) -> str:
    """The tokenizer without truncation: a bundle reads long texts in windows."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    return str(copy.to_str())


def export_details(checkpoint: Checkpoint) -> Details:
    """What the card of a bundle says of the run that ``checkpoint`` is from."""
    state = checkpoint.state
    corpora = tuple(dict.fromkeys(data.corpus for data in state.recipe.data))
    validation = state.recipe.validation
    best = (
        "" if validation is None or state.best is None else f"; best {validation.metric} {state.best[0]:.3g}"
    )
    made = ", ".join(f"{name} {version}" for name, version in sorted(state.made_with.items()))
    training = (
        f"recipe {state.recipe.run}, seed {state.recipe.seed}, {state.step:,} of {state.total_steps:,} steps "
        f"on {', '.join(corpora)}{best}; {made}"
    )
    licences = (
        Licence(part=f"trained on {name}", licence=DATASETS[name].licence, source=DATASETS[name].source)
        for name in corpora
        if name in DATASETS
    )
    return Details(training, tuple(licences))


def _distances(model: TwoTowers, bundle: Bundle) -> tuple[float, float]:
    """Largest cosine distances between model and graphs: of texts, and of clips of 1 to 5 frames."""
    assert model.video is not None
    with torch.inference_mode():
        # One text at a time: how a batch is padded must not matter, and the bundle sorts by length.
        texts = [model.embed_text(model.text.prepare([text]))[0].numpy() for text in _PROBE_TEXTS]
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    size = bundle.card.frames
    frames = bundle.encode_frames(
        np.stack([_stretched(picture, size.width_px, size.height_px) for picture in pictures])
    )
    clips = [frames[:count] for count in range(1, 6)]
    with torch.inference_mode():
        videos = [
            model.embed_video(torch.from_numpy(clip)[None], torch.ones(1, len(clip), dtype=torch.bool))[
                0
            ].numpy()
            for clip in clips
        ]
    return (
        _largest(bundle.encode_text(_PROBE_TEXTS), np.stack(texts)),
        _largest(bundle.encode_video(clips), np.stack(videos)),
    )


def _stretched(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Nearest neighbours, so that the probes have large shapes as photos have."""
    rows, columns = (np.arange(side) * 64 // side for side in (height, width))
    return picture[rows][:, columns]


def _largest(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(1 - cosines.min())
