"""A plain pre-norm ViT block from named weights, cut open where reductions act; for the reference arrays."""

from torch.nn import functional as F


class Inside:
    """Logits and softmax weights (B, heads, N, N), keys and values (B, heads, N, d) of a block on x (B, N, C)."""

    def __init__(self, x, weights, heads, eps, norm="norm1.", attention="attn."):
        self.x, self.weights, self.eps, self.attention = x, weights, eps, attention
        normed = self._norm(x, norm) if norm else x
        qkv = self._linear(normed, attention + "qkv").unflatten(2, (3, heads, -1))
        q, self.keys, self.values = qkv.permute(2, 0, 3, 1, 4)
        self.logits = q @ self.keys.transpose(2, 3) * q.shape[-1] ** -0.5
        self.attention_weights = self.logits.softmax(dim=3)

    def mixed(self, attention_weights):
        return self._linear((attention_weights @ self.values).transpose(1, 2).flatten(2), self.attention + "proj")

    def attended(self, attention_weights):
        """x after the attention, its residual added."""
        return self.x + self.mixed(attention_weights)

    def finish(self, x):
        """x after the MLP."""
        hidden = F.gelu(self._linear(self._norm(x, "norm2."), "mlp.fc1"))
        return x + self._linear(hidden, "mlp.fc2")

    def _norm(self, x, name):
        weight, bias = self.weights[name + "weight"], self.weights[name + "bias"]
        return F.layer_norm(x, x.shape[-1:], weight, bias, self.eps)

    def _linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights[name + ".bias"])
