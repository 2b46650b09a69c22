"""Multiply-adds written down from the papers' layer sizes, without running or reading a model."""

from dataclasses import dataclass

from posebench.pose.masks import kept_tokens


@dataclass(frozen=True)
class Sizes:
    """backbone: HRNet width, "stem", "tiny" or "none"; patch in feature cells; blocks in all stacks together."""

    backbone: object
    patch: tuple
    blocks: int
    head: tuple
    size: tuple = (256, 192)
    joints: int = 17
    dim: int = 192
    mlp: int = 3

    @property
    def stride(self):
        return 1 if self.backbone == "none" else 4

    @property
    def channels(self):
        return {"none": 3, "stem": 256, "tiny": 48}.get(self.backbone, self.backbone)

    @property
    def tokens(self):
        (height, width), (p, q) = self.size, self.patch
        return height // self.stride // p * (width // self.stride // q)


def _pair(backbone, coco, mpii, blocks, stacks=1, mpii_blocks=None):
    """The COCO (256x192) and MPII (256x256) sizes; heatmaps are a quarter of the input each way."""
    hidden = (192, 384) if stacks == 1 else (192 * stacks,)
    return {
        "coco": Sizes(backbone, coco, blocks, (*hidden, 64 * 48)),
        "mpii": Sizes(backbone, mpii, mpii_blocks or blocks, (*hidden, 64 * 64), size=(256, 256), joints=16),
    }


SIZES = {
    "tokenpose_t": _pair("none", (16, 12), (16, 16), 12),
    "tokenpose_s_v1": _pair("stem", (4, 3), (4, 4), 12),
    "tokenpose_s_v2": _pair("stem", (2, 2), (2, 2), 12),
    "tokenpose_b": _pair(32, (4, 3), (4, 4), 12),
    "tokenpose_l_d6": _pair(48, (4, 3), (4, 4), 6, stacks=3),
    "tokenpose_l_d24": _pair(48, (4, 3), (4, 4), 24, stacks=3),
    "tmpose_b": _pair(32, (4, 3), (4, 4), 12),
    "tmpose_l_d6": _pair(48, (4, 3), (4, 4), 18, stacks=3, mpii_blocks=6),
    "tmpose_l": _pair(48, (4, 3), (4, 4), 24, stacks=3),
    "tmpose_tiny": {
        "coco": Sizes("tiny", (3, 3), 4, (96, 384, 24 * 18), size=(96, 72), dim=96, mlp=2),
        "mpii": Sizes("tiny", (3, 3), 4, (96, 384, 24 * 24), size=(96, 96), joints=16, dim=96, mlp=2),
    },
}


def backbone_macs(name, dataset="coco"):
    s = SIZES[name][dataset]
    area = s.size[0] * s.size[1] // 16
    if s.backbone == "none":
        return 0
    if s.backbone == "tiny":
        return 27 * 16 * 4 * area + 9 * 16 * 48 * area + 2 * 9 * 48 * 48 * area
    stem = 27 * 64 * 4 * area + 9 * 64**2 * area
    layer1 = (64**2 + 9 * 64**2 + 2 * 64 * 256) * area + 3 * (2 * 64 * 256 + 9 * 64**2) * area
    return stem + layer1 + (_stages_2_and_3(s.backbone, area) if s.backbone != "stem" else 0)


def _stages_2_and_3(width, area):
    transition1 = 9 * 256 * width * area + 9 * 256 * 2 * width * area // 4
    transition2 = 9 * 2 * width * 4 * width * area // 16

    def module(branches, outputs):
        macs = branches * 72 * width**2 * area
        for target in range(outputs):
            for source in range(branches):
                c, cells = width * 2**source, area // 4**source
                if source > target:
                    macs += c * width * 2**target * cells
                for step in range(source, target):
                    out = width * 2**target if step == target - 1 else c
                    macs += 9 * c * out * (area // 4 ** (step + 1))
        return macs

    return transition1 + module(2, 2) + transition2 + 3 * module(3, 3) + module(3, 1)


def transformer_macs(name, dataset, mask, ratio):
    """By part: P pd d + scoring + blocks (4 n d^2 + 2 n^2 d + 2 r n d^2) + J sum(a b), n = J + kept."""
    s = SIZES[name][dataset]
    p, d, j = s.tokens, s.dim, s.joints
    n = j + kept_tokens(p, ratio)
    scoring = {"semantic": j * d * d + p * d * d + j * p * d, "scorer": p * d}.get(mask, 0) if ratio > 0 else 0
    return {
        "patch_embedding": p * s.patch[0] * s.patch[1] * s.channels * d,
        "mask_scoring": scoring,
        "blocks": s.blocks * (4 * n * d**2 + 2 * n**2 * d + 2 * s.mlp * n * d**2),
        "head": j * sum(a * b for a, b in zip(s.head, s.head[1:], strict=False)),
    }
