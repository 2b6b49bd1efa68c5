"""The default bundle, built from weights that sit inside ordinary packages."""
