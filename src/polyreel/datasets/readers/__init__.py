"""One file a dataset, whatever its format."""
