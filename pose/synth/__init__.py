"""A procedural renderer of clothed, articulated figures that writes ordinary COCO or MPII folders."""

from .cache import default_cache_dir, ensure_default_set
from .write import write_synthetic

__all__ = ["default_cache_dir", "ensure_default_set", "write_synthetic"]
