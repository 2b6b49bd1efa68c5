"""Films in a bucket: what their addresses are, what a bucket says of them, and their bytes on this disk."""
