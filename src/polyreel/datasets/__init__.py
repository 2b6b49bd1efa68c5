"""Datasets as items, clips and captions, and each of them as one table on disk."""
