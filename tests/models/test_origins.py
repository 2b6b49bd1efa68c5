"""What encoders say that they were trained on."""

from __future__ import annotations

from polyreel.models.origins import origin_of
from polyreel.models.specs import TextTowerSpec


def test_the_bag_has_learnt_nothing_and_its_languages_share_nothing():
    origin = origin_of(TextTowerSpec(encoder="hashed-bag", head="none"))
    assert (origin.trained_on, origin.aligned) == ((), False)
    assert str(origin) == (
        "hashed-bag: trained on nothing, random weights; shared between languages: nothing"
    )
    assert origin_of(TextTowerSpec(encoder="hashed-bag")).shared == "the map behind it, of random weights"


def test_e5_says_that_it_has_read_translations_and_inference():
    origin = origin_of(TextTowerSpec())
    assert origin.aligned
    assert "translation pairs" in str(origin)
    assert "natural language inference" in str(origin)


def test_of_other_encoders_nothing_is_made_up():
    origin = origin_of(TextTowerSpec(encoder="some/folder"))
    assert (origin.trained_on, origin.aligned) == (None, None)
    assert "not known here" in str(origin)
