"""Latency, memory and counts of our models and of any module, side by side."""
