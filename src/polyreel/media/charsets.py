"""Which encoding a subtitle file is in.

UTF-8 and UTF-16 show themselves. The others are tried, those of the file's language first, and judged by the
letters that come out: a language has few letters beyond ASCII, and a wrong encoding gives others.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from polyreel.languages import detect

__all__ = ["decode_text"]

# Letters beyond ASCII of each language, common characters alone where a language has thousands.
_LETTERS = {
    "en": "éèêïöñç",
    "de": "äöüßÄÖÜ",
    "fr": "éèàêçùâîôûëïœÉÀÇÊ",
    "es": "áéíóúñüÁÉÍÓÚÑ",
    "pt": "ãáçéõêóíâúàôÃÁÇÉÓÍ",
    "it": "àèéìòùÈÀ",
    "nl": "ëéïèöü",
    "ca": "àèéíòóúçïü",
    "sv": "äåöÄÅÖé",
    "da": "æøåÆØÅé",
    "no": "æøåÆØÅé",
    "fi": "äöåÄÖ",
    "is": "áðéíóúýþæöÁÐÉÍÓÚÝÞÆÖ",
    "cs": "áčďéěíňóřšťúůýžÁČĎÉÍŇŘŠŤÚŽ",
    "sk": "áäčďéíľĺňóôŕšťúýžÁČĎÍĽŠŤÚŽ",
    "pl": "ąćęłńóśźżĄĆĘŁÓŚŹŻ",
    "hu": "áéíóöőúüűÁÉÍÓÖŐÚÜŰ",
    "ro": "ăâîșțşţĂÂÎȘȚŞŢ",
    "hr": "čćđšžČĆĐŠŽ",
    "sl": "čšžČŠŽ",
    "tr": "çğıöşüÇĞİÖŞÜâî",
    "lt": "ąčęėįšųūžĄČĘĖĮŠŲŪŽ",
    "lv": "āčēģīķļņšūžĀČĒĢĪĶĻŅŠŪŽ",
    "et": "äõöüšžÄÕÖÜ",
    "vi": "ăâđêôơưàáảãạèéẻẽẹìíỉĩịòóỏõọùúủũụỳýỷỹỵĂÂĐÊÔƠƯ\u0300\u0301\u0303\u0309\u0323",
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъёАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЭЮЯ",
    "uk": "оаинівтерсклудмпьязбгйчхжцюїшєщфґАБВГДЕЄЖЗИІЇЙКЛМНОПРСТУФХЦЧШЩЮЯ",
    "bg": "аеиотнрсвлдкпмзъугябчцщйшжхфюьАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЮЯ",
    "sr": "аоиенртсвукдлјмпзгбшчњцжђћхљфџАБВГДЂЕЖЗИЈКЛМНОПРСТЋУФХЦЧЏШ",
    "el": "αοιετσνηυρπκμλςωγάίόέδήθχφύώβξζψΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩΆΈΉΊΌΎΏϊϋΐ",
    "he": "יוהלאםרמתבשנכדעקחטפגסןזצךץף",
    "ar": "اليمنوترهبدسفعقكجحةصشأخطذىضغزئثءظإآؤ،؟",
    "fa": "ايیرندهمتوسبشزكکگخفعجپقحطصآچغضثذلئظءأژ،؟",
    "th": "านรอกเง่มยลวดท้สตะปบคีหัแิจพชข็ใไผุธโูถซศื์ำฐญณึฉฟษภฎฏฑฒฬฮฝฆ๊๋ฤๆฯ",
    "zh": (
        "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能"
        "好都然没日于起还发成事只作当想看文无开手用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此"
        "实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真"
        "听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路"
        "期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共风战干接它许八特觉望直服毛林题建南度统"
        "色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红治决周保达办运武半"
        "候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容"
        "研像找友孩站广改议形委早房音火际则首单据导影失拿网香似斯专石若兵弟谁校读志飞观争究包组造落视济喜离虽坏狗猫球跑沙滩草"
        "這來個國說們為時過學對裡後麼還發當無開見經頭從動兩長樣現將與進實點種聲話兒問機給幾業間電門東氣關並內軍產萬體別處總場師隻孩園變頭兒聽說嗎"
        "書員華報馬張難數車應親務記邊風戰覺題統請愛讓認論義術結連遠資隊帶條變聯權領傳紅決達辦運強區轉眾輕語滿寫識極黃臉錢黨設雙"
        "歷議單據導影網專誰讀飛觀爭組視濟喜離雖壞貓沙灘喝咖啡嗎吧啊哦嗯您哪早晚謝谢对起歡欢迎"
    ),
    "ko": (
        "이다는가에을고를은의하지나로서한도아니어사자기리그있게해라시인거대요일내정면들여수만스보우안구마부전제오무상주원장소모"
        "말생신성과야비없습든었았것너당제저네러려더중동공국조문재경방식살할합될된됩돼진음간날잘못왜뭐누어디금잠깐같함께좋싫알몰"
        "까데와개월년분초세계실학교물불바람밤낮눈코입손발머리마음사랑친구엄빠형누나동생선남여집길차돈책영화노래춤운축람두바닷갈매"
    ),
    "ja": "",  # kana alone tell, see _weight
}
_CYRILLIC = ("cp1251", "koi8_u", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic")
_CENTRAL = ("cp1250", "iso8859_2", "cp852", "mac_latin2")
_WESTERN = ("cp1252", "iso8859_15", "cp850", "mac_roman")
# Of these the letters above stand in the order of their frequency.
_BY_FREQUENCY = frozenset({"ru", "uk", "bg", "sr", "el", "he", "ar", "fa", "th"})
# Letters that stand at the end of a word alone.
_FINAL = frozenset("ςךםןףץ")
_ENCODINGS = {
    **dict.fromkeys(("en", "de", "fr", "es", "pt", "it", "nl", "ca", "sv", "da", "no", "fi", "is"), _WESTERN),
    **dict.fromkeys(("cs", "sk", "pl", "hu", "ro", "hr", "sl"), _CENTRAL),
    **dict.fromkeys(("ru", "uk", "bg", "sr"), _CYRILLIC),
    "tr": ("cp1254", "cp857"),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257", "iso8859_13", "iso8859_4", "cp775")),
    "vi": ("cp1258",),
    "el": ("cp1253", "iso8859_7", "cp737"),
    "he": ("cp1255", "iso8859_8", "cp862"),
    "ar": ("cp1256", "iso8859_6"),
    "fa": ("cp1256",),
    "th": ("cp874",),
    "zh": ("gb18030", "big5hkscs"),
    "ja": ("cp932", "euc_jp"),
    "ko": ("cp949",),
}
# Signs that every language may use; they say nothing.
_NEUTRAL = frozenset("“”„‘’‚«»‹›–—…•¿¡°§№€£™♪♫´\u00a0、。，！？：；（）「」『』《》・ー～　·")
_APOSTROPHES = frozenset("’‘´·…")
_UTF16_ARROW = (("utf-16-le", b"-\0-\0>\0"), ("utf-16-be", b"\0-\0-\0>"))
_SAMPLE_BYTES = 6_000
_UNSURE_BELOW = 0.5
# A language that the identifier sees too is worth as much as this share of right letters.
_DETECTION_BONUS = 0.3
_CONTENDERS = 6
_BAD_UTF8 = re.compile("\ufffd")


def decode_text(data: bytes, language: str | None = None) -> tuple[str, str | None]:
    """The text of a subtitle file, and a remark if its encoding is in doubt.

    Args:
        data: the file.
        language: BCP-47 tag of its language, None if it is not known.
    """
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return _lenient(data[2:], encoding)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    else:
        if "\0" not in text:
            return _lenient(data, "iso2022_jp") if b"\x1b$" in data else (text, None)
    for encoding, arrow in _UTF16_ARROW:
        if data.find(arrow) % 2 == 0 or _is_utf16(data, encoding):
            return _lenient(data, encoding)
    text = data.decode("utf-8-sig", errors="replace")
    bad = len(_BAD_UTF8.findall(text))
    good = sum(char > "\x7f" for char in text) - bad
    if bad * 2 <= good or "\0" in text:
        return text, f"{bad} bytes are not valid UTF-8"
    return _guess(data, language)


def _lenient(data: bytes, encoding: str) -> tuple[str, str | None]:
    text = data.decode(encoding, errors="replace")
    bad = text.count("\ufffd")
    return text, f"{bad} characters are not valid {encoding}" if bad else None


def _is_utf16(data: bytes, encoding: str) -> bool:
    zeros = data[encoding == "utf-16-le" :: 2].count(0)
    others = data[encoding != "utf-16-le" :: 2].count(0)
    return zeros > len(data) / 8 and others == 0


def _guess(data: bytes, tag: str | None) -> tuple[str, str | None]:
    sample = b"\n".join(line for line in data.splitlines() if not line.isascii())[:_SAMPLE_BYTES]
    named = (tag or "").split("-")[0]
    languages = [named] if named in _ENCODINGS else list(_ENCODINGS)
    best: dict[str, tuple[float, str, str]] = {}  # text -> its score, encoding and language
    for language in languages:
        for encoding in _ENCODINGS[language]:
            text = sample.decode(encoding, errors="replace")
            score = _score(text, language)
            if text not in best or score > best[text][0]:
                best[text] = (score, encoding, language)
    ranked = sorted(best.items(), key=lambda entry: -entry[1][0])
    if len(languages) > 1:
        ranked = sorted(ranked[:_CONTENDERS], key=lambda entry: -_with_detection(*entry))
    _, (score, encoding, _) = ranked[0]
    if score < _UNSURE_BELOW and len(languages) == 1:
        return _guess(data, None)  # the name says one language, the letters are those of another
    remark = f"the encoding is a guess ({encoding})" if score < _UNSURE_BELOW else None
    return data.decode(encoding, errors="replace"), remark


def _with_detection(text: str, candidate: tuple[float, str, str]) -> float:
    score, _, language = candidate
    found = detect(unicodedata.normalize("NFC", text))
    return score + (_DETECTION_BONUS * found.confidence if found.language.split("-")[0] == language else 0.0)


def _score(text: str, language: str) -> float:
    """Mean plausibility, at most 1, of the characters beyond ASCII as text in ``language``."""
    weights = _weights(language)
    total, count, before = 0.0, 0, " "
    for char, after in zip(text, f"{text[1:]} ", strict=True):
        in_word = before.isalpha() and after.isalpha() and char not in _APOSTROPHES
        if char > "\x7f" and (in_word or char not in _NEUTRAL):
            total += _weight(char, before, after, weights, language)
            count += 1
        before = char
    return total / count if count else 1.0


@functools.cache
def _weights(language: str) -> dict[str, float]:
    letters = _LETTERS[language]
    if language not in _BY_FREQUENCY:
        return dict.fromkeys(letters, 1.0)
    return {letter: 1.0 if place < 10 else 0.8 if place < 20 else 0.5 for place, letter in enumerate(letters)}


def _weight(char: str, before: str, after: str, weights: dict[str, float], language: str) -> float:
    kind = unicodedata.category(char)
    if char == "\ufffd" or kind in {"Cc", "Co", "Cn"}:
        return -3.0
    if language == "ja":
        if "\u3040" <= char <= "\u30ff":
            return 1.0
        return 0.4 if "\u4e00" <= char <= "\u9fff" else -1.0
    if language in _BY_FREQUENCY and any(side.isascii() and side.isalpha() for side in (before, after)):
        return -1.0  # two scripts in one word
    if char in _FINAL and after.isalpha():
        return -1.0
    if char in weights:
        # A capital in the middle of a word is what KOI8 and CP1251 make of each other.
        return -1.0 if char.isupper() and before.islower() else weights[char]
    if language in {"zh", "ko"} and kind == "Lo":
        is_own = ("\uac00" <= char <= "\ud7a3") == (language == "ko")
        return 0.1 if is_own else -0.5
    return -1.0
