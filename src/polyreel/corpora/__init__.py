"""Datasets as clips and captions."""

from polyreel.corpora.demo import DemoClip, demo_clips, within_budget

__all__ = ["DemoClip", "demo_clips", "within_budget"]
