"""Two revisions timed against each other: their checkouts, pairs of processes, and what the rules say."""
