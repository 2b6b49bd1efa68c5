"""Words beside each other are rows, rows below each other blocks, and columns are read one by one."""

from __future__ import annotations

from polyreel.recognition.screen.rows import TextRow, join_rows, rows_of


def row(
    text: str, left: float, top: float, right: float, *, height: float = 20, sure: float = 0.9
) -> TextRow:
    return TextRow(text, sure, (left, top, right, top + height))


def texts(rows: list[TextRow]) -> list[str]:
    return [each.text for each in rows]


def test_words_on_one_row_are_joined_from_the_left():
    assert texts(rows_of([row("nine", 130, 11, 180), row("leaves at", 20, 10, 120)])) == ["leaves at nine"]


def test_chinese_is_joined_without_a_space():
    assert texts(rows_of([row("火车", 20, 10, 60), row("明天", 62, 10, 100)])) == ["火车明天"]
    assert texts(rows_of([row("火车", 20, 10, 60), row("K9", 62, 10, 100)])) == ["火车 K9"]


def test_columns_do_not_interleave():
    left = [row(f"left {n}", 20, 10 + 24 * n, 120) for n in range(3)]
    right = [row(f"right {n}", 300, 12 + 24 * n, 400) for n in range(3)]
    rows = rows_of([*right, *left])
    assert len(rows) == 6
    assert texts(join_rows(rows)) == ["left 0 left 1 left 2", "right 0 right 1 right 2"]


def test_a_heading_across_two_columns_joins_neither():
    rows = [row("heading", 20, 10, 400), row("left", 20, 34, 190), row("right", 220, 34, 400)]
    assert texts(join_rows(rows)) == ["heading", "left", "right"]


def test_rows_far_apart_or_of_other_heights_are_no_block():
    assert len(join_rows([row("one", 20, 10, 100), row("two", 20, 100, 100)])) == 2
    assert len(join_rows([row("one", 20, 10, 100, height=40), row("two", 20, 52, 100)])) == 2


def test_a_block_is_as_sure_as_its_worst_row_and_not_endless():
    block = join_rows([row("one", 20, 10, 100, sure=0.95), row("two", 20, 34, 100, sure=0.8)])
    assert [each.confidence for each in block] == [0.8]
    long = join_rows([row("word " * 10, 20, 10 + 22 * n, 100) for n in range(12)])
    assert len(long) > 1
    assert max(map(len, texts(long))) <= 201


def test_nothing_is_nothing():
    assert rows_of([]) == join_rows([]) == []
