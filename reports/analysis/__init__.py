"""What rows say: what is compared with what, the rules behind each claim, and the words for it."""
