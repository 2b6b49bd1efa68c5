"""Numbers that are right: ranks and metrics of similarity matrices."""

from polyreel.evaluation.ranking import FirstRelevant, first_relevant, recall_at

__all__ = ["FirstRelevant", "first_relevant", "recall_at"]
