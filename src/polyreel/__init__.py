"""Search video in any language; train and measure the multilingual models behind it."""

__version__ = "0.1.0"
