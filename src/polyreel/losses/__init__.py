"""Objectives: functions and modules of batches of embeddings. Needs the extra ``train``."""
