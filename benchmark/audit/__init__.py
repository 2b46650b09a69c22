"""What papers say about cost, checked."""
