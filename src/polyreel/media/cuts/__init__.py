"""Parts of films as files of their own."""
