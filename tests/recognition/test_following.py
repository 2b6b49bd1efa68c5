"""Texts of single pictures become lines with a start and an end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from polyreel.recognition.screen.following import ShownLine, TextFollower
from polyreel.recognition.screen.rows import TextRow


def row(text: str, *, left: float = 20, top: float = 300, sure: float = 0.95) -> TextRow:
    return TextRow(text, sure, (left, top, left + 10 * len(text), top + 20))


def followed(looks: Iterable[tuple[float, Sequence[TextRow]]], end_s: float) -> list[ShownLine]:
    follower = TextFollower()
    for time_s, rows in looks:
        follower.add(time_s, rows)
    return follower.finish(end_s)


def spans(lines: Iterable[ShownLine]) -> list[tuple[str, float, float]]:
    return [(line.text, line.start_s, line.end_s) for line in lines]


def test_what_stays_is_one_line_and_the_next_one_begins_where_it_ends():
    looks = [(0, [row("good morning")]), (2, [row("good morning")]), (4, [row("good evening to you")])]
    assert spans(followed(looks, 6)) == [("good morning", 0, 4), ("good evening to you", 4, 6)]


def test_a_line_that_one_picture_hides_is_one_line():
    looks = [(0, [row("good morning")]), (2, []), (4, [row("good morning")]), (6, []), (8, []), (10, [])]
    assert spans(followed(looks, 12)) == [("good morning", 0, 6)]


def test_a_logo_that_never_leaves_is_kept_once():
    looks = [(2 * n, [row("NEWS24", top=10), row(f"sentence {'abcdefghij'[n] * 9}")]) for n in range(10)]
    lines = followed(looks, 20)
    assert [line for line in spans(lines) if line[0] == "NEWS24"] == [("NEWS24", 0, 20)]
    assert len(lines) == 11


def test_a_logo_that_goes_for_a_while_is_not_told_again():
    looks = [(2 * n, [] if 6 <= n < 12 else [row("NEWS24", top=10)]) for n in range(20)]
    assert spans(followed(looks, 40)) == [("NEWS24", 0, 12)]
    away = [(2 * n, [] if 6 <= n < 30 else [row("NEWS24", top=10)]) for n in range(40)]
    assert spans(followed(away, 80)) == [("NEWS24", 0, 12), ("NEWS24", 60, 80)]


def test_of_several_readings_the_surest_is_kept():
    looks = [(0, [row("good mourning", sure=0.82)]), (2, [row("good morning", sure=0.99)])]
    assert spans(followed(looks, 4)) == [("good morning", 0, 4)]


def test_text_that_appears_letter_by_letter_is_one_line():
    looks = [(0, [row("the tra")]), (2, [row("the train leaves")]), (4, [row("the train leaves at nine")])]
    assert spans(followed(looks, 6)) == [("the train leaves at nine", 0, 6)]


def test_credits_that_move_are_one_line():
    looks = [(2 * n, [row("directed by Anna Nováková", top=300 - 60 * n)]) for n in range(4)]
    assert spans(followed(looks, 8)) == [("directed by Anna Nováková", 0, 8)]


def test_another_caption_with_some_of_the_same_words_is_another_line():
    days = ("Monday", "Tuesday", "Thursday")
    looks = [(2 * n, [row(f"{day} morning", sure=0.99)]) for n, day in enumerate(days)]
    assert [text for text, _, _ in spans(followed(looks, 6))] == [f"{day} morning" for day in days]


def test_a_caption_that_comes_back_after_a_still_picture_is_told_by_its_own_time():
    looks = [(0, [row("good morning")]), (2, []), (30, [row("good mornings")]), (40, [])]
    assert spans(followed(looks, 50)) == [("good morning", 0, 2), ("good mornings", 30, 40)]


def test_a_clock_is_one_line():
    looks = [(2 * n, [row(f"12:30:{2 * n:02}")]) for n in range(5)]
    assert spans(followed(looks, 10)) == [("12:30:00", 0, 10)]


def test_the_rows_of_a_caption_are_one_line_and_two_columns_are_two():
    caption = [row("the train leaves", top=280), row("at nine tomorrow", top=304)]
    assert spans(followed([(0, caption)], 2)) == [("the train leaves at nine tomorrow", 0, 2)]
    columns = [row("left", top=10), row("right", left=300, top=10)]
    assert [line.text for line in followed([(0, columns)], 2)] == ["left", "right"]


def test_what_is_seen_once_has_to_be_surer():
    once = [(0, [row("shapes", sure=0.85)]), (2, []), (4, [])]
    assert followed(once, 6) == []
    twice = [(0, [row("shapes", sure=0.85)]), (2, [row("shapes", sure=0.85)])]
    assert spans(followed(twice, 4)) == [("shapes", 0, 4)]


def test_lines_come_once_and_in_order_and_nothing_waits_for_a_logo():
    follower, told = TextFollower(), []
    for n in range(60):
        time_s = 2.0 * n
        follower.add(time_s, [row("NEWS24", top=10), row("abcdefghijklmnopqrst"[n // 3] * 12)])
        safe_s = follower.safe_s(time_s)
        assert safe_s <= time_s
        told += follower.lines(safe_s)
    assert follower.safe_s(118.0) >= 112
    assert len(told) >= 18
    told += follower.finish(120)
    assert len(told) == len(set(told)) == 21
    starts = [line.start_s for line in told if line.text != "NEWS24"]
    assert starts == sorted(starts)
