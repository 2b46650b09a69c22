"""The pages: a list of sections, and the templates that print them."""
