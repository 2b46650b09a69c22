#!/usr/bin/env bash
# A SLURM cluster of one node, this machine, for as long as a test needs it: munged, slurmctld and slurmd with all their
# files in one folder, on ports of their own. Needs root and Debian's packages: apt-get install slurm-wlm munge
#
#   slurm_cluster.sh start FOLDER [PORT]    then export SLURM_CONF=FOLDER/slurm.conf
#   slurm_cluster.sh stop FOLDER
set -euo pipefail
PATH=$PATH:/usr/sbin
folder=$(realpath -m "$2")
port=${3:-16817}

stop() {
    for name in slurmd slurmctld munged; do
        if [ -s "$folder/$name.pid" ]; then
            pid=$(cat "$folder/$name.pid")
            kill "$pid" 2>/dev/null || true
            for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
        fi
    done
}

start() {
    mkdir -p "$folder"/{state,spool}
    chmod 755 "$folder"
    (umask 077; head -c 128 /dev/urandom > "$folder/munge.key")
    # --force: the folder may lie below one that others may write to, as /tmp.
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
    node=$(hostname -s)
    cat > "$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
KillWait=5
MinJobAge=300
PlugStackConfig=$folder/plugstack.conf
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE OverSubscribe=NO State=UP
CONF
    : > "$folder/plugstack.conf"
    export SLURM_CONF=$folder/slurm.conf
    slurmctld -c -f "$SLURM_CONF"
    slurmd -c -f "$SLURM_CONF"
    for _ in $(seq 100); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then return; fi
        sleep 0.2
    done
    echo "no node came up; see $folder/*.log" >&2
    stop
    exit 1
}

case $1 in
    start) start ;;
    stop) stop ;;
    *) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac
