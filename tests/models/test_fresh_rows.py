"""A language with word rows of its own, under a frozen body that reads the others as before."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from polyreel.errors import UsageError
from polyreel.languages import parts_in
from polyreel.models.origins import origin_of
from polyreel.models.specs import ModelSpec, TextTowerSpec
from polyreel.models.towers import TwoTowers, build_model
from polyreel.training.optimiser import LazyAdamW, clip_gradients

FRESH = {"languages": ["de"], "rows": 16}
SWITCHED = (("en", "the "), ("de", "hund"), ("en", " runs"))
TRAINING = [SWITCHED, (("de", "ein"), ("en", " dog"))]
TEXTS = ("a dog runs", "the cat sleeps on the beach", "hund")


def model_of(folder: Path, *, told: bool = True, **changes) -> TwoTowers:
    torch.manual_seed(0)
    text = {"encoder": str(folder), "head": "none", "fresh_rows": FRESH, **changes}
    model = build_model(ModelSpec.model_validate({"text": text, "video": None, "dim": 16}))
    if told and model.text.fresh is not None:
        model.text.know_fresh(TRAINING)
    return model


def embedded(model: TwoTowers, texts, language):
    model.eval()
    with torch.inference_mode():
        return model.embed_text(model.text.prepare(list(texts), parts_in(texts, language))).clone()


@pytest.fixture(params=["tiny_bert", "tiny_xlmr"])
def folder(request) -> Path:
    return request.getfixturevalue(request.param)


def trained(model: TwoTowers) -> list[str]:
    """Some steps of pulling a switched text to its English one; names of what has moved."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = LazyAdamW(learnt, lr=0.1)
    model.train()
    inputs = model.text.prepare(["the hund runs", "the dog runs"], [SWITCHED, (("en", "the dog runs"),)])
    for _ in range(5):
        optimiser.zero_grad()
        one, other = model.encode_text(inputs)
        (-(one @ other)).backward()
        clip_gradients(learnt, 1.0)
        optimiser.step()
    return [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]


def test_only_the_fresh_rows_of_the_pieces_that_are_seen_move(folder: Path) -> None:
    model = model_of(folder)
    before = model.text.fresh.rows.weight.detach().clone()
    moved = trained(model)
    assert len(moved) == 1
    assert moved[0].endswith(".rows.weight")
    seen = (model.text.fresh.rows.weight != before).any(dim=1).nonzero()[:, 0]
    inputs = model.text.prepare(["hund"], parts_in(["hund"], "de"))
    fresh = inputs.ids[inputs.ids >= model.text.fresh.words.num_embeddings]
    assert seen.tolist() == model.text.fresh.row_of[fresh - model.text.fresh.words.num_embeddings].tolist()


def test_other_languages_are_bit_for_bit_those_of_the_frozen_encoder(folder: Path) -> None:
    frozen, fresh = model_of(folder, fresh_rows=None), model_of(folder)
    trained(fresh)
    for language in ("en", "fr"):
        assert torch.equal(embedded(frozen, TEXTS, language), embedded(fresh, TEXTS, language))
    assert not torch.allclose(embedded(frozen, TEXTS, "de"), embedded(fresh, TEXTS, "de"), atol=0.01)


def test_training_brings_a_switched_text_to_its_english_one(folder: Path) -> None:
    model = model_of(folder)
    english = embedded(model, ["dog"], "en")[0]
    before = float(embedded(model, ["hund"], "de")[0] @ english)
    trained(model)
    assert float(embedded(model, ["hund"], "de")[0] @ english) > before


def test_a_gradient_is_that_of_all_texts_together(tiny_bert: Path) -> None:
    """Texts without a fresh piece are computed apart, without gradient."""
    model = model_of(tiny_bert)
    inputs = model.text.prepare(["the hund runs", "the dog runs"], [SWITCHED, (("en", "the dog runs"),)])
    one, other = model.text(inputs)
    with torch.no_grad():
        torch.testing.assert_close(torch.stack([one, other]), model.text(inputs))
    assert one.requires_grad
    (one @ torch.ones(16)).backward()
    assert model.text.fresh.rows.weight.grad.coalesce().indices().shape == (1, 1)


def test_texts_without_any_fresh_piece_can_be_a_batch(tiny_bert: Path) -> None:
    model = model_of(tiny_bert)
    vectors = model.encode_text(model.text.prepare(["the dog"], parts_in(["the dog"], "en")))
    vectors.sum().backward()
    assert not model.text.fresh.rows.weight.grad.coalesce().values().any()


