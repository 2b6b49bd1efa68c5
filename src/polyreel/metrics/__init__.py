"""Ranks, metrics of retrieval, consistency across languages, and how far a figure may be chance."""
