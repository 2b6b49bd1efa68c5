"""``python benchmarks/semantic_pooling.py``: how the settings of the training-free video tower were chosen.

One setting at a time is changed from the shipped one, on MSR-VTT key frames (our own dev split with captions
in nine languages, and videos of the train split with their English caption) and on Flickr8k photos. The demo
clips and every test split stay out of it. The last column is the paired difference from the shipped setting
in R@10, mean of the eight other languages on dev, with its 95% bootstrap interval over videos: where that
holds 0, the choice is a tie.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import Report, interval, options, recall, unit_rows, work_dir
from polyreel.encoders.build import small
from polyreel.encoders.build.e5 import read_e5
from polyreel.encoders.build.image_graph import class_layer
from polyreel.encoders.build.image_networks import LITE0
from polyreel.encoders.build.language_neutral import estimate_language_neutral_projection
from polyreel.encoders.registry import locate_bundle
from polyreel.encoders.runtime import Bundle
from polyreel.languages import STUDY_LANGUAGES, detect
from polyreel.packages.fetch import fetch
from polyreel.packages.members import cache_dir
from research_data import Gallery, flickr8k, frame_features, msrvtt_dev, msrvtt_train, ntrex

OTHERS = STUDY_LANGUAGES[1:]  # all but English
CUTOFFS = (1, 10)
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Setting:
    """One configuration of the tower; the defaults are what ships.

    Attributes:
        temperature: divides the logits of the image network.
        templates: what class names are embedded in, averaged.
        top_k: classes of a frame's posterior that are kept, None for all.
        crop: the central square of a picture instead of all of it, stretched.
        language: what is done about a text's language: "projection", "true" (the mean of its true language is
            subtracted), "detected" (that of its detected one) or "none".
        means: texts that the languages' means are estimated on.
    """

    temperature: float = small._TEMPERATURE
    templates: tuple[str, ...] = small._TEMPLATES
    top_k: int | None = None
    crop: bool = False
    language: str = "projection"
    means: str = "prompted names"


ROWS: Mapping[str, Sequence[tuple[str, Setting]]] = {
    "Video side": [
        ("shipped", Setting()),
        *((f"temperature {value}", Setting(temperature=value)) for value in (0.5, 1.0, 1.5, 3.0)),
        ("bare class names", Setting(templates=("{}",))),
        *((f"top {k} classes only", Setting(top_k=k)) for k in (5, 20, 50)),
        ("centre crop", Setting(crop=True)),
    ],
    "Language": [
        ("nothing", Setting(language="none")),
        *(
            (f"{what}, {means}", Setting(language=key, means=means))
            for means in ("prompted names", "NTREX")
            for key, what in (
                ("true", "mean of true language"),
                ("detected", "mean of detected language"),
                ("projection", "projection"),
            )
        ),
    ],
}


def main() -> int:
    """Measure every setting."""
    parser = options(__doc__)
    arguments = parser.parse_args()
    report = Report("semantic pooling", arguments, ("py3langid",))
    data = [msrvtt_dev(), msrvtt_train(100 if arguments.quick else 1000, arguments.seed), flickr8k()]
    scene = Scene(data[: 2 if arguments.quick else 3])
    shipped = scene.measure(Setting())
    scene.check_shipped()
    sizes = ", ".join(f"{gallery.name} {len(gallery.items):,}" for gallery in scene.galleries)
    random = 10 / len(data[0].items)
    report.note(f"Galleries: {sizes}. Cells: R@1 / R@10. At random, R@10 on dev is {random:.1%}.")
    report.note(f"Language detection is right on {scene.detected_right():.1%} of the dev captions.")
    columns = ["setting", *scene.column_names, "other eight R@10, paired"]
    for title, settings in ROWS.items():
        rows = [row(name, scene.measure(setting), shipped, arguments.seed) for name, setting in settings]
        report.table(title, columns, rows)
    for mixed, gallery in (
        (False, "English lines"),
        (True, "English lines and 999 others of its own language"),
    ):
        rows = [
            (name, *(f"{share:.1f}" for share in scene.parallel_sentences(setting, mixed=mixed)))
            for name, setting in ROWS["Language"]
            if setting.means != "NTREX"
        ]
        title = f"NTREX: how often a sentence's translation comes first among 1,000 {gallery}"
        report.table(title, ["setting", *OTHERS, "mean"], rows)
    return report.close()


Measured = Mapping[tuple[str, str], Mapping[int, NDArray[np.float64]]]
"""(gallery, language) -> cut-off -> recall of each query in percent."""


def row(name: str, measured: Measured, shipped: Measured, seed: int) -> list[str]:
    """One line of a table."""
    groups: dict[tuple[str, bool], list[Mapping[int, NDArray[np.float64]]]] = {}
    for (gallery, language), values in measured.items():
        groups.setdefault((gallery, language == "en"), []).append(values)
    cells = [
        " / ".join(f"{np.mean([values[k].mean() for values in group]):.1f}" for k in CUTOFFS)
        for group in groups.values()
    ]
    gain = others_at_10(measured) - others_at_10(shipped)
    low, high = interval(gain, seed)
    return [name, *cells, f"{gain.mean():+.1f} [{low:+.1f}, {high:+.1f}]" if gain.any() else "0"]


def others_at_10(measured: Measured) -> NDArray[np.float64]:
    """R@10 of each dev video, mean over its captions in the eight other languages."""
    return np.mean([measured["MSR-VTT dev", language][10] for language in OTHERS], axis=0)


class Scene:
    """Galleries, text embeddings and class names, ready to be combined in any setting."""

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        self.galleries = galleries
        self._bundle = Bundle(locate_bundle("training-free"))
        files = fetch(small._SOURCES, cache_dir() / "sources").files
        self._encode = remembering(small._plain_encoder(read_e5(files[small.E5]), Path()))
        self._weights, self._bias = class_layer([LITE0])
        builder = small._Builder(files, Path(), lambda _what, _done, _total: None)
        self._names = builder._read(small._ENGLISH_NAMES)["imagenet1k"]
        self._ntrex = ntrex()
        texts = {
            "prompted names": {tag: builder._prompted_names(tag) for tag in STUDY_LANGUAGES},
            "NTREX": self._ntrex,
        }
        self._features: dict[tuple[str, bool], list[Vectors]] = {}
        self._samples = {
            means: {tag: self._encode(lines) for tag, lines in by_tag.items()}
            for means, by_tag in texts.items()
        }

    @property
    def column_names(self) -> list[str]:
        """What ``row`` shows of each gallery."""
        names = ["dev en", "dev other eight", "train en", "Flickr en", "Flickr de fr cs"]
        return names[: len(self.galleries) * 2 - 1]

    def detected_right(self) -> float:
        """Share of the dev captions whose language is detected."""
        captions = self.galleries[0].captions
        return float(
            np.mean([detect(text).language == tag for tag, texts in captions.items() for text in texts])
        )

    def parallel_sentences(self, setting: Setting, *, mixed: bool) -> list[float]:
        """How often a sentence's nearest line is its English translation, per language and their mean.

        Args:
            setting: what is done about language.
            mixed: the other sentences of its own language are in the gallery too, as in a library that holds
                subtitles of both.
        """
        free = self._language_map(setting)
        vectors = {tag: free(self._encode(lines), lines, tag) for tag, lines in self._ntrex.items()}
        own = np.arange(len(vectors["en"]))
        found = []
        for tag in OTHERS:
            scores = vectors[tag] @ vectors["en"].T
            if mixed:
                same = vectors[tag] @ vectors[tag].T
                same[own, own] = -1.0  # the sentence itself
                scores = np.concatenate([scores, same], axis=1)
            found.append(float(recall(scores, own, (1,))[1].mean()))
        return [*found, float(np.mean(found))]

    def measure(self, setting: Setting) -> Measured:
        """Recall of every gallery and language in one setting."""
        free = self._language_map(setting)
        measured = {}
        for gallery in self.galleries:
            vectors = self.videos(gallery, setting)
            for language, captions in gallery.captions.items():
                queries = free(self._encode(captions), captions, language)
                measured[gallery.name, language] = recall(
                    queries @ vectors.T, gallery.truth[language], CUTOFFS
                )
        return measured

    def videos(self, gallery: Gallery, setting: Setting) -> Vectors:
        """Unit vectors of a gallery's items, (items, dim)."""
        classes = np.mean(
            [self._encode([template.format(name) for name in self._names]) for template in setting.templates],
            axis=0,
        )
        if setting.language == "projection":
            classes = estimate_language_neutral_projection(self._samples[setting.means]).free(classes)
        classes = classes - classes.mean(axis=0)
        key = (gallery.name, setting.crop)
        if key not in self._features:
            self._features[key] = frame_features(gallery, self._bundle, crop=setting.crop)
        features = self._features[key]
        posteriors = self._posteriors(np.concatenate(features), setting)
        starts = np.cumsum([0, *(len(frames) for frames in features[:-1])])
        return unit_rows(np.add.reduceat(posteriors, starts, axis=0) @ classes)

    def _posteriors(self, features: Vectors, setting: Setting) -> Vectors:
        logits = (features @ self._weights.T + self._bias) / setting.temperature
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        if setting.top_k is not None:
            last = np.partition(weights, -setting.top_k, axis=1)[:, [-setting.top_k]]
            weights = np.where(weights >= last, weights, 0)
        return weights / weights.sum(axis=1, keepdims=True)

    def _language_map(self, setting: Setting) -> Callable[[Vectors, Sequence[str], str], Vectors]:
        """(vectors, their texts, their language) -> unit vectors to search with."""
        samples = self._samples[setting.means]
        means = {tag: vectors.mean(axis=0) for tag, vectors in samples.items()}
        centre = np.mean(list(means.values()), axis=0)
        space = estimate_language_neutral_projection(samples)
        maps: dict[str, Callable[[Vectors, Sequence[str], str], Vectors]] = {
            "none": lambda vectors, _texts, _tag: vectors,
            "true": lambda vectors, _texts, tag: vectors - means[tag],
            "detected": lambda vectors, texts, _tag: (
                vectors - np.stack([means.get(detect(text).language, centre) for text in texts])
            ),
            "projection": lambda vectors, _texts, _tag: space.free(vectors),
        }
        return lambda vectors, texts, tag: unit_rows(maps[setting.language](vectors, texts, tag))

    def check_shipped(self) -> None:
        """Make sure that the default setting is what the bundle does."""
        gallery = self.galleries[0]
        ours, its = (
            self.videos(gallery, Setting()),
            self._bundle.encode_video(self._features[gallery.name, False]),
        )
        captions = gallery.captions["sw"]
        queries = self._language_map(Setting())(self._encode(captions), captions, "sw")
        cosines = [(ours * its).sum(axis=1), (queries * self._bundle.encode_text(captions)).sum(axis=1)]
        apart = 1 - min(values.min() for values in cosines)
        if apart > 1e-3:
            raise SystemExit(f"this benchmark no longer does what the bundle does: cosine off by {apart:.4f}")


def remembering(encode: Callable[[list[str]], Vectors]) -> Callable[[Sequence[str]], Vectors]:
    """``encode`` with a memory on disk, keyed by the texts' digests."""
    path = work_dir() / "plain-texts.npz"
    known: dict[bytes, Vectors] = {}
    if path.is_file():
        with np.load(path, allow_pickle=False) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))

    def remembered(texts: Sequence[str]) -> Vectors:
        keys = [hashlib.sha256(text.encode()).hexdigest()[:24].encode() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if new:
            # Of similar length, so that little of a batch is padding.
            ordered = sorted(new, key=lambda key: len(new[key]))
            known.update(zip(ordered, encode([new[key] for key in ordered]), strict=True))
            np.savez(path, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
        return np.stack([known[key] for key in keys])

    return remembered


if __name__ == "__main__":
    sys.exit(main())
