"""Annotation files, read and checked: people, or what is wrong."""
