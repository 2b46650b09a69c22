"""A file for each plot; catalogue.py lists them."""
