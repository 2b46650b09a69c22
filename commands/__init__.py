"""One file per group of commands of the `posebench` command line."""
