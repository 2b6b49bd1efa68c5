"""Schedule, running average, memo of text features, and what a step leaves in the logs."""

from __future__ import annotations

import sqlite3
import threading

import numpy as np
import pytest
import torch
from torch import nn

from polyreel.errors import TrainingError
from polyreel.training import text_memo
from polyreel.training.averaging import Average
from polyreel.training.logs import RunLog, read_log
from polyreel.training.recipe import OptimiserSpec
from polyreel.training.run import train
from polyreel.training.schedule import rate_factor
from polyreel.training.switch_rates import SwitchedIn, SwitchRates
from polyreel.training.text_memo import TextMemo


def test_the_rate_grows_then_follows_a_cosine():
    spec = OptimiserSpec(steps=104, warmup_steps=4)
    factors = [rate_factor(step, 104, spec) for step in range(104)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[54] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.001
    assert factors[4:] == sorted(factors[4:], reverse=True)
    constant = OptimiserSpec(steps=104, warmup_steps=4, decay="constant")
    assert {rate_factor(step, 104, constant) for step in range(4, 104)} == {1.0}


def test_the_average_follows_slowly_and_soon_forgets_the_start():
    parameter = nn.Parameter(torch.zeros(1))
    average, expected = Average({"p": parameter}, decay=0.99), 0.0
    for step in range(50):
        with torch.no_grad():
            parameter.fill_(step)
        average.update(step)
        decay = min(0.99, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert float(average.values["p"]) == pytest.approx(expected, rel=1e-5)
    with average.in_place():
        assert parameter.item() == pytest.approx(expected, rel=1e-5)
    assert parameter.item() == 49


class Encoder:
    """Vectors of random numbers, new ones at each call."""

    def __init__(self, dim: int = 4) -> None:
        self.asked: list[str] = []
        self.dim = dim

    def __call__(self, texts):
        self.asked += texts
        return np.random.default_rng().normal(size=(len(texts), self.dim)).astype(np.float32)


def test_a_text_is_encoded_once_for_all_runs(tmp_path):
    encoder = Encoder()
    memo = TextMemo(tmp_path / "memo.sqlite", encoder, dim=4)
    first = memo.of(["a", "b", "a"])
    assert np.array_equal(first[0], first[2])
    assert encoder.asked == ["a", "b"]
    other = TextMemo(tmp_path / "memo.sqlite", encoder, dim=4)
    assert np.array_equal(other.of(["b", "c", "a"])[[2, 0]], first[:2])
    assert encoder.asked == ["a", "b", "c"]
    assert (memo.computed, other.computed) == (2, 1)


def test_whoever_stored_first_is_right(tmp_path):
    """Two processes encode the same text at the same time: both go on with the very same numbers."""
    meet = threading.Barrier(2)

    def slowly(texts):
        meet.wait()
        return Encoder()(texts)

    memos = [TextMemo(tmp_path / "memo.sqlite", slowly, dim=4) for _ in range(2)]
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda memo=memo: found.append(memo.of(["a"]))) for memo in memos]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(*found)


def test_more_texts_than_one_query_takes(tmp_path):
    memo = TextMemo(tmp_path / "memo.sqlite", Encoder(), dim=4)
    texts = [str(number) for number in range(1_200)]
    first = memo.of(texts)
    assert np.array_equal(TextMemo(tmp_path / "memo.sqlite", Encoder(), dim=4).of(texts), first)


def test_a_full_memo_takes_nothing_more_and_the_next_run_begins_it_anew(tmp_path, monkeypatch):
    """Code-switched texts are new in every epoch and would fill the disk."""
    path = tmp_path / "memo.sqlite"
    monkeypatch.setattr(text_memo, "_STORED_BYTES", 200_000)
    memo = TextMemo(path, Encoder(256), dim=256)
    first = memo.of(["first"])
    for epoch in range(40):
        memo.of([f"{number} of {epoch}" for number in range(50)])
    late = memo.of(["last"])
    assert np.array_equal(memo.of(["last"]), late), "kept in memory"
    assert np.array_equal(memo.of(["first"]), first)
    memo.close()
    assert path.stat().st_size < 300_000
    again = TextMemo(path, Encoder(256), dim=256)
    again.of(["first"])
    assert again.computed == 1
    again.close()
    assert path.stat().st_size < 100_000


def test_the_memory_of_a_memo_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(text_memo, "_KEPT_BYTES", 100 * 2 * 4)
    memo = TextMemo(tmp_path / "memo.sqlite", Encoder(), dim=4)
    first = memo.of(["first"])
    for epoch in range(30):
        memo.of([f"{number} of {epoch}" for number in range(10)])
    assert len(memo._known) <= 100
    assert np.array_equal(memo.of(["first"]), first)


