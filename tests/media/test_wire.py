"""Messages between the decoder and its parent."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyreel.media.wire import MAX_HEADER, MAX_PAYLOAD, read_message, write_message

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.tuples(st.dictionaries(st.text(), plain, max_size=4), st.binary(max_size=50)), max_size=4))
def test_messages_arrive_as_they_were_sent(messages):
    pipe = io.BytesIO()
    for header, payload in messages:
        write_message(pipe, header, payload)
    pipe.seek(0)
    assert [read_message(pipe.read) for _ in messages] == messages


@pytest.mark.parametrize("lengths", [(MAX_HEADER + 1, 0), (2, MAX_PAYLOAD + 1)])
def test_lengths_beyond_reason_are_refused_before_anything_is_read(lengths):
    asked = []

    def read(size: int) -> bytes:
        asked.append(size)
        return b"".join(length.to_bytes(4, "little") for length in lengths)

    with pytest.raises(ValueError, match="message of"):
        read_message(read)
    assert asked == [8]
