"""Folders of video -> tables of a library."""
