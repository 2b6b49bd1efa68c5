"""A query -> the moments of a library that answer it."""
