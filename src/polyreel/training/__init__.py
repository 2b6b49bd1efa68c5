"""Training: a recipe -> a run -> checkpoints. Needs the extra ``train``."""
