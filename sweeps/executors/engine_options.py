"""What --executor-option may name, by executor; here so that nothing has to be imported to know it."""

from __future__ import annotations

SLURM_OPTIONS = {
    "time": "walltime, as minutes, H:MM:SS or D-HH:MM:SS (default: 4:00:00); a cell then goes on in the next",
    "partition": "partition",
    "account": "account",
    "qos": "quality of service",
    "constraint": "features that a node must have",
    "gpus": "GPUs of each job: a number, or TYPE:NUMBER (default: 1 with --device cuda)",
    "cpus": "CPUs of each job (default: the threads of its cell)",
    "mem": "memory of each job, such as 16G",
    "requeues": "how often a job may reach its walltime (default: 100)",
    "setup": "a shell command to run before, such as 'module load cuda'",
    "sbatch": "more options of sbatch, such as reservation=mine;nodelist=n1",
    "cluster": "slurm, or local for submitit's processes on this machine (default: slurm)",
}
RAY_OPTIONS = {
    "address": "of the cluster: auto, HOST:PORT, or local for one on this machine alone (default: auto)",
    "shared_fs": "no: the nodes do not see the sweep's folder; files are sent to them and back (default: yes)",
    "data": "the data's folder on the nodes, where it is another one there",
    "cpus": "CPUs of each cell (default: its threads)",
    "gpus": "GPUs of each cell (default: 1 with --device cuda)",
    "retries": "how often a cell is begun again whose node or process was lost (default: 3)",
    "wait": "yes: nodes that are large enough for a cell may still come (default: no)",
}
