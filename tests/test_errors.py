"""Errors: one tree, messages that say what to do, and a way between processes."""

from __future__ import annotations

import pickle
import re

import pytest

from polyreel import errors
from polyreel.errors import BundleError, PolyreelError, QueryError, UnknownNameError, UsageError

CLASSES = [found for name in errors.__all__ if isinstance(found := getattr(errors, name), type)]


def test_a_message_says_what_on_which_item_the_value_and_what_to_do():
    error = BundleError("a part is damaged", item="text.onnx", value="7 bytes", remedy="Build it again")
    assert str(error) == "a part is damaged: text.onnx (7 bytes). Build it again."
    assert str(BundleError("nothing is known")) == "nothing is known."
    # In a list, as in a report of what failed, Python shows it so.
    assert f"{[error]}" == f"[BundleError({str(error)!r})]"


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not UnknownNameError])
def test_every_error_survives_the_way_between_processes(kind):
    error = kind("what", item="item", value=3, remedy="remedy")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.what, again.item, again.value, again.remedy) == ("what", "item", 3, "remedy")
    assert str(again) == str(error)


def test_an_unknown_name_offers_the_nearest_or_all():
    near = UnknownNameError("bundle", "smal", ["small", "tiny"])
    assert str(near) == "no bundle has this name: 'smal'. Did you mean 'small'?"
    assert str(UnknownNameError("bundle", "x", ["b", "a"])).endswith("Known: a, b.")
    assert str(UnknownNameError("bundle", "x", [])).endswith("Known: none.")
    assert str(pickle.loads(pickle.dumps(near))) == str(near)


def test_wrong_usage_exits_with_two_and_failure_with_one():
    assert {kind.exit_code for kind in CLASSES if issubclass(kind, UsageError)} == {2}
    assert {kind.exit_code for kind in CLASSES if not issubclass(kind, UsageError)} == {1}
    assert QueryError.exit_code == 2


def test_the_tree_at_the_top_of_the_file_is_the_tree_of_the_classes():
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([\s│├└─]*)(\w+Error)\b", line):
            drawn.append((len(found[1]), found[2]))
    parents = {}
    for index, (depth, name) in enumerate(drawn[1:], start=1):
        parents[name] = next(above for at, above in reversed(drawn[:index]) if at < depth)
    assert parents == {kind.__name__: kind.__base__.__name__ for kind in CLASSES if kind is not PolyreelError}
    assert drawn[0][1] == "PolyreelError"
