"""Build, keep and search a library of video."""
