"""Times and foreign text as they are shown."""

from __future__ import annotations

import pytest

from polyreel.units import clock, clock_span, printable, videos_in_files


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07 \x9b2J \x7f", r"\x1b]0;title\x07 \x9b2J \x7f"),
        ("abc\u202egpj.mp4 \u2066a\u2069", r"abc\u202egpj.mp4 \u2066a\u2069"),
        ("caf\udce9\r\n\tx\u2028", r"caf\udce9\r\n\tx\u2028"),
        ("狗 🐶 é e\u0301 नमस्ते \u200f שלום a\u200db [b]", "狗 🐶 é e\u0301 नमस्ते \u200f שלום a\u200db [b]"),
    ],
)
def test_text_that_would_command_a_terminal_is_shown_as_escapes(text, shown):
    assert printable(text) == shown


def test_what_is_kept():
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


@pytest.mark.parametrize(
    ("seconds", "digits", "shown"),
    [
        (7.4, 0, "0:07"),
        (9.64, 0, "0:10"),
        (2.5, 0, "0:03"),
        (59.5, 0, "1:00"),
        (3723, 0, "1:02:03"),
        (62.54, 1, "1:02.5"),
        (59.97, 1, "1:00.0"),
        (3723.4, 1, "1:02:03.4"),
    ],
)
def test_times_are_carried(seconds, digits, shown):
    assert clock(seconds, digits=digits) == shown


def test_no_moment_is_shown_without_a_length():
    assert clock_span(0, 0.4) == ("0:00", "0:01")
    assert clock_span(3.4, 9.64) == ("0:03", "0:10")


def test_contents_and_files_are_both_told_where_they_differ():
    assert videos_in_files(17, 18) == "17 videos in 18 files"
    assert (videos_in_files(1, 1), videos_in_files(0, 0)) == ("1 video", "no videos")
