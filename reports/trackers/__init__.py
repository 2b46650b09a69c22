"""Where scalars of a training and the rows of a sweep go besides the run's own folder: trackers, off by default."""
