"""A plain vision transformer under the module names that timm documents, written here from that description alone."""

import torch
from torch import nn
from torch.nn import functional as F


class PatchEmbed(nn.Module):
    def __init__(self, size, patch, dim, padding):
        super().__init__()
        self.patch_size = (patch, patch)
        self.grid_size = (size[0] // patch, size[1] // patch)
        self.proj = nn.Conv2d(3, dim, patch, patch, padding)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    fused_attn = True

    def __init__(self, dim, heads, qk_norm):
        super().__init__()
        self.num_heads, self.head_dim = heads, dim // heads
        self.scale = self.head_dim**-0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_norm, self.k_norm = (nn.LayerNorm(self.head_dim) if qk_norm else nn.Identity() for _ in range(2))
        self.attn_drop = nn.Dropout(0.0)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(0.0)

    def forward(self, x):
        batch, n, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, n, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k = self.q_norm(q), self.k_norm(k)
        if self.fused_attn:
            x = F.scaled_dot_product_attention(q, k, v, dropout_p=self.attn_drop.p if self.training else 0.0)
        else:
            x = self.attn_drop((q * self.scale @ k.transpose(-2, -1)).softmax(dim=-1)) @ v
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(batch, n, dim)))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self, dim, start):
        super().__init__()
        self.gamma = nn.Parameter(start * torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    def __init__(self, dim, heads, mlp_ratio, layer_scale, qk_norm):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.attn, self.mlp = Attention(dim, heads, qk_norm), Mlp(dim, mlp_ratio * dim)
        self.ls1, self.ls2 = (LayerScale(dim, layer_scale) if layer_scale else nn.Identity() for _ in range(2))
        self.drop_path1, self.drop_path2 = nn.Identity(), nn.Identity()

    def forward(self, x):
        x = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path2(self.ls2(self.mlp(self.norm2(x))))


class VisionTransformer(nn.Module):
    """Images (B, 3, H, W) -> tokens (B, class_token + N, dim) after the last norm."""

    def __init__(
        self, size=(96, 72), patch=8, dim=72, depth=4, heads=3, mlp_ratio=2, *, class_token=False, padding=0,
        layer_scale=None, qk_norm=False,
    ):  # fmt: skip
        super().__init__()
        self.num_prefix_tokens = int(class_token)
        self.patch_embed = PatchEmbed(size, patch, dim, padding)
        tokens = self.patch_embed.grid_size[0] * self.patch_embed.grid_size[1] + class_token
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim)) if class_token else None
        self.pos_embed = nn.Parameter(0.5 * torch.randn(1, tokens, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads, mlp_ratio, layer_scale, qk_norm) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, images):
        x = self.patch_embed(images)
        if self.cls_token is not None:
            x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1)
        return self.norm(self.blocks(x + self.pos_embed))


def from_ours(ours):
    """The same network as our plain vision transformer `ours` (of 96x72 images), with its weights."""
    theirs = VisionTransformer(padding=2)
    table = ours.position_table.detach()
    names = {
        "patch_embedding.projection": "patch_embed.proj", "attention_norm": "norm1", "attention.to_qkv": "attn.qkv",
        "attention.to_out": "attn.proj", "mlp_norm": "norm2", "mlp.0": "mlp.fc1", "mlp.2": "mlp.fc2",
    }  # fmt: skip
    state = {"pos_embed": table[:, 1:] + table[:, :1]}
    for name, value in ours.state_dict().items():
        if name == "position_table" or name.startswith("mask."):
            continue
        for mine, other in names.items():
            name = name.replace(mine + ".", other + ".")
        state[name] = value
    theirs.load_state_dict(state)
    return theirs.eval()


class Pose(nn.Module):
    """Heatmaps from such a transformer, as a user's builder would make them; it knows of no mask."""

    def __init__(self, keypoints, size):
        super().__init__()
        self.vit = VisionTransformer(size, class_token=True)
        self.head = nn.Conv2d(72, keypoints, 1)

    def forward(self, images):
        tokens = self.vit(images)[:, 1:]
        return self.head(tokens.transpose(1, 2).unflatten(2, self.vit.patch_embed.grid_size))


def build_pose(keypoints, input_size):
    return Pose(keypoints, input_size)
