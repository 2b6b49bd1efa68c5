"""The part of an import that needs PyTorch: weights are read, and their towers exported."""
