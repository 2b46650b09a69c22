"""COCO, MPII and synthetic pose data: people, crops, targets."""
