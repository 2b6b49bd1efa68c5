"""A grid of training arms and seeds, and what its figures say."""
