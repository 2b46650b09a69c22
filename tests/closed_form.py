"""Multiply-adds written down from the papers' layer sizes, without running a model."""

from posebench.pose.masks import kept_tokens

# width of the branch, patch vector, blocks, (layers of the head), tokens, dim, MLP ratio, heatmap pixels
SIZES = {
    "tokenpose_t": ("none", 16 * 12 * 3, 12, (192, 384, 3072), 256, 192, 3),
    "tokenpose_b": (32, 4 * 3 * 32, 12, (192, 384, 3072), 256, 192, 3),
    "tmpose_l": (48, 4 * 3 * 48, 24, (576, 3072), 256, 192, 3),
    "tmpose_tiny": ("tiny", 3 * 3 * 48, 4, (96, 384, 432), 48, 96, 2),
}
JOINTS = 17


def hrnet_stage3(width, area):
    """HRNet up to stage 3 at a feature map of `area` cells (stride 4)."""
    stem = 27 * 64 * 4 * area + 9 * 64**2 * area
    layer1 = (64**2 + 9 * 64**2 + 2 * 64 * 256) * area + 3 * (2 * 64 * 256 + 9 * 64**2) * area
    transition1 = 9 * 256 * width * area + 9 * 256 * 2 * width * area // 4
    transition2 = 9 * 2 * width * 4 * width * area // 16

    def module(branches, outputs):
        macs = branches * 72 * width**2 * area
        for target in range(outputs):
            for source in range(branches):
                c, size = width * 2**source, area // 4**source
                if source > target:
                    macs += c * width * 2**target * size
                for step in range(source, target):
                    out = width * 2**target if step == target - 1 else c
                    macs += 9 * c * out * (area // 4 ** (step + 1))
        return macs

    return stem + layer1 + transition1 + module(2, 2) + transition2 + 3 * module(3, 3) + module(3, 1)


def closed_form(name, mask, mask_ratio):
    width, patch, blocks, head, tokens, d, mlp = SIZES[name]
    kept = kept_tokens(tokens, mask_ratio)
    n = JOINTS + kept
    area = 64 * 48
    if width == "none":
        backbone = 0
    elif width == "tiny":
        backbone = 27 * 16 * 48 * 36 + 9 * 16 * 48 * 24 * 18 + 2 * 9 * 48 * 48 * 24 * 18
    else:
        backbone = hrnet_stage3(width, area)
    scoring = {"semantic": JOINTS * d * d + tokens * d * d + JOINTS * tokens * d, "scorer": tokens * d}
    return {
        "backbone": backbone,
        "patch_embedding": tokens * patch * d,
        "mask_scoring": scoring.get(mask, 0),
        "blocks": blocks * (4 * n * d**2 + 2 * n**2 * d + 2 * mlp * n * d**2),
        "head": JOINTS * sum(a * b for a, b in zip(head, head[1:], strict=False)),
    }
