"""A library on disk: tables, the commit that names their versions, and what is wrong with it."""
