"""Multiply-adds of any module, and of ours by part."""
