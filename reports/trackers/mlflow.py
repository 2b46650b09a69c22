"""MLflow: a run with parameters and metrics, in files of the run's folder unless MLFLOW_TRACKING_URI is set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import Scalars

EXPERIMENT = "posebench"
LONGEST = 500  # characters of a parameter


def open_run(name: str, params: Mapping[str, Any], where: str, folder: Path) -> _Run:
    """where: a tracking URI."""
    from mlflow import MlflowClient

    uri = where or os.environ.get("MLFLOW_TRACKING_URI") or (folder / "mlruns").resolve().as_uri()
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
    run = client.create_run(number, run_name=name).info.run_id
    for key, value in params.items():
        client.log_param(run, key, str(value)[:LONGEST])
    return _Run(client, run)


class _Run:
    def __init__(self, client: Any, run: str) -> None:
        self._client, self._run = client, run

    def log(self, values: Scalars, step: int | None = None) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step or 0)

    def finish(self) -> None:
        self._client.set_terminated(self._run)
