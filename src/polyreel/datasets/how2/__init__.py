"""Multi-HowTo100M: caption files of any size -> videos with lines in nine languages."""

from polyreel.datasets.how2.reader import How2Files, find_how2
from polyreel.datasets.how2.scanning import MAX_ENTRY_BYTES, Entry, scan
from polyreel.datasets.how2.values import MAX_GUESSED_LINE_S, parse_value

__all__ = [
    "MAX_ENTRY_BYTES",
    "MAX_GUESSED_LINE_S",
    "Entry",
    "How2Files",
    "find_how2",
    "parse_value",
    "scan",
]
