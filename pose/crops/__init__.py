"""From a person in a picture to what a network sees, and its target."""
