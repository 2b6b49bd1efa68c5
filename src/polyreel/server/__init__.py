"""A page to search with and an API for programs, for one library."""
