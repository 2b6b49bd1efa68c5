"""The texts of the page in nine languages: gettext catalogues, plural rules, numbers and dates by Babel."""

from __future__ import annotations

import functools
import importlib.resources
import io
from datetime import UTC, date, datetime
from typing import Any

from babel import Locale, dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations
from babel.support import Translations as GettextTranslations
from markupsafe import Markup

from polyreel.errors import UnknownNameError
from polyreel.languages import STUDY_LANGUAGES, UNKNOWN

__all__ = ["Translations", "languages_in", "negotiate", "translations_in"]

_SOURCE = "en"


_TIME = Markup('<time datetime="{iso}" title="{title}"{kind}>{shown}</time>')


class Translations:
    """Texts, numbers and dates in one language.

    Attributes:
        tag: BCP-47 tag of the language.
        name: what it calls itself.
    """

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._locale = Locale.parse(tag)
        self._texts = _catalogue(tag)
        name = self._locale.get_display_name(tag) or tag
        self.name = name[0].upper() + name[1:]

    def gettext(self, message: str, /, **values: Any) -> Markup:
        """``message`` in this language, with ``%(name)s`` replaced; values are escaped, texts are trusted."""
        return Markup(self._texts.gettext(message)) % values  # noqa: S704

    def ngettext(self, one: str, many: str, n: int, /, **values: Any) -> Markup:
        """The text for ``n`` things.

        Args:
            one: English text for one thing.
            many: English text for several.
            n: how many there are; ``%(num)s`` stands for it.
            values: what replaces ``%(name)s``.
        """
        text = Markup(self._texts.ngettext(one, many, n))  # noqa: S704
        return text % {"num": self.number(n), **values}

    def number(self, value: float) -> str:
        """12,345.6 in the way of this language."""
        return str(numbers.format_decimal(value, locale=self._locale))

    def percent(self, share: float) -> str:
        """A share of 1 as whole percent."""
        return str(numbers.format_percent(share, locale=self._locale))

    def day(self, value: date) -> str:
        """A date."""
        return str(dates.format_date(value, "medium", locale=self._locale))

    def instant(self, value: datetime) -> Markup:
        """A date and a time: UTC, and by the page's script in the time zone of who reads it."""
        shown = str(dates.format_datetime(value.astimezone(UTC), "medium", locale=self._locale)) + " UTC"
        return _time(value, shown, shown)

    def day_of(self, value: datetime) -> Markup:
        """The day of an instant, in the same way."""
        shown = self.day(value.astimezone(UTC).date())
        return _time(value, shown, self.instant(value).striptags(), kind=Markup(' class="day"'))

    def length(self, seconds: float) -> str:
        """How long something lasts, in its largest fitting unit."""
        return str(dates.format_timedelta(round(seconds), threshold=1.2, locale=self._locale))

    def size(self, size_bytes: float) -> str:
        """Bytes for people: 12.3 MB."""
        unit = "B"
        for unit in ("B", "kB", "MB", "GB", "TB"):
            if size_bytes < 1000 or unit == "TB":
                break
            size_bytes /= 1000
        shown = round(size_bytes) if unit == "B" or size_bytes >= 100 else round(size_bytes, 1)
        return f"{self.number(shown)}\u00a0{unit}"

    def language(self, tag: str) -> str:
        """Name of another language; the tag itself where it has none."""
        try:
            name = Locale.parse(tag, sep="-").get_display_name(self._locale) if tag != UNKNOWN else None
        except (ValueError, LookupError):
            return tag
        return str(name or self.gettext("unknown"))


def translations_in(tag: str) -> Translations:
    """The texts in one of the nine languages.

    Raises:
        UnknownNameError: it is not one of them.
    """
    if tag not in STUDY_LANGUAGES:
        raise UnknownNameError("language of the page", tag, STUDY_LANGUAGES)
    return _cached(tag)


def negotiate(accepted: str) -> str:
    """The best of the nine for an ``Accept-Language`` header; English where none is wanted."""
    return next((tag for tag in languages_in(accepted) if tag in STUDY_LANGUAGES), _SOURCE)


def _time(value: datetime, shown: str, title: str, kind: str = "") -> Markup:
    iso = value.astimezone(UTC).isoformat(timespec="seconds")
    return _TIME.format(iso=iso, title=title, kind=kind, shown=shown)


def languages_in(accepted: str) -> list[str]:
    """The languages that an ``Accept-Language`` header wants, without regions, the most wanted first."""
    wanted: list[tuple[float, str]] = []
    for part in accepted.split(",")[:50]:
        tag, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=") or "1"
        try:
            weight = float(quality)
        except ValueError:
            continue
        base = tag.strip().lower().partition("-")[0]
        if base.isascii() and base.isalpha() and weight > 0:
            wanted.append((weight, base))
    # Equals stay in the order in which the browser named them.
    wanted.sort(key=lambda each: -each[0])
    return list(dict.fromkeys(base for _, base in wanted))


@functools.cache
def _cached(tag: str) -> Translations:
    return Translations(tag)


def _catalogue(tag: str) -> NullTranslations:
    if tag == _SOURCE:
        return NullTranslations()
    text = (importlib.resources.files("polyreel.server") / "locale" / f"{tag}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), locale=tag))
    compiled.seek(0)
    return GettextTranslations(compiled)
