"""From heatmaps to scores: flip test, decoding, OKS-NMS, COCO AP, MPII PCKh."""
