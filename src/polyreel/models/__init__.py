"""Two towers into one space. Needs the extra ``train``."""
