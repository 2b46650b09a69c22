"""A pose transformer with reductions, one image at a time in float64 numpy: slow, and without posebench's blocks."""

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tokens:
    """Visual tokens: values, positions, the cells that each holds, how many; and which visual keys each query sees."""

    values: np.ndarray
    positions: np.ndarray
    cells: list
    sees: list = field(default_factory=list)


def norm(x, module):
    centred = x - x.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) * array(module.weight) + array(
        module.bias
    )


def array(tensor):
    return tensor.detach().double().numpy()


def linear(x, module):
    return x @ array(module.weight).T + (0 if module.bias is None else array(module.bias))


def softmax(rows):
    rows = np.exp(rows - rows.max(axis=-1, keepdims=True))
    return rows / rows.sum(axis=-1, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def heatmaps(model, features, act):
    """Heatmaps (J, h, w) of one image's features (C, H, W), and the final Tokens.

    act(block number, joints, tokens, dense attention (heads, n, n) before any mask, keys (heads, n, d)) -> Tokens.
    """
    t = model.transformer
    shape = t.shape
    (rows, columns), (ph, pw) = shape.grid, shape.patch
    patches = [
        array(features)[:, r * ph : (r + 1) * ph, c * pw : (c + 1) * pw].transpose(1, 2, 0).ravel()
        for r in range(rows)
        for c in range(columns)
    ]
    table = array(t.position_table)[0]
    joints = array(t.keypoint_tokens)[0]
    tokens = Tokens(
        linear(np.array(patches), t.patch_embedding.projection) + table, table, [[i] for i in range(len(table))]
    )
    number, outputs = 0, []
    for stack in t.stacks:
        for i, block in enumerate(stack):
            if i > 0 and shape.position_type != "sine":
                tokens.values = tokens.values + tokens.positions
            joints, tokens = one_block(block, joints, tokens, lambda *a, n=number: act(n, *a))
            number += 1
        outputs.append(joints)
    if shape.joint_blocks:
        see = t.joint_mask.numpy()
        for block in t.joint_blocks:
            joints = plain_block(block, joints, see)
        outputs[-1] = joints
    x = np.concatenate(outputs, axis=1)
    for module in t.head.layers:
        x = norm(x, module) if type(module).__name__ == "LayerNorm" else linear(x, module)
    return x.reshape(-1, *shape.heatmap), tokens


def inside(block, x):
    """(logits, values, keys), each by heads."""
    attention = block.attention
    q, k, v = np.split(linear(norm(x, block.attention_norm), attention.to_qkv), 3, axis=1)
    q, k, v = (part.reshape(len(x), attention.heads, -1).transpose(1, 0, 2) for part in (q, k, v))
    return q @ k.transpose(0, 2, 1) * attention.scale, v, k


def finish(block, x):
    hidden = gelu(linear(norm(x, block.mlp_norm), block.mlp[0]))
    return x + linear(hidden, block.mlp[2])


def one_block(block, joints, tokens, act):
    x = np.concatenate([joints, tokens.values])
    logits, values, keys = inside(block, x)
    bias = np.zeros((len(x), len(x)))
    count = len(joints)
    bias[:, count:] = np.log([len(cells) for cells in tokens.cells])
    for query, seen in enumerate(tokens.sees):
        cut = [key for key in range(len(tokens.cells)) if key not in seen]
        bias[count + query, [count + key for key in cut]] = -np.inf
    mixed = softmax(logits + bias) @ values
    x = x + linear(mixed.transpose(1, 0, 2).reshape(len(x), -1), block.attention.to_out)
    joints, tokens.values = x[:count], x[count:]
    tokens = act(count, tokens, softmax(logits), softmax(logits + bias), keys)
    x = finish(block, np.concatenate([joints, tokens.values]))
    tokens.values = x[count:]
    return x[:count], tokens


def plain_block(block, x, see):
    logits, values, _ = inside(block, x)
    mixed = softmax(np.where(see, logits, -np.inf)) @ values
    x = x + linear(mixed.transpose(1, 0, 2).reshape(len(x), -1), block.attention.to_out)
    return finish(block, x)


def dropped(tokens, stay):
    return Tokens(tokens.values[stay], tokens.positions[stay], [tokens.cells[i] for i in stay])


def prune_at(left):
    """left: block -> tokens that stay there: those with the highest mean attention from the keypoint tokens."""

    def act(number, joints, tokens, dense, attention, keys):
        if number not in left:
            return tokens
        scores = attention[:, :joints, joints:].mean(axis=(0, 1))
        return dropped(tokens, sorted(sorted(range(len(scores)), key=lambda i: -scores[i])[: left[number]]))

    return act


def connections_at(left):
    """left: block -> visual keys that each visual query sees afterwards, itself and the strongest others."""

    def act(number, joints, tokens, dense, attention, keys):
        if number in left:
            strength = dense[:, joints:, joints:].sum(axis=0)
            tokens.sees = []
            for query, row in enumerate(strength):
                others = sorted((key for key in range(len(row)) if key != query), key=lambda key: -row[key])
                tokens.sees.append({query, *others[: left[number] - 1]})
        return tokens

    return act


def merge_at(left):
    """left: block -> tokens after merging: pairs (even, odd place) by the highest cosine of their keys go together."""

    def act(number, joints, tokens, dense, attention, keys):
        if number not in left:
            return tokens
        metric = keys.mean(axis=0)[joints:]
        metric = metric / np.linalg.norm(metric, axis=1, keepdims=True)
        total = len(metric)
        partner = {a: max(range(1, total, 2), key=lambda b: metric[a] @ metric[b]) for a in range(0, total, 2)}
        order = sorted(partner, key=lambda a: -(metric[a] @ metric[partner[a]]))
        goes = {a: partner[a] for a in order[: total - left[number]]}
        values, positions, cells = [], [], []
        for place in range(total):
            if place in goes:
                continue
            group = [place, *(a for a, b in goes.items() if b == place)]
            sizes = np.array([len(tokens.cells[i]) for i in group])[:, None]
            values.append((tokens.values[group] * sizes).sum(axis=0) / sizes.sum())
            positions.append((tokens.positions[group] * sizes).sum(axis=0) / sizes.sum())
            cells.append([cell for i in group for cell in tokens.cells[i]])
        return Tokens(np.array(values), np.array(positions), cells)

    return act
