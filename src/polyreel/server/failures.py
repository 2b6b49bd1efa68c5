"""Errors in words for people: what went wrong and what to do, in the language of the page."""

from __future__ import annotations

from dataclasses import dataclass

from polyreel.errors import (
    BundleError,
    LibraryBusyError,
    LibraryError,
    LimitError,
    MediaError,
    NotFoundError,
    PolyreelError,
    QueryError,
)
from polyreel.library.search.snapshot import NO_VIDEO_BELOW
from polyreel.server.errors import ForbiddenError, OverloadError, TooLargeError, TooManyError, public_error
from polyreel.server.translations import Translations

__all__ = ["Failure", "failure_of"]


@dataclass(frozen=True, slots=True)
class Failure:
    """What a page says of an error: a headline, what to do, and the error's own words, in English.

    ``is_open`` says that these are to be seen at once: the other two could be said of much else.
    """

    head: str
    text: str
    detail: str
    is_open: bool = False


def failure_of(error: PolyreelError, translations: Translations) -> Failure:
    """The texts for an error. The first kind that fits counts."""
    _ = translations.gettext
    detail = str(public_error(error))
    if error.what == NO_VIDEO_BELOW:
        return Failure(
            _("No video lies in this folder"),
            _("Choose another folder among the filters, or search in all."),
            detail,
            is_open=True,
        )
    known: tuple[tuple[type[PolyreelError], str, str], ...] = (
        (NotFoundError, _("It is not here, or no longer"), _("Search for it again; files may have moved.")),
        (QueryError, _("This query cannot be searched for"), _("Describe one moment in a sentence or two.")),
        (LimitError, _("The file takes too much to decode"), _("Try a smaller picture or clip.")),
        (MediaError, _("This file cannot be searched with"), _("Try another picture or clip.")),
        (LibraryBusyError, _("An index run is under way"), _("Wait for it to end; searching goes on.")),
        (
            LibraryError,
            _("The library cannot be read now"),
            _("Try again soon. If it stays so, look at its folder and its disk."),
        ),
        (BundleError, _("The model cannot be run"), _("Whoever runs the server finds help in its log.")),
        (TooLargeError, _("This is too large"), _("Send a smaller file or a shorter query.")),
        (TooManyError, _("This was too fast"), _("Wait a moment and try again.")),
        (OverloadError, _("Many are searching right now"), _("Wait a moment and try again.")),
        (ForbiddenError, _("This is not allowed"), _("Open the page again and repeat it from there.")),
    )
    for kind, head, text in known:
        if isinstance(error, kind):
            return Failure(head, text, detail, is_open=kind is ForbiddenError)
    head = _("The request was not understood")
    return Failure(head, _("Go back and try again from the page."), detail, is_open=True)
