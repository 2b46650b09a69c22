"""What kind of operator a name stands for, in torch, ONNX Runtime and OpenVINO alike."""

from __future__ import annotations

import re
from functools import cache

CONVOLUTION, MATMUL, ATTENTION = "convolutions", "matrix products", "attention"
NORM, SOFTMAX, ACTIVATION, ELEMENTWISE = "norms", "softmax", "activations", "element-wise"
SORTING, GATHERING, LAYOUT, OTHER = "sorting", "gathering", "copies", "other"
FUSED = "fused kernels"  # a compiler's, of many element-wise operators, sums and copies
#: no operator: what a pass takes beyond its operators, to launch them above all
BETWEEN = "launch gaps"
KINDS = (
    CONVOLUTION, MATMUL, ATTENTION, SOFTMAX, NORM, ACTIVATION, ELEMENTWISE, SORTING, GATHERING, LAYOUT, FUSED, OTHER,
    BETWEEN,
)  # fmt: skip

#: the first pattern that a name, in lower case and without its namespace and underscores, begins with or (.*) holds
_PATTERNS = (
    (FUSED, r"graph\d*cpp|cppfused|triton"),
    (CONVOLUTION, r".*conv"),
    (ATTENTION, r".*attention|.*sdp"),
    (NORM, r".*norm|mvn"),
    (SOFTMAX, r".*softmax"),
    (MATMUL, r"linear|mkllinear|addmm|mm|bmm|baddbmm|.*matmul|.*gemm|einsum|fullyconnected|addbmm|addmv|mv|dot|cdist"),
    (ACTIVATION, r".*gelu|.*relu|.*sigmoid|silu|tanh|erf|hard|elu"),
    (SORTING, r"sort|argsort|topk|argmax|argmin|nonzero|searchsorted|isin|kthvalue|unique"),
    (GATHERING, r"gather|index|scatter|take|onehot|embedding|put"),
    (
        LAYOUT,
        r"copy|clone|contiguous|cat|concat|stack|reshape|transpose|permute|reorder|view|unsafeview|expand|slice|split"
        r"|chunk|repeat|tile|pad|flip|roll|to$|tocopy|asstrided|select|squeeze|unsqueeze|flatten|unflatten|narrow|"
        r"detach|alias|t$|empty|zero|one|full|fill|arange|range|linspace|cast|convert|identity|shape|broadcast|lift|"
        r"movedim|unbind|new|reinterpret|resize|unfold|numpy|liftfresh|reshapealias|variadicsplit|strided|setitem",
    ),
    (OTHER, r".*interpolate|upsample|.*pool"),
    (
        ELEMENTWISE,
        r"add|sub|rsub|mul|div|eltwise|subgraph|floor|ceil|sqrt|rsqrt|pow|exp|log|neg|abs|clamp|clip|min|max|amax|amin|"
        r"maximum|minimum|where|masked|sum|mean|std|var|cumsum|reduce|equal|eq|ne$|less|lt|le|greater|gt|ge|and|or|not|"
        r"logical|bitwise|remainder|fmod|mod|mish|sign|norm|reciprocal|square|power|cpp|fused|sin|cos|rand|normal",
    ),
)


@cache
def kind_of(name: str) -> str:
    """The kind of an operator by its name in a runtime: "aten::addmm", "FusedConv", "FullyConnected"."""
    plain = re.sub("[^a-z0-9]", "", name.rpartition("::")[2].lower())
    for kind, pattern in _PATTERNS:
        if re.match(pattern, plain):
            return kind
    return OTHER
