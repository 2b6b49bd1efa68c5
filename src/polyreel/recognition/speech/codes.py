"""Whisper's names of languages, and BCP-47's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from polyreel.errors import UsageError
from polyreel.languages import UNKNOWN, parse_tag

__all__ = ["tag_of", "whisper_codes"]

# Whisper's own name where it differs from the tag: an old code of Javanese, and Filipino's old name.
_CODES = {"jv": "jw", "fil": "tl", "nb": "no", "wuu": "zh", "zh-HK": "yue"}
_TAGS = {"jw": "jv", "tl": "fil"}


def tag_of(code: str) -> str:
    """The BCP-47 tag of one of Whisper's codes; "und" for one that stands for nothing."""
    return _TAGS.get(code) or parse_tag(code) or UNKNOWN


def whisper_codes(tags: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Whisper's codes of languages.

    Args:
        tags: BCP-47 tags or names ("de", "pt-BR", "Swahili").
        known: codes of the model: of two, the smaller may know fewer than its tokenizer has names for.

    Raises:
        UsageError: a language is none that the model knows; the message names all of those.
    """
    codes, strange = [], []
    available = set(known)
    for name in tags:
        tag = parse_tag(name) or name
        head = tag.partition("-")[0]
        code = next((c for c in (_CODES.get(tag, tag), _CODES.get(head, head)) if c in available), None)
        if code is None:
            strange.append(name)
        else:
            codes.append(code)
    if strange:
        raise UsageError(
            "the speech model does not know a language",
            value=", ".join(strange),
            remedy=f"Leave it out; it knows {', '.join(sorted(map(tag_of, available)))}",
        )
    return tuple(dict.fromkeys(codes))
