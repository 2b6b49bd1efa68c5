"""English words before queries in languages of which the text encoder knows few words."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from polyreel.encoders.build.bundle_spec import shipped, training_free
from polyreel.encoders.build.small import identity, made_of
from polyreel.encoders.card import CARD_FILE
from polyreel.encoders.glosses import GLOSSES_FILE, glossed, read_glosses, write_glosses
from polyreel.encoders.runtime import Bundle
from polyreel.encoders.text_roles import encode_lines, encode_queries
from polyreel.errors import BundleError
from polyreel.packages.members import sha256_of

TABLE = {
    "sw": {
        "mwanamke": "woman",
        "kitabu": "book",
        "-imba": "sing",
        "-piga picha": "take photos",
        "jukwaa": "stage",
        "picha": "picture/photo",
        "nzuri": "beautiful/good",
        "video": "video",
        "-la": "eat",
    },
    "cs": {"žen*": "woman", "pes": "dog", "psa": "dog"},
    "vi": {"con chó": "dog", "chó": "dog", "đàn": "flock", "đàn ông": "man"},
}


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Mwanamke anayeimba jukwaani", "sw", "woman sing stage Mwanamke anayeimba jukwaani"),
        ("vitabu", "sw-TZ", "book vitabu"),
        ("kupiga picha", "sw", "take photos kupiga picha"),
        ("Ženami, ženy", "cs", "woman Ženami, ženy"),
        ("pes a psa", "cs", "dog pes a psa"),
        ("đàn ông và con chó", "vi", "man dog đàn ông và con chó"),
        ("a woman sings", "en", "a woman sings"),
        ("42 …", "sw", "42 …"),
        ("", "sw", ""),
        ("picha", "sw", "picture photo picha"),
        ("picha za video", "sw", "picture photo picha za video"),
        (
            "picha nzuri ya mwanamke na gari la zamani",
            "sw",
            "picture beautiful woman picha nzuri ya mwanamke na gari la zamani",
        ),
        ("kula", "sw", "eat kula"),
        ("gari la", "sw", "gari la"),
    ],
)
def test_what_the_table_has_of_a_query_stands_before_it(text, language, expected):
    assert glossed(text, language, TABLE) == expected


def test_a_table_is_read_as_it_was_written_and_anything_else_is_refused(tmp_path):
    path = tmp_path / GLOSSES_FILE
    write_glosses(path, TABLE)
    assert read_glosses(path) == TABLE
    for text in ("", "[1]", '{"sw": 3}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BundleError, match="glosses cannot be read"):
            read_glosses(path)


def test_the_table_that_comes_with_polyreel_is_of_the_default_bundle_alone():
    table = shipped().glosses
    assert set(table) == {"cs", "sw", "vi"}
    for words in table.values():
        for word, gloss in words.items():
            assert word == word.lower() == word.strip()
            assert gloss.isascii()
    assert training_free().glosses is None


def test_glosses_change_the_folder_of_a_bundle_but_no_library():
    spec = shipped()
    without = replace(spec, glosses=None)
    assert made_of(spec) != made_of(without)
    assert identity(spec.learnt, image="0") == identity(without.learnt, image="0")


def test_a_bundle_puts_them_before_queries_and_not_before_lines(tiny_bundle, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny_bundle.folder, folder)
    write_glosses(folder / GLOSSES_FILE, {"sw": {"mwanamke": "red"}})
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    card["files"][GLOSSES_FILE] = sha256_of(folder / GLOSSES_FILE)
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")
    told, text = Bundle(folder), "mwanamke anaimba jukwaani"
    plain = tiny_bundle.encode_text([text])
    written = tiny_bundle.encode_text([f"red {text}"])
    assert not np.array_equal(plain, written)
    assert np.array_equal(told.encode_text([text]), written)  # its language is detected
    assert np.array_equal(encode_queries(told, [text], ["sw"]), written)
    assert np.array_equal(encode_queries(told, [text], ["de"]), plain)
    assert np.array_equal(encode_lines(told, [text], ["sw"]), plain)
    assert told.card.text_key != tiny_bundle.card.text_key  # kept vectors of queries are of another bundle
    (folder / GLOSSES_FILE).write_text("{}")
    with pytest.raises(BundleError, match="damaged"):
        Bundle(folder).encode_text([text])
