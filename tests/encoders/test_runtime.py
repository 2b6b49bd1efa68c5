"""Running a bundle: vectors of the right shape, of whole texts, and only from parts that are intact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from polyreel.encoders.card import CARD_FILE
from polyreel.encoders.runtime import Bundle
from polyreel.errors import BundleError
from polyreel.packages.members import sha256_of

# Three meanings in the nine study languages; the first is English.
DOG = [
    "A dog runs along the beach.",
    "Ein Hund rennt am Strand entlang.",
    "Un chien court sur la plage.",
    "Po pláži běží pes.",
    "一只狗在海滩上奔跑。",
    "По пляжу бежит собака.",
    "Một con chó chạy dọc bãi biển.",
    "Mbwa anakimbia ufukweni.",
    "Un perro corre por la playa.",
]
COOK = [
    "A woman cuts vegetables in the kitchen.",
    "Eine Frau schneidet Gemüse in der Küche.",
    "Une femme coupe des légumes dans la cuisine.",
    "Žena krájí zeleninu v kuchyni.",
    "一个女人在厨房里切菜。",
    "Женщина режет овощи на кухне.",
    "Một người phụ nữ cắt rau trong bếp.",
    "Mwanamke anakata mboga jikoni.",
    "Una mujer corta verduras en la cocina.",
]
TRAIN = [
    "A train arrives at the station.",
    "Ein Zug fährt in den Bahnhof ein.",
    "Un train arrive en gare.",
    "Vlak přijíždí na nádraží.",
    "一列火车到达车站。",
    "Поезд прибывает на станцию.",
    "Một đoàn tàu đến nhà ga.",
    "Treni inawasili kituoni.",
    "Un tren llega a la estación.",
]


@pytest.fixture
def copied(tiny_bundle, tmp_path):
    return Path(shutil.copytree(tiny_bundle.folder, tmp_path / "copy"))


def lengths(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=1)


def test_vectors_have_the_shapes_of_the_card(small_bundle):
    card = small_bundle.card
    pictures = np.zeros((3, card.frames.height_px, card.frames.width_px, 3), np.uint8)
    features = small_bundle.encode_frames(pictures)
    clips = small_bundle.encode_video([features, features[:1]])
    texts = small_bundle.encode_text(["a dog", ""])
    assert (features.shape, features.dtype) == ((3, card.frames.dim), np.float32)
    assert (clips.shape, clips.dtype) == ((2, card.dim), np.float32)
    assert (texts.shape, texts.dtype) == ((2, card.dim), np.float32)
    np.testing.assert_allclose([*lengths(clips), *lengths(texts)], 1, atol=1e-5)
    np.testing.assert_allclose(clips[0], clips[1], atol=1e-4)


@pytest.mark.parametrize("which", ["small_bundle", "tiny_bundle"])
def test_nothing_in_gives_no_rows_out(request, which):
    bundle = request.getfixturevalue(which)
    card = bundle.card
    no_pictures = np.zeros((0, card.frames.height_px, card.frames.width_px, 3), np.uint8)
    no_features = bundle.encode_frames(no_pictures)
    assert bundle.encode_text([]).shape == (0, card.dim)
    assert no_features.shape == (0, card.frames.dim)
    assert bundle.encode_video([]).shape == (0, card.dim)
    np.testing.assert_array_equal(bundle.encode_video([no_features]), np.zeros((1, card.dim)))
    assert {part.dtype for part in (bundle.encode_text([]), no_features, bundle.encode_video([]))} == {
        np.dtype(np.float32)
    }


def test_long_text_is_never_cut(small_bundle):
    story, other = "the dog runs along the beach " * 100, "and then a rocket starts " * 20
    plain, other_end, other_start = small_bundle.encode_text([story, story + other, other + story])
    assert plain @ other_end < 0.995
    assert plain @ other_start < 0.995
    np.testing.assert_allclose(np.linalg.norm(other_end), 1, atol=1e-5)


def test_windows_are_weighed_by_their_length(tiny_bundle):
    # The tiny bundle reads 32 tokens at once, two of which are marks.
    red, blue = tiny_bundle.encode_text(["red", "blue"])
    (mixed,) = tiny_bundle.encode_text(["red " * 30 + "blue " * 8])
    expected = 32 * red + 10 * blue
    np.testing.assert_allclose(mixed, expected / np.linalg.norm(expected), atol=1e-5)


def test_rows_keep_their_order_whatever_their_length(small_bundle):
    texts = [" ".join(["dog", "Hund", "собака", "狗"] * (1 + (7 * i) % 11)) for i in range(20)]
    together = small_bundle.encode_text(texts)
    alone = np.concatenate([small_bundle.encode_text([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.999


def test_frames_in_batches_are_the_frames_alone(small_bundle):
    generator = np.random.default_rng(0)
    card = small_bundle.card.frames
    pictures = generator.integers(0, 256, (18, card.height_px, card.width_px, 3), np.uint8)
    together = small_bundle.encode_frames(pictures)
    last = small_bundle.encode_frames(pictures[-1:])
    np.testing.assert_allclose(together[-1:], last, atol=1e-3)


@pytest.mark.parametrize("column", range(9))
def test_a_sentence_is_nearest_to_its_translation(small_bundle, column):
    english = small_bundle.encode_text([meaning[0] for meaning in (DOG, COOK, TRAIN)])
    foreign = small_bundle.encode_text([meaning[column] for meaning in (DOG, COOK, TRAIN)])
    np.testing.assert_array_equal((foreign @ english.T).argmax(axis=1), [0, 1, 2])


@pytest.mark.parametrize("part", ["text.onnx", "tokenizer.json", "frames.onnx", "video.onnx"])
@pytest.mark.parametrize("harm", ["flip", "cut", "lose"])
def test_a_harmed_part_is_named_with_a_remedy(copied, part, harm):
    path = copied / part
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    match harm:
        case "flip":
            path.write_bytes(data)
        case "cut":
            path.write_bytes(data[:-1])
        case "lose":
            path.unlink()
    bundle = Bundle(copied)
    for use in (bundle.verify, lambda: use_all(bundle)):
        with pytest.raises(BundleError, match="damaged") as caught:
            use()
        assert str(path) in str(caught.value)
        assert "polyreel bundles build tiny --force" in caught.value.remedy


def use_all(bundle: Bundle) -> None:
    bundle.encode_text(["red"])
    bundle.encode_video([bundle.encode_frames(np.zeros((1, 16, 16, 3), np.uint8))])


def test_a_part_that_is_intact_but_no_model_is_a_bundle_error(copied):
    old = sha256_of(copied / "frames.onnx")
    (copied / "frames.onnx").write_bytes(b"no model")
    card = (copied / CARD_FILE).read_text().replace(old, sha256_of(copied / "frames.onnx"))
    (copied / CARD_FILE).write_text(card)
    with pytest.raises(BundleError, match=r"cannot be run: .*frames\.onnx"):
        use_all(Bundle(copied))


def test_a_tokenizer_that_is_intact_but_no_tokenizer_is_a_bundle_error(copied):
    old = sha256_of(copied / "tokenizer.json")
    (copied / "tokenizer.json").write_text("{}")
    card = (copied / CARD_FILE).read_text().replace(old, sha256_of(copied / "tokenizer.json"))
    (copied / CARD_FILE).write_text(card)
    with pytest.raises(BundleError, match=r"cannot be run: .*tokenizer\.json"):
        use_all(Bundle(copied))


def test_a_part_that_the_card_does_not_name_is_not_run(copied):
    digest = sha256_of(copied / "text.onnx")
    card = (copied / CARD_FILE).read_text().replace(f'"text.onnx": "{digest}"', f'"other.onnx": "{digest}"')
    (copied / CARD_FILE).write_text(card)
    with pytest.raises(BundleError, match=r"text\.onnx"):
        use_all(Bundle(copied))


def test_an_intact_bundle_is_verified(small_bundle, tiny_bundle):
    small_bundle.verify()
    tiny_bundle.verify()


@pytest.mark.parametrize("part", ["dim", "frames"])
def test_a_card_whose_width_is_not_that_of_the_model_is_blamed(copied, part):
    facts = json.loads((copied / CARD_FILE).read_text(encoding="utf-8"))
    if part == "dim":
        facts["dim"] += 1
    else:
        facts["frames"]["dim"] += 1
    (copied / CARD_FILE).write_text(json.dumps(facts), encoding="utf-8")
    bundle = Bundle(copied)
    side = bundle.card.frames
    picture = np.zeros((1, side.height_px, side.width_px, 3), np.uint8)
    with pytest.raises(BundleError, match="card contradicts its model") as caught:
        bundle.encode_text(["red"]) if part == "dim" else bundle.encode_frames(picture)
    assert str(copied / CARD_FILE) in str(caught.value)


def test_batches_encoded_beside_each_other_come_out_as_one_after_the_other(tiny_bundle):
    texts = [f"{'word ' * (number % 7)}{number}" for number in range(100)]
    alone = Bundle(tiny_bundle.folder, threads=1).encode_text(texts)
    assert np.array_equal(Bundle(tiny_bundle.folder, threads=3).encode_text(texts), alone)
