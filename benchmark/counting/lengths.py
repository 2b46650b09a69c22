"""What one image costs of which an adaptive reduction keeps a number of tokens of its own."""

from __future__ import annotations

from collections.abc import Iterable

from ...pose.models.config import ModelConfig
from .bare import fresh_model
from .flops import flop_count

Lengths = tuple[int, ...]


def macs_by_lengths(config: ModelConfig, lengths: Iterable[Lengths]) -> dict[Lengths, int]:
    """Multiply-adds behind the backbone of one image, for each of several numbers of tokens left at each layer.

    Exact: the model is counted with so many tokens in it, once for each of the lengths that occur.
    """
    options = config.create_arguments()
    bare = fresh_model(str(options.pop("name")), options)
    image = (1, 3, *bare.model.spec.input_size)
    mask, counts = bare.model.transformer.mask, dict[Lengths, int]()
    if mask is None:
        return counts
    for own in set(lengths):
        mask.set_lengths(own)
        counts[own] = flop_count(bare.model, bare.count(), (image,), bare.params).macs_transformer or 0
    return counts
