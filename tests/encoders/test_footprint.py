"""Memory of a process that searches with a bundle."""

from __future__ import annotations

from polyreel.encoders.footprint import resident_while_searching


def test_the_process_of_a_search_is_measured_and_one_that_fails_is_not(tiny_bundle, tmp_path):
    resident = resident_while_searching(tiny_bundle.folder)
    assert resident is not None
    assert 10e6 < resident < 1e9
    assert resident_while_searching(tmp_path) is None
