"""A model as a file that another runtime runs: written, read back, and held against the model."""
