"""Work on many machines: a Ray cluster, and the actors that work on it. Knows nothing of what they do."""
