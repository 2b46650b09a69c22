"""Multiply-adds written down from the papers' layer sizes, without running or reading a model."""

import math
from dataclasses import dataclass

from posebench.pose.reductions.schedule import kept_tokens


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
    heads: int = 8
    joint_blocks: int = 0

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


def _pair(backbone, coco, mpii, blocks, stacks=1, mpii_blocks=None, dim=192, **more):
    """The COCO (256x192) and MPII (256x256) sizes; heatmaps are a quarter of the input each way."""
    hidden = (dim, 2 * dim) if stacks == 1 else (dim * stacks,)
    more |= {"dim": dim}
    return {
        "coco": Sizes(backbone, coco, blocks, (*hidden, 64 * 48), **more),
        "mpii": Sizes(backbone, mpii, mpii_blocks or blocks, (*hidden, 64 * 64), (256, 256), 16, **more),
    }


def _tiny(**more):
    more |= {"dim": 96, "mlp": 2, "heads": 3}
    return {
        "coco": Sizes("tiny", (3, 3), 4, (96, 384, 24 * 18), size=(96, 72), **more),
        "mpii": Sizes("tiny", (3, 3), 4, (96, 384, 24 * 24), size=(96, 96), joints=16, **more),
    }


SIZES = {
    "tokenpose_t": _pair("none", (16, 12), (16, 16), 12, heads=16),
    "tokenpose_s_v1": _pair("stem", (4, 3), (4, 4), 12),
    "tokenpose_s_v2": _pair("stem", (2, 2), (2, 2), 12),
    "tokenpose_b": _pair(32, (4, 3), (4, 4), 12),
    "tokenpose_l_d6": _pair(48, (4, 3), (4, 4), 6, stacks=3),
    "tokenpose_l_d24": _pair(48, (4, 3), (4, 4), 24, stacks=3, heads=12),
    "tmpose_b": _pair(32, (4, 3), (4, 4), 12),
    "tmpose_l_d6": _pair(48, (4, 3), (4, 4), 18, stacks=3, mpii_blocks=6),
    "tmpose_l": _pair(48, (4, 3), (4, 4), 24, stacks=3, heads=12),
    "tmpose_tiny": _tiny(),
    "sparse_tokenpose_s": _pair("stem", (4, 3), (4, 4), 12, dim=256, joint_blocks=3),
    "sparse_tokenpose_b": _pair(32, (4, 3), (4, 4), 12, joint_blocks=3),
    "sparse_tokenpose_l": _pair(48, (4, 3), (4, 4), 24, stacks=3, heads=12, joint_blocks=3),
    "sparse_tokenpose_tiny": _tiny(joint_blocks=3),
    "ppt_s": _pair("stem", (4, 3), (4, 4), 12),
    "ppt_b": _pair(32, (4, 3), (4, 4), 12),
    "ppt_l_d6": _pair(48, (4, 3), (4, 4), 6),
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


def locations(name, mask, blocks):
    """Blocks, from 0, in which a reduction acts."""
    if mask in ("tome", "tofu", "pitome"):
        return range(blocks)
    if "tiny" in name:
        return 0, 1, 2
    return (3,) if name == "ppt_l_d6" else (blocks // 4, blocks // 2, 3 * blocks // 4)


# PPT keeps 0.7 at each location, rounded up; its ratio is the product, rounded.
PPT = {"ppt_s": 0.657, "ppt_b": 0.657, "ppt_l_d6": 0.3}


def visual_tokens(name, s, mask, ratio):
    """For each block the visual tokens in its attention and in its MLP."""
    p, kept = s.tokens, kept_tokens(s.tokens, ratio)
    if ratio == 0 or mask == "sparse":
        return [(p, p)] * s.blocks
    if mask not in ("prune", "evit", "dpcknn", "ats", "dynamicvit", "tome", "tofu", "pitome"):
        return [(kept, kept)] * s.blocks
    places = locations(name, mask, s.blocks)
    before, steady, found = p, p, []
    for block in range(s.blocks):
        after = before
        if block in places:
            acted = list(places).index(block) + 1
            remaining = len(places) - acted
            if mask not in ("tome", "tofu"):
                steady = after = math.ceil(steady * (1 - ratio) ** (1 / len(places)) - 1e-6)
                if mask != "prune" or ratio != PPT.get(name):
                    after = max(after, kept) if remaining else kept
                if mask == "pitome":
                    after = min(after, kept * 2**remaining)
            else:
                after = min(p - acted * (p - kept) // len(places), kept * 2**remaining)
                after = max(after, before - before // 2)
        found.append((before, after))
        before = after
    return found


# Of a tokens b are left; keys have e of the d numbers of a token.
COMPARING = {
    "tome": lambda a, b, d, e: (a - a // 2) * (a // 2) * e,  # each key of one half with each of the other
    "tofu": lambda a, b, d, e: (a - a // 2) * (a // 2) * e,
    "pitome": lambda a, b, d, e: a * a * e + (a - b) ** 2 * e,  # all keys; then those that go with their partners
    "dpcknn": lambda a, b, d, e: a * a * d,  # all tokens
    "evit": lambda a, b, d, e: a * d,  # the fused token: a sum over all, with weight 0 for those kept
    "dynamicvit": lambda a, b, d, e: a * (d * d + d * (d // 2) + (d // 2) * (d // 4) + (d // 4) * 2),
}


def transformer_macs(name, dataset, mask, ratio):
    """By part: P pd d + scoring + blocks (4 n d^2 + 2 n^2 d + 2 r m d^2) + joint blocks + J sum(a b).

    n = J + visual tokens in a block's attention, m = J + those in its MLP. ToMe compares half of the visual tokens'
    keys, averaged over the heads, with the other half.
    """
    s = SIZES[name][dataset]
    p, d, j = s.tokens, s.dim, s.joints
    seen = visual_tokens(name, s, mask, ratio)
    scoring = {"semantic": j * d * d + p * d * d + j * p * d, "scorer": p * d}.get(mask, 0) if ratio > 0 else 0
    acting = [(a, b) for a, b in seen if a > b]
    if mask in COMPARING:
        scoring = sum(COMPARING[mask](a, b, d, d // s.heads) for a, b in acting)
    attended = sum(4 * (j + a) * d**2 + 2 * (j + a) ** 2 * d for a, _ in seen)
    parts = {
        "patch_embedding": p * s.patch[0] * s.patch[1] * s.channels * d,
        "mask_scoring": scoring,
        "blocks": attended + sum(2 * s.mlp * (j + b) * d**2 for _, b in seen),
        "head": j * sum(a * b for a, b in zip(s.head, s.head[1:], strict=False)),
    }
    if s.joint_blocks:
        parts["joint_blocks"] = s.joint_blocks * (4 * j * d**2 + 2 * j**2 * d + 2 * s.mlp * j * d**2)
    return parts


def masked_macs(name, dataset, mask, ratio, joint_connections):
    """What cut connections cost a dense attention: 2 d for each, d in a block whose products of queries and keys decide
    which connections to cut next. joint_connections: pairs of joints that see each other, counted both ways.
    """
    s = SIZES[name][dataset]
    p, d = s.tokens, s.dim
    in_vain = s.joint_blocks * 2 * (s.joints**2 - joint_connections) * d
    if mask != "sparse" or ratio == 0:
        return in_vain
    places = locations(name, mask, s.blocks)
    cut = p * (p - math.ceil((1 - ratio) * p - 1e-6))
    after_first = range(places[0] + 1, s.blocks)
    return in_vain + sum(cut * d * (1 if block in places else 2) for block in after_first)
