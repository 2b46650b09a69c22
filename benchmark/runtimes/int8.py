"""Static int8 quantisation of an ONNX file: weights per channel, activations per tensor, calibrated on inputs. ONNX
Runtime and OpenVINO execute it alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...pose.errors import InputError, first_line
from .onnx_file import onnx_file, quiet
from .prepared import Inputs, Task


def quantised_file(task: Task) -> Path:
    """The file of the task's module with QDQ nodes: int8 weights, uint8 activations, ranges from the smallest to the
    largest value seen in calibration. A module is calibrated once."""
    inputs = tuple(task.calibration) or (task.inputs,)

    def quantise(source: Path, target: Path) -> None:
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        ready = target.with_suffix(".ready.onnx")
        try:
            with quiet():
                quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
                quantize_static(
                    str(ready),
                    str(target),
                    _Reader(inputs),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    activation_type=QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                )
        except Exception as error:  # the quantiser raises many kinds for an operator that it does not know
            name = type(task.module).__name__
            raise InputError(f"{name} does not quantise to int8: {first_line(error)}") from None
        finally:
            ready.unlink(missing_ok=True)

    return onnx_file(task.module, task.inputs, "int8", quantise)


class _Reader:
    """Batches for the calibrator (its CalibrationDataReader)."""

    def __init__(self, inputs: tuple[Inputs, ...]):
        self._batches: Iterator[Inputs] = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._batches, None)
        if batch is None:
            return None
        return {f"input_{number}": tensor.contiguous().numpy() for number, tensor in enumerate(batch)}
