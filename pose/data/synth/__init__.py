"""A procedural renderer of clothed, articulated figures that writes ordinary COCO or MPII folders."""
