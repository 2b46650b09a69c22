"""A trained model put into the form that computes the same with less: for inference alone."""
