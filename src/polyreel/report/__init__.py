"""Results side by side: tables, plots, one page."""
