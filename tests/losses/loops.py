"""The objectives once more, in float64 with loops over every text and item. Slow, and meant to be read."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


class Batch:
    """Arrays with the names of ``polyreel.models.Encoded``."""

    def __init__(self, **arrays: np.ndarray | None) -> None:
        self.__dict__.update(arrays)

    def items_with_video(self) -> list[int]:
        return [item for item in range(len(self.concept)) if self.video is not None and self.has_video[item]]

    def texts(self, language: int | None = None, *, with_video: bool = False) -> list[int]:
        return [
            text
            for text in range(len(self.text))
            if (language is None or self.language[text] == language)
            and (not with_video or self.has_video[self.owner[text]])
        ]

    def concept_of(self, text: int) -> int:
        return self.concept[self.owner[text]]


def nce(own: float, negatives: list[float]) -> float:
    return -np.log(np.exp(own) / (np.exp(own) + sum(np.exp(score) for score in negatives)))


def mean_over(groups: dict[object, list[float]], average: str) -> float:
    if not groups:
        return 0.0
    if average == "text":
        return float(np.mean([loss for losses in groups.values() for loss in losses]))
    return float(np.mean([np.mean(losses) for losses in groups.values()]))


def inter_modal(batch: Batch, t: float, average: str = "language") -> float:
    groups = defaultdict(list)
    for x in batch.texts(with_video=True):
        i, language = batch.owner[x], batch.language[x]
        own = batch.text[x] @ batch.video[i] / t
        videos = [
            batch.text[x] @ batch.video[j] / t
            for j in batch.items_with_video()
            if batch.concept[j] != batch.concept[i]
        ]
        texts = [
            batch.video[i] @ batch.text[y] / t
            for y in batch.texts(language, with_video=True)
            if batch.concept_of(y) != batch.concept[i]
        ]
        groups[language].append((nce(own, videos) + nce(own, texts)) / 2)
    return mean_over(groups, average)


def intra_modal(batch: Batch, t: float, average: str = "language") -> float:
    groups = defaultdict(list)
    for x in batch.texts():
        others = [
            batch.text[x] @ batch.text_masked[y] / t
            for y in batch.texts(batch.language[x])
            if batch.concept_of(y) != batch.concept_of(x)
        ]
        groups[batch.language[x]].append(nce(batch.text[x] @ batch.text_masked[x] / t, others))
    videos = []
    for i in batch.items_with_video():
        others = [
            batch.video[i] @ batch.video_masked[j] / t
            for j in batch.items_with_video()
            if batch.concept[j] != batch.concept[i]
        ]
        videos.append(nce(batch.video[i] @ batch.video_masked[i] / t, others))
    terms = [mean_over(groups, average), *([float(np.mean(videos))] if videos else [])]
    return float(np.mean(terms))


def text_pairs(
    batch: Batch, vectors: np.ndarray, t: float, *, average: str, pairs: str, with_video: bool
) -> float:
    groups = defaultdict(list)
    for x in batch.texts(with_video=with_video):
        for y in batch.texts(with_video=with_video):
            if x == y or batch.owner[x] != batch.owner[y]:
                continue
            if pairs == "languages" and batch.language[x] == batch.language[y]:
                continue
            others = [
                vectors[x] @ vectors[z] / t
                for z in batch.texts(batch.language[y], with_video=with_video)
                if batch.concept_of(z) != batch.concept_of(x)
            ]
            groups[batch.language[x], batch.language[y]].append(nce(vectors[x] @ vectors[y] / t, others))
    return mean_over(groups, average)


def conditional(batch: Batch, conditioner, t: float, *, average: str, ahead: int | None = None) -> float:
    """``conditioner(texts, videos)`` sees each text with the video of the same row."""
    with_video = batch.items_with_video()
    groups = defaultdict(list)
    for x in batch.texts(with_video=True):
        item = batch.owner[x]
        turn = with_video.index(item)
        near = {with_video[(turn + step) % len(with_video)] for step in range(1 + (ahead or 10**3))}
        seen = conditioner(batch.text, np.repeat(batch.video[item][None], len(batch.text), axis=0))
        for y in batch.texts(with_video=True):
            if item != batch.owner[y] or batch.language[x] == batch.language[y]:
                continue
            others = [
                seen[x] @ seen[z] / t
                for z in batch.texts(batch.language[y], with_video=True)
                if batch.concept_of(z) != batch.concept_of(x) and batch.owner[z] in near
            ]
            groups[batch.language[x], batch.language[y]].append(nce(seen[x] @ seen[y] / t, others))
    return mean_over(groups, average)


def distillation(
    batch: Batch, t: float, average: str = "language", *, english: int, sharpness: float = 1.0
) -> float:
    gallery = batch.items_with_video()

    def distribution(text: int, temperature: float) -> np.ndarray:
        weights = np.array([np.exp(batch.text[text] @ batch.video[i] / temperature) for i in gallery])
        return weights / weights.sum()

    groups = defaultdict(list)
    for x in batch.texts():
        teachers = [e for e in batch.texts(english) if batch.owner[e] == batch.owner[x]]
        if batch.language[x] == english or not teachers or not gallery:
            continue
        teacher = np.mean([distribution(e, sharpness * t) for e in teachers], axis=0)
        student = distribution(x, t)
        groups[batch.language[x]].append(
            sum(p * (np.log(p) - np.log(q)) for p, q in zip(teacher, student, strict=True))
        )
    return mean_over(groups, average)
