"""The words of the page: every one of them, in each of the nine languages."""

from __future__ import annotations

import importlib.resources
import io
import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES
from polyreel.server.reasons import reason
from polyreel.server.translations import negotiate, translations_in

SERVER = Path(str(importlib.resources.files("polyreel.server")))
TRANSLATED = [tag for tag in STUDY_LANGUAGES if tag != "en"]
# Words that are the same in that language, looked at one by one.
SAME = {
    "de": {"Details", "Filter", "Token", "Videos"},
    "fr": {"Moments", "Pages", "%(num)s moment", "%(num)s moments"},
    "cs": {"Model", "Token"},
    "es": {"Token"},
    "vi": {"Video"},
    "sw": {"Video"},
    "zh": set(),
    "ru": set(),
}
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def messages() -> set[str | tuple[str, ...]]:
    """Everything that templates and code say, singular and plural together."""
    methods = [("**.py", "python"), ("templates/**.html", "jinja2")]
    options = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}
    return {
        found[2] if isinstance(found[2], str) else tuple(found[2][:2])
        for found in extract_from_dir(SERVER, methods, options)
    }


def catalogue(tag: str):
    return read_po(io.BytesIO((SERVER / "locale" / f"{tag}.po").read_bytes()), locale=tag)


def test_there_are_words_to_translate():
    assert len(messages()) > 140


@pytest.mark.parametrize("tag", TRANSLATED)
def test_every_message_is_translated_and_none_is_left_over(tag):
    known = {message.id: message for message in catalogue(tag) if message.id}
    assert set(known) == messages()
    for message in known.values():
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(forms), message.id
        assert not message.fuzzy, message.id


@pytest.mark.parametrize("tag", TRANSLATED)
def test_plurals_have_the_forms_of_their_language(tag):
    known = catalogue(tag)
    for message in known:
        if isinstance(message.id, tuple):
            assert len(message.string) == known.num_plurals, message.id


@pytest.mark.parametrize("tag", TRANSLATED)
def test_nothing_was_left_in_english(tag):
    for message in catalogue(tag):
        originals = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        same = {form for form in forms if form and form in originals}
        assert same <= SAME[tag], message.id


@pytest.mark.parametrize("tag", TRANSLATED)
def test_placeholders_survive_translation(tag):
    for message in catalogue(tag):
        if not message.id:
            continue
        original = message.id[-1] if isinstance(message.id, tuple) else message.id
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        for form in forms:
            assert sorted(PLACEHOLDER.findall(form)) == sorted(PLACEHOLDER.findall(original)), form


@pytest.mark.parametrize(
    ("tag", "texts"),
    [
        ("en", {1: "1 moment", 2: "2 moments", 1000: "1,000 moments"}),
        ("cs", {1: "1 okamžik", 3: "3 okamžiky", 5: "5 okamžiků", 22: "22 okamžiků"}),
        ("ru", {1: "1 момент", 3: "3 момента", 5: "5 моментов", 21: "21 момент", 1000: "1\xa0000 моментов"}),
        ("zh", {1: "1 个片段", 5: "5 个片段"}),
        ("fr", {0: "0 moment", 1: "1 moment", 2: "2 moments"}),
        ("de", {1: "1 Moment", 1000: "1.000 Momente"}),
    ],
)
def test_numbers_and_plurals_follow_the_language(tag, texts):
    words = translations_in(tag)
    for number, text in texts.items():
        assert words.ngettext("%(num)s moment", "%(num)s moments", number) == text


def test_dates_lengths_sizes_and_names_follow_the_language():
    day = date(2026, 3, 9)
    assert translations_in("de").day(day) == "09.03.2026"
    assert translations_in("zh").day(day) == "2026年3月9日"
    east = timezone(timedelta(hours=9))
    for instant in (datetime(2026, 3, 9, 14, 5, tzinfo=UTC), datetime(2026, 3, 9, 23, 5, tzinfo=east)):
        shown = translations_in("de").instant(instant)
        assert shown.striptags() == "09.03.2026, 14:05:00 UTC"
        assert '<time datetime="2026-03-09T14:05:00+00:00" title="09.03.2026, 14:05:00 UTC">' in shown
    shown = translations_in("de").day_of(datetime(2026, 3, 10, 4, 5, tzinfo=east))
    assert shown.striptags() == "09.03.2026"
    assert 'title="09.03.2026, 19:05:00 UTC" class="day"' in shown
    assert translations_in("cs").length(7200) == "2 hodiny"
    assert translations_in("de").size(12_345_678) == "12,3\xa0MB"
    assert translations_in("en").size(999) == "999\xa0B"
    assert translations_in("es").language("sw") == "suajili"
    assert translations_in("en").language("und") == "unknown"
    assert translations_in("en").language("not a tag") == "not a tag"
    assert [translations_in(tag).name for tag in ("cs", "sw", "zh", "vi")] == [
        "Čeština",
        "Kiswahili",
        "中文",
        "Tiếng Việt",
    ]


def test_values_are_escaped_and_texts_are_not():
    text = translations_in("en").gettext("Where it matches “%(query)s”", query="<script>100%</script>")
    assert text == "Where it matches “&lt;script&gt;100%&lt;/script&gt;”"


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("", "en"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("pl,ja;q=0.9", "en"),
        ("pl,zh-TW;q=0.4,fr;q=0.7", "fr"),
        ("sw;q=0,vi", "vi"),
        ("*;q=0.5", "en"),
        (";;;q=,", "en"),
        ("de;q=viel,ru;q=0.1", "ru"),
        ("x," * 10_000, "en"),
    ],
)
def test_the_browsers_language_decides(header, tag):
    assert negotiate(header) == tag


def test_another_language_is_refused():
    with pytest.raises(UnknownNameError, match="language of the page"):
        translations_in("pl")


def test_every_failure_of_reading_has_a_reason_of_its_own():
    words = translations_in("de")
    seen = {
        reason(message, words)
        for message in (
            "the file is empty: a.mp4 (0 bytes). Copy it again.",
            "the file is no video that can be opened: a.mp4.",
            "the file has no video stream: a.mp4.",
            "no decoder for this video's codec: a.mp4.",
            "nothing in the video stream decodes: a.mp4.",
            "decoding took too long and was stopped: a.mp4.",
            "the decoder crashed on this file: a.mp4.",
            "the file cannot be read: a.mp4.",
            "the same content failed under another name: a.mp4.",
            "the subtitle file is too large: a.srt.",
            "12 damaged packets",
        )
    }
    assert len({why for why, _ in seen}) == 11
    assert reason("the file is empty: a.mp4.", words) == ("Die Datei ist leer.", "Erneut kopieren.")
