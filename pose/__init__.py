"""The systems under test: models, masks, data, training and evaluation."""