def test_pieces_that_training_does_not_have_share_a_row(tiny_bert: Path) -> None:
    fresh = model_of(tiny_bert).text.fresh
    assert fresh.own_rows == 2  # ein, hund
    model = model_of(tiny_bert)
    known, unseen = embedded(model, ["ein", "hund"], "de"), embedded(model, ["cat", "dog"], "de")
    assert torch.equal(*unseen)
    assert not torch.allclose(*known, atol=0.01)
    assert torch.isfinite(embedded(model, ["zebra !", ""], "de")).all()


def test_what_has_no_letter_is_of_no_language(tiny_xlmr: Path) -> None:
    text = model_of(tiny_xlmr).text
    own = text.fresh.words.num_embeddings
    for tag, fresh in (("de", 1), ("en", 0)):
        inputs = text.prepare(["dog 1, ▁!"], [((tag, "dog 1, ▁!"),)])
        assert int((inputs.ids >= own).sum()) >= fresh
        assert inputs.ids[0, 0] < own
        assert inputs.ids[0, -1] < own
    assert not (text.prepare(["dog"], [(("en", "dog"),)]).ids >= own).any()


def test_a_prefix_keeps_its_ids(tiny_bert: Path) -> None:
    text = model_of(tiny_bert, prefix="a cat ").text
    inputs = text.prepare(["the hund runs"], [SWITCHED])
    assert (inputs.ids[0] >= text.fresh.words.num_embeddings).nonzero()[:, 0].tolist() == [4]


def test_the_languages_and_the_pieces_have_to_be_told(tiny_bert: Path) -> None:
    with pytest.raises(UsageError, match="not told which pieces they are for"):
        model_of(tiny_bert, told=False).text.prepare(["hund"], parts_in(["hund"], "de"))
    with pytest.raises(UsageError, match="not told the languages"):
        model_of(tiny_bert).text.prepare(["hund"])
    with pytest.raises(UsageError, match=r"Set 'fresh_rows.rows' to 3 or more"):
        model_of(tiny_bert, fresh_rows={"languages": ["de"], "rows": 2})
    with pytest.raises(UsageError, match="no fresh rows"):
        model_of(tiny_bert, fresh_rows=None).text.know_fresh(TRAINING)


def test_rows_and_whose_they_are_are_saved(tiny_bert: Path) -> None:
    model = model_of(tiny_bert)
    trained(model)
    again = model_of(tiny_bert, told=False)
    again.load_own_state(model.own_state())
    assert torch.equal(embedded(model, ["ein hund"], "de"), embedded(again, ["ein hund"], "de"))
    assert not model.text.cacheable
    assert not any("layers" in name for name in model.own_state())


def test_each_of_two_languages_has_rows_of_its_own(tiny_bert: Path) -> None:
    model = model_of(tiny_bert, told=False, fresh_rows={"languages": ["de", "fr"], "rows": 16})
    model.text.know_fresh([*parts_in(["hund"], "de"), *parts_in(["hund"], "fr")])
    assert model.text.fresh.own_rows == 2
    for word in ("hund", "cat"):  # with a row of its own, and without
        german, french = (embedded(model, [word], tag) for tag in ("de", "fr"))
        assert not torch.allclose(german, french, atol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frozen_below": 2}, "leave 'frozen_below' out"),
        ({"adapters": {}}, "leave 'adapters' out"),
        ({"pooling": "transformer"}, "leave the pooling 'transformer' out"),
        ({"dropout": 0.1}, "leave 'dropout' out"),
        ({"encoder": "hashed-bag"}, "leave the encoder 'hashed-bag' out"),
        ({"language_free": True}, "needs pooling 'mean' and a frozen encoder"),
        ({"fresh_rows": {"languages": ["de", "de"]}}, "names one twice"),
        ({"fresh_rows": {"languages": ["de", "fr"], "rows": 2}}, "'rows' must be more than 'languages'"),
    ],
)
def test_nothing_else_of_the_encoder_is_trained(wrong, said) -> None:
    with pytest.raises(ValidationError, match=said):
        TextTowerSpec.model_validate({"encoder": "e5-small", "fresh_rows": FRESH, **wrong})


def test_a_report_says_what_is_random() -> None:
    said = str(origin_of(TextTowerSpec.model_validate({"encoder": "e5-small", "fresh_rows": FRESH})))
    assert "translation pairs" in said
    assert said.endswith("all weights, but for the word rows of de, which are random at the start")
