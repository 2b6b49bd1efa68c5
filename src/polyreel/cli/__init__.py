"""The command line: verbs that parse, call one function and print."""

from polyreel.cli.app import main

__all__ = ["main"]
