"""What a run of a recipe takes on this machine, from a few steps on made-up input."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from polyreel.datasets.dataset_catalog import DatasetCatalog
from polyreel.errors import PolyreelError
from polyreel.languages import parts_in
from polyreel.training.assembly import build_engine, device_of
from polyreel.training.batches import Batch
from polyreel.training.distributed import Group
from polyreel.training.engine import Engine
from polyreel.training.recipe import DataSpec, Recipe
from polyreel.training.sampling import Position
from polyreel.training.step import train_step
from polyreel.training.text_memo import TextMemo
from polyreel.training.training_set import SharedSources, shared_sources, texts_of

__all__ = ["RunEstimate", "estimate_run", "sources_there"]

# Steps are measured on batches that grow from the first size, for so many seconds and with so much kept for
# the backward pass; their texts have so many words.
_FEWEST_ITEMS, _GROWTH = 2, 4
_STEPS_FOR_S, _TEXTS_FOR_S = 3.0, 1.0
_MOST_KEPT_BYTES = 512 << 20
_TRIES = 3
_WORDS = 12
_PROBE_TEXTS = 32
_SAMPLED_CLIPS = 50
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class RunEstimate:
    """What a run takes on this machine, from a few steps of a small batch.

    Attributes:
        trained, frozen: numbers in parameters.
        steps: of the run; None where it is given in epochs and the data is not there yet.
        texts: in a batch, at most.
        memory_bytes: of each process, beside what Python and PyTorch take: weights, gradients, moments,
            averages, and what the largest chunk keeps for its backward pass.
        step_s: seconds of a step, if all processes are as fast as this one; with texts that a frozen encoder
            has read before.
        unread: texts that it has not, about; 0 where its output is not kept.
        unread_s: seconds that it reads them in, once.
        device: measured on.
    """

    trained: int
    frozen: int
    steps: int | None
    texts: int
    memory_bytes: int
    step_s: float
    unread: int
    unread_s: float
    device: str


def estimate_run(recipe: Recipe, catalog: DatasetCatalog) -> RunEstimate:
    """Build the model and measure it for some seconds; no data is fetched or built.

    Raises:
        PolyreelError: the model cannot be built.
    """
    device = (
        torch.device("cpu")
        if recipe.device == "cuda" and not torch.cuda.is_available()
        else device_of(recipe)
    )
    probe = recipe.model_copy(update={"batch": recipe.batch.model_copy(update={"micro_batch": None})})
    # The probe needs no language-free space that is true, so it is not estimated from data.
    engine = build_engine(probe, [], total_steps=6, device=device, group=Group())
    texts_each = _texts_each(recipe)
    if engine.model.text.free is not None and not engine.model.text.free.known:
        engine.model.text.free.known.fill_(True)
    if engine.model.text.fresh is not None:
        engine.model.text.fresh.know(())
    steps = recipe.optimiser.steps or _steps_of_epochs(recipe, catalog)
    unread, unread_s = 0, 0.0
    if engine.memo is not None:
        unread = _unread(
            recipe, catalog, engine.memo, most=(steps or 1) * recipe.batch.batch_size * texts_each
        )
        unread_s = unread * _seconds_a_text(engine)
        engine.memo.close()
        engine.memo = _NoMemo(engine)  # type: ignore[assignment]
    kept = _kept_bytes(engine, _made_up(recipe, _FEWEST_ITEMS, texts_each)) / _FEWEST_ITEMS
    own = recipe.batch.batch_size / recipe.processes
    micro_batch = recipe.batch.micro_batch
    in_chunks = micro_batch is not None and micro_batch < own * texts_each
    # A micro-batch is so many texts or so many clips; the texts weigh more.
    at_once = (micro_batch or 0) / texts_each if in_chunks else own
    most = max(_FEWEST_ITEMS, min(recipe.batch.batch_size, int(_MOST_KEPT_BYTES / max(kept, 1))))
    parameters = [*engine.model.parameters(), *engine.objectives.parameters()]
    trained = sum(p.numel() for p in engine.named.values())
    everything = sum(p.numel() for p in parameters)
    copies = 3 + (recipe.optimiser.ema is not None)
    return RunEstimate(
        trained=trained,
        frozen=everything - trained,
        steps=steps,
        texts=recipe.batch.batch_size * texts_each,
        memory_bytes=int(_FLOAT_BYTES * (everything + copies * trained) + kept * at_once),
        # Chunks are computed a second time: one more forward pass to a backward pass of two.
        step_s=_step_seconds(engine, recipe, texts_each, own, most) * (4 / 3 if in_chunks else 1),
        unread=unread,
        unread_s=unread_s,
        device=device.type,
    )


def _unread(recipe: Recipe, catalog: DatasetCatalog, memo: TextMemo, *, most: int) -> int:
    """How many texts the run will be the first to read, of the corpora that are there, switched ones among
    them: as a share of some of the captions. ``most`` are drawn in all.
    """
    captions: Counter[str] = Counter()
    sample: list[str] = []
    for data in recipe.data:
        try:
            table = catalog.table(data.corpus) if catalog.where(data.corpus) is not None else None
        except PolyreelError:
            continue
        if table is None or data.split not in table.splits:
            continue
        rows, languages = table.rows(data.split), data.languages or recipe.languages
        for tag in languages:
            count = table.manifest.captions.get(data.split, {}).get(tag, 0)
            captions[tag] += min(count, (data.captions_per_language or count) * len(rows))
        for row in rows[:: max(1, len(rows) // _SAMPLED_CLIPS)]:
            sample += [text for texts in texts_of(table, int(row), languages).values() for text in texts]
    texts, switching = captions.total(), recipe.code_switching
    if switching is not None:
        drawn = most // _texts_each(recipe) * switching.copies
        texts += min(captions["en"] * (switching.variants or drawn), drawn)
    return round(min(texts, most) * (1 - memo.share_known(sample)))


def _seconds_a_text(engine: Engine) -> float:
    """Of the frozen encoder, at its best of what there is time for."""
    until, best = time.perf_counter() + _TEXTS_FOR_S, float("inf")
    texts = _sentences(_PROBE_TEXTS)
    while best == float("inf") or time.perf_counter() + best * len(texts) < until:
        began = time.perf_counter()
        engine.model.text.encode_frozen(texts)
        best = min(best, (time.perf_counter() - began) / len(texts))
    return best


def _step_seconds(engine: Engine, recipe: Recipe, texts_each: int, own: float, most: int) -> float:
    """Seconds of a step of ``own`` items, drawn from the steps of two sizes of batch, the larger at ``most``.

    A step has a part that does not grow with its batch, such as the optimiser's. Small batches come first, so
    that a slow machine is not kept busy: one is measured always, larger ones while there is time.
    """
    until = time.perf_counter() + _STEPS_FOR_S
    fastest: dict[int, float] = {}
    for step, items in enumerate(_growing(most), start=1):
        if fastest and time.perf_counter() + _drawn_on(fastest, items) > until:
            break
        seconds = train_step(engine, _made_up(recipe, items, texts_each), step).seconds
        fastest[items] = min(seconds, fastest.get(items, seconds))
    return _drawn_on(fastest, own)


def _drawn_on(fastest: Mapping[int, float], items: float) -> float:
    """Seconds of a step of ``items``, from the two largest sizes of ``fastest``, or in proportion to one."""
    *smaller, large = sorted(fastest)
    if not smaller:
        return fastest[large] / large * items
    # Never steeper than all of a step growing with its batch, nor flat.
    each = (fastest[large] - fastest[smaller[-1]]) / (large - smaller[-1])
    each = min(max(each, 0.1 * fastest[large] / large), fastest[large] / large)
    return max(fastest[large] + each * (items - large), each * items)


def _growing(most: int) -> Iterator[int]:
    """Sizes of batch: the smallest twice, as the first step of all is slower, the largest some times."""
    yield _FEWEST_ITEMS
    items = _FEWEST_ITEMS
    while items < most:
        yield items
        items *= _GROWTH
    yield from [most] * _TRIES


class _NoMemo:
    """Stands in for what a frozen encoder made before: a run has it for most texts."""

    def __init__(self, engine: Engine) -> None:
        self._width = engine.model.text.width

    def of(self, texts: Sequence[str]) -> object:
        rows = torch.randn(len(texts), self._width, generator=torch.Generator().manual_seed(0))
        return nn.functional.normalize(rows, dim=1).numpy()


def _texts_each(recipe: Recipe) -> int:
    texts = len(recipe.languages) if recipe.batch.captions == "all" else recipe.batch.captions
    texts += 0 if recipe.keywords is None else recipe.keywords.copies
    switching = recipe.code_switching
    return texts if switching is None else texts + switching.copies - (switching.place == "instead")


def _made_up(recipe: Recipe, items: int, texts_each: int) -> Batch:
    """A batch with the sizes of a real one."""
    generator = torch.Generator().manual_seed(0)
    video = recipe.model.video
    texts = _sentences(items * texts_each)
    shape = (items, recipe.batch.frames, 0 if video is None else video.features)
    return Batch(
        items=tuple(f"item {number}" for number in range(items)),
        concept=torch.arange(items),
        frames=None if video is None else torch.randn(shape, generator=generator),
        frame_mask=None if video is None else torch.ones(shape[:2], dtype=torch.bool),
        has_video=torch.full((items,), video is not None),
        texts=texts,
        parts=parts_in(texts, recipe.languages[0]),
        owner=torch.arange(items).repeat_interleave(texts_each),
        language=torch.arange(texts_each).remainder(len(recipe.text_languages)).repeat(items),
        item_key=torch.arange(items),
        text_key=torch.arange(len(texts)),
        switched=(),
        first=0,
        position=Position.start(1),
    )


def _sentences(number: int) -> tuple[str, ...]:
    """Different texts of a caption's length."""
    return tuple(" ".join(["video"] * _WORDS) + f" {one}" for one in range(number))


def _kept_bytes(engine: Engine, batch: Batch) -> int:
    """What a step keeps for its backward pass, beside the weights."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        train_step(engine, batch, 0)
    for tensor in engine.model.state_dict().values():
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(kept.values())


def sources_there(recipe: Recipe, catalog: DatasetCatalog) -> Iterator[tuple[DataSpec, SharedSources]]:
    """What each corpus that is there as a table has to train on."""
    for data in recipe.data:
        try:
            if catalog.where(data.corpus) is not None:
                yield data, shared_sources(catalog.table(data.corpus), data.split, data.without_sources_of)
        except PolyreelError:
            continue


def _steps_of_epochs(recipe: Recipe, catalog: DatasetCatalog) -> int | None:
    there = list(sources_there(recipe, catalog))
    if len(there) < len(recipe.data):
        return None
    items = sum(data.weight * found.remaining * (1 - (data.held_out or 0)) for data, found in there)
    return max(1, round((recipe.optimiser.epochs or 0) * items / recipe.batch.batch_size))