def test_a_memo_that_cannot_be_used_says_what_to_do(tmp_path):
    (tmp_path / "memo.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 10)
    with pytest.raises(TrainingError, match=r"cannot be kept.*memo\.sqlite.*delete the file"):
        TextMemo(tmp_path / "memo.sqlite", Encoder(), dim=4)
    memo = TextMemo(tmp_path / "other.sqlite", Encoder(), dim=4)
    memo.of(["a"])
    with sqlite3.connect(tmp_path / "other.sqlite") as base:
        base.execute("UPDATE vectors SET vector = x'00'")
    base.close()
    with pytest.raises(TrainingError, match="damaged"):
        TextMemo(tmp_path / "other.sqlite", Encoder(), dim=4).of(["a"])


def test_a_frozen_encoder_reads_each_text_once(world, tmp_path, monkeypatch):
    """With the whole encoder frozen, a second run encodes nothing and gives the same numbers."""
    monkeypatch.setenv("POLYREEL_CACHE", str(tmp_path / "cache"))
    model = world.document()["model"]
    text = {"encoder": model["text"]["encoder"], "pooling": "mean", "head": "linear"}
    recipe = world.recipe(model={**model, "text": text})
    train(recipe, out=tmp_path / "one", data=world.home)
    (stored,) = (tmp_path / "cache" / "text-features").glob("*.sqlite")
    before = stored.stat().st_mtime_ns
    train(recipe, out=tmp_path / "two", data=world.home)
    assert stored.stat().st_mtime_ns == before
    losses = [[line["loss"] for line in read_log(tmp_path / name)] for name in ("one", "two")]
    assert losses[0] == losses[1]


def test_every_term_is_logged_by_itself(world, tmp_path):
    train(world.recipe(), out=tmp_path, data=world.home)
    lines = [line for line in read_log(tmp_path) if line["kind"] == "step"]
    weights = {objective.name: objective.weight for objective in world.recipe().objectives}
    assert len(lines) == 10
    for line in lines:
        total = sum(weight * line[f"loss/{name}"] for name, weight in weights.items())
        assert line["loss"] == pytest.approx(total, rel=1e-5)
        assert {"rate", "gradient", "temperature", "texts", "texts_cut", "seconds"} <= line.keys()


def test_how_much_was_switched_is_logged(world, tmp_path):
    """Words without a translation stay, so it is less than the chance that the recipe gives."""
    recipe = world.recipe(code_switching={"languages": ["de"], "p": 1.0})
    done = train(recipe, out=tmp_path, data=world.home)
    lines = {line["epoch"]: line for line in read_log(tmp_path) if line["kind"] == "switching"}
    assert list(lines) == [0, 1], "120 clips of 78"
    assert all(0.05 < line["de"] < 0.5 for line in lines.values())
    assert done.switched == {"de": (lines[0]["de"], lines[1]["de"])}


def test_rates_are_counted_by_epoch_and_go_on():
    rates = SwitchRates()
    rates.add([SwitchedIn(0, 10, {"de": 2}), SwitchedIn(0, 10, {"fr": 1})])
    assert rates.news() == {0: {"de": 0.1, "fr": 0.05}}
    again = SwitchRates(rates.counts)
    again.add([SwitchedIn(1, 4, {})])
    again.add([SwitchedIn(0, 20, {"de": 2})])
    assert again.news() == {0: {"de": 0.1, "fr": 0.025}, 1: {}}
    assert again.news() == {}
    assert again.by_language() == {"de": (0.1, 0.0), "fr": (0.025, 0.0)}


def test_bfloat16_trains_too(world, tmp_path):
    losses = {}
    for precision in ("float32", "bf16"):
        train(world.recipe(precision=precision), out=tmp_path / precision, data=world.home)
        losses[precision] = [line["loss"] for line in read_log(tmp_path / precision)]
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.05)
    assert losses["bf16"] != losses["float32"]


def test_tensorboard_reads_the_same_numbers(world, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(world.recipe(), out=tmp_path, data=world.home)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    logged = [line["loss"] for line in read_log(tmp_path) if line["kind"] == "step"]
    assert [event.value for event in events.Scalars("step/loss")] == pytest.approx(logged, rel=1e-6)


def test_a_log_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path):
    log = RunLog(tmp_path, step=0)
    log.validation(1, {"mean/r@1": 5.0})
    log.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"kind": "validation", "st')
    assert [line["step"] for line in read_log(tmp_path)] == [1]
