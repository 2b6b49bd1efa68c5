"""Subtitle files in the encodings of twenty-one languages, with the language in the name and without."""

from __future__ import annotations

import unicodedata

import pytest

from polyreel.media.charsets import decode_text

LATIN = ("cp1252", "iso8859_15", "mac_roman", "cp850")
CENTRAL = ("cp1250", "iso8859_2", "cp852", "mac_latin2")
CYRILLIC = ("cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic")
TEXTS = {
    "de": (
        LATIN,
        "Ein größerer Hund läuft über die Straße.|Zwei Mädchen üben für das schöne Fest.|Tschüss!",
    ),
    "fr": (
        LATIN,
        "Où es-tu allé ? Ça va très bien.|Un garçon mange une pêche près de l'école.|À bientôt !",
    ),
    "es": (
        LATIN,
        "El niño pequeño corre mañana por el jardín.|¿Dónde está la canción? ¡Qué ilusión!|Sí, señor.",
    ),
    "pt": (
        LATIN,
        "Não sei onde estão as crianças.|A menina não comeu o pão de manhã.|Até amanhã, irmão! Você é lá.",
    ),
    "sv": (
        LATIN,
        "En hund springer på stranden.|Två flickor äter äpplen på ängen.|Är det så? Jag förstår inte.",
    ),
    "da": (
        LATIN,
        "Hunden løber på stranden.|To piger spiser æbler på engen.|Er du sød? Jeg forstår ikke, hvor øen er.",
    ),
    "fi": (
        LATIN,
        "Koira juoksee rannalla tänään.|Tytöt syövät omenoita pihalla.|Hyvää päivää, mitä kuuluu äidille?",
    ),
    "cs": (
        CENTRAL,
        "Malý pes běží po pláži.|Děti si hrají s míčem na žluté louce.|Šťastný nový rok! Člověk musí vědět.",
    ),
    "pl": (
        CENTRAL,
        "Mały pies biegnie po plaży.|Dziewczynka je jabłko na łące.|Dziękuję, proszę pani. Źle się czuję.",
    ),
    "hu": (
        CENTRAL,
        "Egy kis kutya fut a tengerparton.|"
        "Két lány almát eszik a réten.|"
        "Köszönöm szépen! Őrült nő, hová ült?",
    ),
    "hr": (
        CENTRAL,
        "Mali pas trči po plaži.|Djevojčica jede jabuku na livadi.|Što želiš? Doći ću sutra, žao mi je.",
    ),
    "tr": (
        ("cp1254", "iso8859_9"),
        "Küçük bir köpek kumsalda koşuyor.|İki kız çayırda elma yiyor.|Teşekkür ederim, ağabey.",
    ),
    "ru": (
        CYRILLIC,
        "Собака бежит по пляжу и лает на чаек.|"
        "Дети играют с мячом на зелёной траве.|"
        "Что ты хочешь? Я не знаю.",
    ),
    "uk": (
        ("cp1251", "koi8_u", "iso8859_5", "mac_cyrillic"),
        "Собака біжить по пляжу і гавкає на чайок.|"
        "Діти граються з м'ячем на зеленій траві.|"
        "Що ти хочеш? Її немає вдома.",
    ),
    "bg": (
        CYRILLIC,
        "Кучето тича по плажа и лае по чайките.|"
        "Децата играят с топка на зелената трева.|"
        "Какво искаш? Не знам.",
    ),
    "el": (
        ("cp1253", "iso8859_7"),
        "Ένας σκύλος τρέχει στην παραλία.|Τα παιδιά παίζουν με μια μπάλα.|Τι θέλεις; Δεν ξέρω.",
    ),
    "he": (
        ("cp1255", "iso8859_8"),
        "כלב רץ על החוף ונובח.|הילדים משחקים בכדור על הדשא.|מה אתה רוצה? אני לא יודע.",
    ),
    "ar": (
        ("cp1256", "iso8859_6"),
        "كلب يجري على الشاطئ.|الأطفال يلعبون بالكرة على العشب.|ماذا تريد؟ أنا لا أعرف.",
    ),
    "zh": (
        ("gb18030", "gbk"),
        "一只狗在海滩上奔跑。|孩子们在草地上玩球。|你想要什么？我不知道。",
    ),
    "zh-Hant": (
        ("big5", "big5hkscs"),
        "一隻狗在沙灘上奔跑。|孩子們在草地上玩球。|你想要什麼？我不知道。",
    ),
    "ja": (
        ("cp932", "euc_jp", "iso2022_jp"),
        "犬が砂浜を走っています。|子供たちは公園で遊んでいる。|何が欲しいですか？わからない。",
    ),
    "ko": (
        ("cp949", "euc_kr"),
        "개가 해변을 달리고 있어요.|아이들이 잔디밭에서 공놀이를 해요.|뭐 하고 싶어? 나는 몰라요.",
    ),
}
UNICODE = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be")


