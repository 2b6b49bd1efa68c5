"""The encoder that nobody aligned: features of each language by itself."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from polyreel.errors import UnknownNameError, UsageError
from polyreel.languages import parts_in
from polyreel.models.specs import HashedBagSpec, ModelSpec
from polyreel.models.towers import build_model

SPEC = {"encoder": "hashed-bag", "hashed_bag": {"languages": ["en", "de", "zh"], "buckets": 512, "width": 16}}


def tower(**changes):
    torch.manual_seed(0)
    model = {"text": {**SPEC, "head": "none", **changes}, "video": None, "dim": 16}
    return build_model(ModelSpec.model_validate(model)).text


def rows(text_tower, *parts):
    inputs = text_tower.prepare(["".join(part for _, part in parts)], [parts])
    return set(inputs.ids[inputs.mask].tolist())


def test_no_row_is_shared_between_languages():
    text = tower()
    english, german = rows(text, ("en", "a dog runs")), rows(text, ("de", "a dog runs"))
    assert max(english) < 512 <= min(german)
    assert max(german) < 1024
    assert {row + 512 for row in english} == german, "hashed alike, but apart"
    text(text.prepare(["Hund läuft"], parts_in(["Hund läuft"], "de"))).sum().backward()
    seen = text.encoder.rows.weight.grad.coalesce().indices()[0]
    assert ((seen >= 512) & (seen < 1024)).all()


def test_a_switched_word_is_hashed_in_the_language_it_was_switched_into():
    text = tower()
    mixed = rows(text, ("en", "a "), ("de", "Hund"), ("en", " runs, a "), ("zh", "大狗"))
    alone = rows(text, ("en", "a runs")) | rows(text, ("de", "hund")) | rows(text, ("zh", "大狗"))
    assert mixed == alone


def test_the_features_of_a_word_are_itself_and_its_stretches_of_four_and_five():
    text = tower(hashed_bag={"languages": ["en"], "buckets": 100_000, "width": 16})
    assert len(rows(text, ("en", "dogs"))) == 1 + 3 + 2  # <dog, dogs, ogs>; <dogs, dogs>
    assert len(rows(text, ("en", "a"))) == 1
    assert rows(text, ("en", "DOGS, (dogs)!")) == rows(text, ("en", "dogs"))
    assert len(rows(text, ("en", "dogs")) & rows(text, ("en", "hotdogs"))) == 3  # dogs, ogs>, dogs>


def test_a_text_is_the_mean_of_its_rows_and_one_without_words_is_something():
    text = tower()
    texts = ["the dog", "?!", ""]
    inputs = text.prepare(texts, parts_in(texts, "en"))
    weights = text.encoder.rows.weight
    expected = [weights[inputs.ids[at][inputs.mask[at]]].mean(dim=0) for at in range(3)]
    torch.testing.assert_close(text(inputs), torch.nn.functional.normalize(torch.stack(expected), dim=1))
    assert torch.equal(text(inputs.some(torch.tensor([1])))[0], text(inputs)[1])
    assert text.prepare([], []).ids.shape == (0, 0)


def test_the_languages_have_to_be_told_and_known():
    text = tower()
    with pytest.raises(UsageError, match="not told the languages"):
        text.prepare(["a dog"])
    with pytest.raises(UnknownNameError, match="no language of the text encoder has this name: 'fr'"):
        text.prepare(["un chien"], parts_in(["un chien"], "fr"))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"layer": 2}, "no layers: leave 'layer' out"),
        ({"frozen_below": 0}, "leave 'frozen_below' out"),
        ({"pooling": "transformer"}, "no other pooling than 'mean'"),
        ({"prefix": "query: "}, "leave 'prefix' out"),
        ({"language_free": True}, "needs pooling 'mean' and a frozen encoder"),
        ({"encoder": "e5-small"}, "'hashed_bag' describes the encoder 'hashed-bag'"),
    ],
)
def test_what_a_bag_does_not_have(wrong, said):
    with pytest.raises(ValidationError, match=said):
        tower(**wrong)


def test_languages_are_named_once():
    with pytest.raises(ValidationError, match="names one twice"):
        HashedBagSpec(languages=("en", "en"))


def test_its_weights_are_random_and_all_are_saved():
    one, other = tower(), tower()
    assert torch.equal(one.encoder.rows.weight, other.encoder.rows.weight), "by the seed alone"
    assert float(one.encoder.rows.weight.detach().std()) == pytest.approx(0.25, abs=0.01)
    assert not one.cacheable
    assert one.encoder.rows.weight.requires_grad
