"""Files that older versions wrote, and what those versions' network gave for them."""

import lzma

import torch
from reference import DATA

#: of the checkpoint's network on `picture`, by the version that wrote it: each joint's highest value, and where it is
PEAKS = [0.0493276, 0.0501589, 0.0533132, 0.05137, 0.0559222, 0.0563507, 0.0611561, 0.0507784, 0.0534029]
PEAKS += [0.0478712, 0.0506077, 0.0528411, 0.0513622, 0.0482057, 0.0504159, 0.0489524, 0.0460552]
PLACES = [114, 115, 287, 114, 336, 97, 97, 97, 114, 97, 114, 114, 97, 114, 97, 287, 114]


def older(name, folder):
    """Unpacks tests/data/older/NAME.xz into a folder."""
    file = folder / name
    file.write_bytes(lzma.decompress((DATA / "older" / f"{name}.xz").read_bytes()))
    return file


def picture():
    """(1, 3, 96, 72), a sine along its values."""
    return torch.sin(torch.arange(3 * 96 * 72, dtype=torch.float64) * 0.37).reshape(1, 3, 96, 72).float()
