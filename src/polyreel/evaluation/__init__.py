"""Numbers that are right: ranks, metrics with their noise, benchmarks and typed results."""
