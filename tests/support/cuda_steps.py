"""Steps of `posebench cuda` that do what steps should not."""

import os
import time


def fine(site):
    site.keep([{"a": 1}, {"a": 2}])
    return f"on {site.device}"


def wrong(site):
    raise ValueError("first line\nsecond line")


def dies(site):
    print("what torch says of a broken context")
    os._exit(7)


def hangs(site):
    site.keep([{"a": 3}])
    time.sleep(600)