def srt(text: str) -> str:
    lines = text.split("|")
    return "".join(
        f"{n}\r\n00:00:0{n},000 --> 00:00:0{n},900\r\n{line}\r\n\r\n" for n, line in enumerate(lines, 1)
    )


def combinations() -> list[tuple[str, str, str | None]]:
    return [
        (language, encoding, tag)
        for language, (encodings, _) in TEXTS.items()
        for encoding in encodings
        for tag in (None, language)
    ]


def test_nearly_every_legacy_encoding_is_found():
    wrong = []
    for language, encoding, tag in combinations():
        text = srt(TEXTS[language][1])
        found, _ = decode_text(text.encode(encoding), tag)
        if found != text:
            wrong.append((language, encoding, tag, found[36:80]))
    share = 1 - len(wrong) / len(combinations())
    assert share >= 178 / 182, f"{len(wrong)} of {len(combinations())}: {wrong}"


@pytest.mark.parametrize("language", list(TEXTS))
@pytest.mark.parametrize("encoding", UNICODE)
def test_unicode_is_found_with_and_without_its_mark(language, encoding):
    text = srt(TEXTS[language][1])
    assert decode_text(text.encode(encoding)) == (text, None)


@pytest.mark.parametrize("tag", [None, "vi"])
def test_vietnamese_with_its_marks_apart_is_found(tag):
    text = srt("Một con chó chạy trên bãi biển.|Trẻ em chơi bóng trên cỏ xanh.|Bạn muốn gì? Tôi không biết.")
    whole = "ăâđêôơưĂÂĐÊÔƠƯ"
    apart = "".join(
        char if char in whole else _tone_apart(char, whole) for char in unicodedata.normalize("NFC", text)
    )
    found, _ = decode_text(apart.encode("cp1258"), tag)
    assert unicodedata.normalize("NFC", found) == text


def _tone_apart(char: str, whole: str) -> str:
    parts = unicodedata.normalize("NFD", char)
    tones = "".join(part for part in parts if part in "\u0300\u0301\u0303\u0309\u0323")
    base = unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones))
    assert len(base) == 1 or not tones, (char, whole)
    return base + tones


@pytest.mark.parametrize("language", ["cs", "ru", "zh", "de"])
def test_one_broken_byte_costs_no_more_than_itself(language):
    data = srt(TEXTS[language][1]).encode()
    at = next(place for place, byte in enumerate(data) if byte > 0x7F)
    found, remark = decode_text(data[: at + 1] + b"\xff" + data[at + 1 :])
    assert found.replace("\ufffd", "").count("|") == 0
    assert TEXTS[language][1].split("|")[-1] in found
    assert "not valid UTF-8" in remark


def test_what_looks_like_no_language_is_a_guess_and_says_so():
    _, remark = decode_text(bytes(range(0x80, 0x100)) * 8)
    assert "guess" in remark
