"""A Slurm cluster of one node in a temporary folder, without systemd: its own munged, slurmctld and slurmd."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
# A credential that expires soon lets a requeued job start soon.
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
SlurmdParameters=config_overrides
KillWait=60
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=4000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=600 State=UP
"""


def missing() -> list[str]:
    """The daemons that are not installed here."""
    return [name for name in DAEMONS if _where(name) is None]


def _where(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


@contextmanager
def slurm_cluster() -> Iterator[Path]:
    """Start a cluster and yield its slurm.conf, which the environment variable SLURM_CONF makes commands use."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # sockets need short paths
    conf = folder / "slurm.conf"
    sockets = [socket.socket() for _ in range(2)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    host, user = socket.gethostname().partition(".")[0], subprocess.check_output(["id", "-un"], text=True).strip()
    conf.write_text(CONF.format(host=host, ports=ports, user=user, folder=folder))
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "key").write_bytes(os.urandom(1024))
    (folder / "key").chmod(0o400)
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    files = {
        "key-file": "key",
        "socket": "munge.sock",
        "pid-file": "munged.pid",
        "log-file": "m.log",
        "seed-file": "seed",
    }
    commands = [
        [_where("munged"), "--foreground", "--force", *(f"--{key}={folder / name}" for key, name in files.items())],
        [_where("slurmctld"), "-D", "-c"],
        [_where("slurmd"), "-D"],
    ]
    log = (folder / "log").open("w")
    daemons = []
    try:
        for command in commands:
            daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            if len(daemons) == 1:
                _wait(lambda: (folder / "munge.sock").exists(), folder)
        _wait(lambda: _said(["sinfo", "--noheader", "--format=%T"], environment).startswith("idle"), folder)
        yield conf
    finally:
        if len(daemons) == len(commands):
            subprocess.run(["scancel", "--user", user], env=environment, check=False)
            _wait(lambda: not _said(["squeue", "--noheader"], environment).strip(), folder)
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(60)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _said(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def _wait(is_so, folder: Path, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit, (folder / "log").read_text()
        time.sleep(0.1)
