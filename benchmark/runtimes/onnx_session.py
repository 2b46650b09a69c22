"""How every session of ONNX Runtime is opened, of a network that is measured and of a file that is deployed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

CPU = "CPUExecutionProvider"
BATCH = "batch"  # what the first axis of an input is called where any size goes
#: threads that wait for the next call spin by default, into the times of whoever runs in between
_SETTINGS = {"session.force_spinning_stop": "1", "session.record_ep_graph_assignment_info": "1"}
_ERRORS, _FATAL = 3, 4


def open_session(
    source: Path | bytes,
    threads: int | None = None,
    providers: Sequence[Any] = (CPU,),
    *,
    batch: int | None = None,
    profile: Path | None = None,
    log_errors: bool = True,
) -> Any:
    """An onnxruntime.InferenceSession of a file or of its bytes, with all of its optimisations.

    threads: None: as many as torch has. batch: the size that a free first axis gets. profile: how its profile's name
    begins. log_errors: on standard error, what a provider lacks above all. RuntimeError with ONNX Runtime's words.
    """
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads or torch.get_num_threads(), 1
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.log_severity_level = _ERRORS if log_errors else _FATAL
    for name, value in _SETTINGS.items():
        settings.add_session_config_entry(name, value)
    if batch is not None:
        settings.add_free_dimension_override_by_name(BATCH, batch)
    if profile is not None:
        settings.enable_profiling, settings.profile_file_prefix = True, str(profile)
    file = source if isinstance(source, bytes) else str(source)
    return said(lambda: onnxruntime.InferenceSession(file, settings, providers=list(providers)))


def said(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """function(*arguments, **named) of ONNX Runtime. Its errors, of a dozen classes, which are none of Python's, are a
    RuntimeError with its words."""
    try:
        return function(*arguments, **named)
    except Exception as error:
        raise RuntimeError(str(error)) from None
