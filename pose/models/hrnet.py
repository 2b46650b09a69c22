"""HRNet up to stage 3 and its stem (Sun et al., CVPR 2019), the backbones of TokenPose.

Module names are HRNet's own, so that its checkpoints map one to one.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias that keeps the size (divided by the stride), and its batch norm."""
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    ]


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a residual; `planes` times 4 channels out."""

    def __init__(self, channels: int, planes: int):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(channels, planes, 1)
        self.conv2, self.bn2 = conv_bn(planes, planes, 3)
        self.conv3, self.bn3 = conv_bn(planes, planes * 4, 1)
        self.downsample = nn.Sequential(*conv_bn(channels, planes * 4, 1)) if channels != planes * 4 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a residual."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(channels, channels, 3)
        self.conv2, self.bn2 = conv_bn(channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + x)


class HighResolutionModule(nn.Module):
    """Parallel branches of basic blocks at falling resolutions, then an exchange between all of them.

    `outputs` limits the exchange to the first so many branches (the last module of a network needs only one).
    """

    def __init__(self, channels: list[int], outputs: int, blocks: int = 4):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(c) for _ in range(blocks))) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._exchange(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )

    @staticmethod
    def _exchange(channels: list[int], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            up = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
            return nn.Sequential(*conv_bn(channels[source], channels[target], 1), up)
        halvings = []
        for _ in range(source, target - 1):
            halvings.append(nn.Sequential(*conv_bn(channels[source], channels[source], 3, 2), nn.ReLU()))
        halvings.append(nn.Sequential(*conv_bn(channels[source], channels[target], 3, 2)))
        return nn.Sequential(*halvings)

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = []
        for exchanges in self.fuse_layers:
            total = exchanges[0](features[0])
            for exchange, x in zip(exchanges[1:], features[1:], strict=True):
                total = total + exchange(x)
            fused.append(F.relu(total))
        return fused


class HRNetStem(nn.Module):
    """Two stride-2 convolutions and layer1 (four bottlenecks): (B, 3, H, W) -> (B, 256, H/4, W/4)."""

    channels = 256
    stride = 4

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 64, 3, 2)
        self.conv2, self.bn2 = conv_bn(64, 64, 3, 2)
        self.layer1 = nn.Sequential(*(Bottleneck(64 if i == 0 else 256, 64) for i in range(4)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.layer1(x)


class HRNetStage3(HRNetStem):
    """HRNet to the end of stage 3, highest-resolution branch: (B, 3, H, W) -> (B, width, H/4, W/4)."""

    def __init__(self, width: int):
        super().__init__()
        self.channels = width
        self.transition1 = nn.ModuleList(
            [
                nn.Sequential(*conv_bn(256, width, 3), nn.ReLU()),
                nn.Sequential(nn.Sequential(*conv_bn(256, 2 * width, 3, 2), nn.ReLU())),
            ]
        )
        self.stage2 = nn.Sequential(HighResolutionModule([width, 2 * width], outputs=2))
        self.transition2 = nn.ModuleList(
            [
                nn.Identity(),
                nn.Identity(),
                nn.Sequential(nn.Sequential(*conv_bn(2 * width, 4 * width, 3, 2), nn.ReLU())),
            ]
        )
        branches = [width, 2 * width, 4 * width]
        self.stage3 = nn.Sequential(
            *(HighResolutionModule(branches, outputs=1 if last else 3) for last in (False, False, False, True))
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = super().forward(images)
        high, low = self.stage2([transition(x) for transition in self.transition1])
        return self.stage3([high, low, self.transition2[2](low)])[0]


class TinyStem(nn.Module):
    """Two stride-2 convolutions and one residual block, small enough to train on a CPU: (B, 48, H/4, W/4)."""

    channels = 48
    stride = 4

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv_bn(3, 16, 3, 2)
        self.conv2, self.bn2 = conv_bn(16, self.channels, 3, 2)
        self.block = BasicBlock(self.channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.relu(self.bn2(self.conv2(x)))
        return self.block(x)


class NoBackbone(nn.Module):
    """The image itself (TokenPose-T)."""

    channels = 3
    stride = 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images


BACKBONES = {
    "none": NoBackbone,
    "stem": HRNetStem,
    "hrnet_w32": lambda: HRNetStage3(32),
    "hrnet_w48": lambda: HRNetStage3(48),
    "tiny": TinyStem,
}
