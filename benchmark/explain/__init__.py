"""Where a counted saving goes: what each operator multiplies, moves and takes, before and after a mask."""
