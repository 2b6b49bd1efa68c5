"""Why a file could not be read and what to do, in words that can be translated.

Messages are kept in English in the library. What they begin with says which of the explanations below
applies; the message itself stands beside it.
"""

from __future__ import annotations

from polyreel.server.translations import Translations

__all__ = ["reason"]


def reason(message: str, translations: Translations) -> tuple[str, str]:
    """Why, and what to do, for a message of ``media`` or ``library``."""
    _ = translations.gettext
    known = (
        ("the file is empty", _("The file is empty."), _("Copy it again.")),
        (
            ("the file is not a video", "the file is no video"),  # the latter as older libraries hold it
            _("This is not a video that can be opened. It may be damaged or cut short."),
            _("Play it elsewhere to see; copy it again if it plays there."),
        ),
        (
            "the file has no video stream",
            _("The file holds no pictures, perhaps only sound."),
            _("Nothing needs to be done."),
        ),
        (
            "no decoder",
            _("The file uses a format that is not known here."),
            _("Convert it to MP4."),
        ),
        (
            "nothing in the video stream decodes",
            _("Nothing in the file can be decoded."),
            _("Convert it again from its source."),
        ),
        (
            ("nothing of the sound decodes", "the file has no such sound track"),
            _("Its sound cannot be decoded."),
            _("Convert it again from its source."),
        ),
        (
            "decoding",
            _("Decoding took too much time or memory."),
            _("Convert it to a smaller size."),
        ),
        (
            "the decoder crashed",
            _("The decoder crashed on this file."),
            _("Convert it again from its source."),
        ),
        (
            ("the file cannot be read", "the file cannot be looked at", "no permission to read the file"),
            _("The file could not be read from the disk."),
            _("Check its permissions and its drive; it is tried again at every run."),
        ),
        (
            "the same content failed",
            _("Another file with the same content could not be read either."),
            _("See the other file."),
        ),
        (
            ("the subtitle", "no line of the subtitle", "reading the subtitle", "the closed captions"),
            _("The video is there, but not all of its subtitles could be read."),
            _("Save the subtitles as UTF-8 in SRT or VTT."),
        ),
        (
            (
                *("the file changed while", "the file is gone", "no such file"),
                "another file of the same content was not read",
            ),
            _("The file changed or went away while it was read."),
            _("Index again."),
        ),
        (
            "the file was read in part and cannot be searched yet",
            _("The run ended before the file was read to its end."),
            _("Index again; it goes on from there."),
        ),
        (
            "the decoder of this file was ended from outside",
            _("Something outside ended the reading of this file, perhaps for want of memory."),
            _("Index again."),
        ),
        (
            "the file is a playlist",
            _("The file is a playlist, which names other files."),
            _("Index the files that it names."),
        ),
        (
            "the folder cannot be read",
            _("The folder could not be opened."),
            _("Check its permissions and its drive; it is tried again at every run."),
        ),
        (
            "a pattern cannot be read",
            _("A pattern that says what to leave out cannot be understood."),
            _("Write it as in a .gitignore file."),
        ),
        (
            "the file name is not valid UTF-8",
            _("The file has a name that cannot be written."),
            _("Rename it."),
        ),
        (
            "not a regular file",
            _("This is not an ordinary file."),
            _("Nothing needs to be done."),
        ),
    )
    for beginning, why, what in known:
        if message.startswith(beginning):
            return why, what
    return (
        _("The file was read in part."),
        _("Play it elsewhere; convert it again from its source if something is missing."),
    )
