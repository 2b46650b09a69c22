"""What is looked at and measured on a bare GPU machine, step by step (`posebench cuda`, `make cuda`)."""
