"""Our runtimes. A new one is a file beside this one and an entry here."""

from __future__ import annotations

from .descriptor import FLOAT32, INT8, Runtime

EAGER = "eager"
_HERE = "posebench.benchmark.runtimes"
_EXPLAIN = "posebench.benchmark.explain"

_TABLE = (
    Runtime(
        EAGER,
        f"{_HERE}.eager:prepare",
        "torch, operator by operator",
        in_torch=True,
        profile=f"{_EXPLAIN}.torch_profiler:profile",
    ),
    Runtime(
        "fused",
        f"{_HERE}.fused:prepare",
        "torch, on the model without what its heatmaps do not need",
        in_torch=True,
        form="posebench.pose.fusion.fuse:fuse",
        profile=f"{_EXPLAIN}.torch_profiler:profile",
    ),
    Runtime(
        "compile",
        f"{_HERE}.compile:prepare",
        "torch.compile: inductor's fused kernels",
        in_torch=True,
        profile=f"{_EXPLAIN}.torch_profiler:profile_compiled",
    ),
    Runtime(
        "cudagraph",
        f"{_HERE}.cudagraph:prepare",
        "eager's kernels, launched as one recorded graph",
        devices=("cuda",),
        in_torch=True,
    ),
    Runtime(
        "onnxruntime",
        f"{_HERE}.onnxruntime:prepare",
        "ONNX Runtime, its CPU or CUDA provider",
        cpu_precisions=(FLOAT32, INT8),
        cuda_precisions=(FLOAT32, "float16"),
        packages=("onnx", "onnxruntime", "onnxscript"),
        extra="export",
        profile=f"{_EXPLAIN}.onnxruntime_profiler:profile",
    ),
    Runtime(
        "tensorrt",
        f"{_HERE}.onnxruntime:prepare_tensorrt",
        "ONNX Runtime's TensorRT provider",
        devices=("cuda",),
        cuda_precisions=(FLOAT32, "float16"),
        packages=("onnx", "onnxruntime", "onnxscript"),
        extra="export",
    ),
    Runtime(
        "openvino",
        f"{_HERE}.openvino:prepare",
        "OpenVINO on the CPU",
        devices=("cpu",),
        cpu_precisions=(FLOAT32, "bfloat16", "float16", INT8),
        packages=("onnx", "onnxruntime", "onnxscript", "openvino"),
        extra="openvino",
        profile=f"{_EXPLAIN}.openvino_profiler:profile",
    ),
)

RUNTIMES: dict[str, Runtime] = {runtime.name: runtime for runtime in _TABLE}
