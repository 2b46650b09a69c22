"""A model as a file that another runtime runs: what is written, what is read back, and whether it is still the model."""
