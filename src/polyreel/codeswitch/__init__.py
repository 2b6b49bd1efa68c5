"""Text in which words are replaced by their translations: lexicons, matching, switching, romanisation."""

from polyreel.codeswitch.lexicons import Lexicon, load_lexicons, read_lexicon
from polyreel.codeswitch.romanisation import romanise
from polyreel.codeswitch.switching import CodeSwitcher, Switched, SwitchRule

__all__ = [
    "CodeSwitcher",
    "Lexicon",
    "SwitchRule",
    "Switched",
    "load_lexicons",
    "read_lexicon",
    "romanise",
]
