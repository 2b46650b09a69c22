"""The grid of a sweep, one cell end to end, and the results on disk."""
