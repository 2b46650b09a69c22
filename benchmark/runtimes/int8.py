"""Static int8 quantisation of an ONNX file: weights per channel, activations per tensor, calibrated on inputs. ONNX
Runtime and OpenVINO execute it alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ...pose.errors import InputError, first_line
from .onnx_file import onnx_file, quiet
from .prepared import Inputs, Task


def quantised_file(task: Task) -> Path:
    """The file of the task's module with QDQ nodes: int8 weights, uint8 activations, ranges from the smallest to the
    largest value seen in calibration. What only chooses tokens stays float32, as in half precision: 256 levels are ties
    (and OpenVINO 2026.4 takes the maximum of a mean of uint8 from memory that nothing was written to). A module is
    calibrated once."""
    inputs = tuple(task.calibration) or (task.inputs,)

    def quantise(source: Path, target: Path) -> None:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        ready = target.with_suffix(".ready.onnx")
        try:
            with quiet():
                quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
                choosing = _only_choose(onnx.load(ready))
                quantize_static(
                    str(ready),
                    str(target),
                    _Reader(inputs),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=sorted(choosing),
                )
                onnx.save(_with_unrounded_inputs(onnx.load(target), choosing), target)
        except Exception as error:  # the quantiser raises many kinds for an operator that it does not know
            name = type(task.module).__name__
            raise InputError(f"{name} does not quantise to int8: {first_line(error)}") from None
        finally:
            ready.unlink(missing_ok=True)

    return onnx_file(task.module, task.inputs, "int8", quantise)


def _only_choose(model: Any) -> set[str]:
    """The names of an ONNX model's nodes that its output depends on by whole numbers and truth values alone, such as
    the places of the highest scores."""
    import onnx

    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
    graph = onnx.shape_inference.infer_shapes(model).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    maker = {name: node for node in graph.node for name in node.output}
    seen: set[str] = set()
    left = [value.name for value in graph.output]
    while left:
        name = left.pop()
        if name in maker and name not in seen:
            seen.update(maker[name].output)
            left.extend(given for given in maker[name].input if kinds.get(given, floats[0]) in floats)
    return {node.name for node in graph.node if not seen.intersection(node.output)}


def _with_unrounded_inputs(model: Any, names: Collection[str]) -> Any:
    """A quantised model whose nodes of these names take each input as it was before it was rounded."""
    maker = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        for place, name in enumerate(node.input if node.name in names else ()):
            rounded = maker.get(name)
            if rounded is not None and rounded.op_type == "DequantizeLinear" and rounded.input[0] in maker:
                node.input[place] = maker[rounded.input[0]].input[0]
    return model


class _Reader:
    """Batches for the calibrator (its CalibrationDataReader)."""

    def __init__(self, inputs: tuple[Inputs, ...]):
        self._batches: Iterator[Inputs] = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        if batch is None:
            return None
        return {f"input_{number}": tensor.contiguous().numpy() for number, tensor in enumerate(batch)}
