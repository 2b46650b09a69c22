"""A sweep on a real Ray cluster of two nodes comes to what it comes to on one machine, also where a node is lost."""

import signal
import subprocess
import sys
import time

import pytest
from ended import all_ended
from six_cells import OPTIONS, results_of, six_cells

from posebench.pose.errors import InputError
from posebench.sweeps.executors.presence import RUN, read_owner
from posebench.sweeps.runner import execute

pytestmark = [pytest.mark.slow, pytest.mark.optional]


@pytest.fixture
def cluster():
    """Two nodes of one CPU each."""
    pytest.importorskip("ray", reason="pip install 'posebench[ray]'")
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.second = found.add_node(num_cpus=1)
    found.wait_for_nodes()
    yield found
    found.shutdown()


def on_ray(cluster, data, out, *more):
    return six_cells(data, out=out, executor="ray", executor_options=[f"address={cluster.address}", *more])


@pytest.mark.parametrize("shared", ["yes", "no"])
def test_two_nodes_give_the_table_of_one_machine(cluster, here, people, tmp_path, shared):
    running, most = set(), []

    def listen(event):
        if event.kind == "start":
            running.add(event.name)
            most.append(len(running))
        elif event.kind in ("done", "failed"):
            running.discard(event.name)

    outcome = execute(on_ray(cluster, people, tmp_path / "sweep", f"shared_fs={shared}"), listen)
    assert outcome.failed == {} and results_of(tmp_path / "sweep") == here
    assert max(most) == 2


def test_a_node_that_is_killed_in_the_middle_costs_nothing_but_time(cluster, here, people, tmp_path):
    cells, started, killed = set(), [], []

    def listen(event):
        if event.kind == "plan":
            cells.update(cell.key for cell in event.info["plan"].cells)
        if event.kind == "start" and event.name in cells:
            started.append(event.name)
            if len(set(started)) == 2 and not killed:  # one on each node, which has one CPU
                killed.append(True)
                cluster.remove_node(cluster.second, allow_graceful=False)

    outcome = execute(on_ray(cluster, people, tmp_path / "sweep"), listen)
    assert killed and outcome.failed == {} and results_of(tmp_path / "sweep") == here
    assert len(started) > len(set(started)), "what the lost node did was begun again"


def test_ctrl_c_ends_the_processes_on_the_nodes_and_gives_their_cpus_back(cluster, people, tmp_path):
    import ray

    out = tmp_path / "sweep"
    values = OPTIONS | {"epochs": 1000, "data": str(people), "out": str(out), "executor": "ray"}
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's & ignores it
        "from posebench.sweeps.runner import run_sweep\n"
        f"run_sweep(executor_options=['address={cluster.address}'], **{values!r})"
    )
    sweep = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while len(files := list(out.glob("cells/*/worker.json"))) < 2 and time.monotonic() < end:
            time.sleep(0.2)
        owners = [read_owner(file) for file in files]
        assert len(owners) == 2 and not any(owner.ended for owner in owners)
        sweep.send_signal(signal.SIGINT)
        sweep.wait(60)  # whose exit code Ray may have taken in this process
        assert read_owner(out / RUN).how == "interrupted"
        assert all_ended([owner.pid for owner in owners], patience=20)
        ray.init(address=cluster.address, log_to_driver=False)
        try:
            end = time.monotonic() + 30
            while ray.available_resources().get("CPU", 0) < 2 and time.monotonic() < end:
                time.sleep(0.2)
            assert ray.available_resources()["CPU"] == 2
        finally:
            ray.shutdown()
    finally:
        sweep.kill()
        sweep.wait()


def test_what_no_node_can_run_is_told_at_once(cluster, people, tmp_path):
    with pytest.raises(InputError, match="no node has 3 CPUs and 0 GPUs"):
        execute(on_ray(cluster, people, tmp_path / "sweep", "cpus=3"))
