"""The workers of a run, read from TF_CONFIG or SLURM's variables.

Needs no TensorFlow, so that a mistake is reported before anything starts.
"""

import dataclasses
import json
import re
from collections.abc import Mapping

# Below the range from which systems take ports for outgoing connections.
_FIRST_PORT, _PORTS = 12_000, 20_000

_HOW = (
    "set TF_CONFIG in every process, or start them with srun (one task a worker); "
    "for one machine pass strategy=mirrored"
)
_TF_CONFIG = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
_JOBS = ("worker", "chief")


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Attributes:
      workers: `host:port` of each; the first is the chief.  An IPv6 address stands in brackets.
      index: which of them this process is.
    """

    workers: tuple[str, ...]
    index: int


def from_environment(environ: Mapping[str, str]) -> Cluster:
    """The cluster that the environment describes; TF_CONFIG goes before SLURM.

    Args:
      environ: such as `os.environ`.

    Raises:
      ValueError: when neither describes one, or what is described is contradictory.
    """
    if environ.get("TF_CONFIG", "").strip():
        return _from_tf_config(environ["TF_CONFIG"])
    if "SLURM_PROCID" in environ:
        return _from_slurm(environ)
    raise ValueError(f"expected TF_CONFIG or SLURM's variables; got neither: {_HOW}")


def _from_tf_config(text):
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        kind, index = task["type"], _whole(task["index"])
        addresses = {job: _listed(job, hosts) for job, hosts in cluster.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"TF_CONFIG={_short(text)} cannot be read ({type(error).__name__}: {error}): expected "
            f"{_TF_CONFIG}"
        ) from error
    _check_jobs(addresses, kind)
    if kind == "chief" and index >= len(addresses.get("chief", [])):
        raise ValueError(f"TF_CONFIG has no chief {index}: expected index 0, and one chief at most")
    # A chief is the worker before the first.
    workers = tuple(addresses.get("chief", [])) + tuple(addresses.get("worker", []))
    if not workers:
        raise ValueError(f"TF_CONFIG={_short(text)} lists no worker: expected {_TF_CONFIG}")
    if kind == "worker" and index >= 0:
        index += len(addresses.get("chief", []))
    return _checked(workers, index, f"TF_CONFIG's task {kind} {task['index']}")


def _listed(job, hosts):
    """A job's addresses; a text, or TensorFlow's `{index: address}`, would be taken apart.

    A job that is refused anyway may be anything.
    """
    if job in _JOBS and not isinstance(hosts, list):
        raise TypeError(f"job {job!r} is no list of host:port")
    return hosts


def _whole(value):
    """A task's index, a number or its text."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"index {value!r} is no whole number")
    return int(value)


def _check_jobs(addresses, kind):
    if "ps" in addresses:
        raise ValueError(
            "TF_CONFIG has parameter servers (job 'ps'), which Keras 3 does not support: "
            "list all machines under 'worker'"
        )
    for job in (kind, *addresses):
        if job not in _JOBS:
            raise ValueError(f"TF_CONFIG has a job {job!r}: expected 'worker', and perhaps 'chief'")


def _from_slurm(environ):
    """Ranks go node by node, as srun's own (block) distribution gives them.

    Not TensorFlow's resolver: that imports TensorFlow, needs nvidia-smi on machines without
    GPUs, hides GPUs that SLURM has already assigned, and gives all jobs of a node one port.
    """
    try:
        nodes = expand_hosts(_variable(environ, "NODELIST"))
        tasks = expand_counts(_variable(environ, "TASKS_PER_NODE"))
        rank = int(environ["SLURM_PROCID"])
        job = int(environ["SLURM_JOB_ID"])
        step = int(environ.get("SLURM_STEP_ID", "0"))
    except (ValueError, LookupError) as error:
        raise ValueError(
            f"SLURM's variables are incomplete or malformed ({error}): {_HOW}"
        ) from error
    if len(nodes) != len(tasks):
        raise ValueError(
            f"SLURM names {len(nodes)} nodes and tasks for {len(tasks)} of them: start the "
            "workers with srun, or set TF_CONFIG"
        )
    order = environ.get("SLURM_DISTRIBUTION", "block")
    if re.split("[:,]", order)[0] != "block" and max(tasks) > 1:
        raise ValueError(
            f"SLURM_DISTRIBUTION={order}: expected ranks node by node; pass --distribution=block "
            "to srun, or set TF_CONFIG"
        )
    port = _FIRST_PORT + (job * 64 + step * 16) % _PORTS
    workers = [
        f"{node}:{port + local}" for node, count in zip(nodes, tasks) for local in range(count)
    ]
    return _checked(tuple(workers), rank, f"SLURM_PROCID={rank}")


def _variable(environ, name):
    """SLURM's variable of the step, or of the job where the step has none."""
    for prefix in ("SLURM_STEP_", "SLURM_JOB_", "SLURM_"):
        if environ.get(prefix + name):
            return environ[prefix + name]
    raise LookupError(f"SLURM_STEP_{name}")


def host_and_port(address: str) -> tuple[str, int]:
    """`"[::1]:12345"` as `("::1", 12345)`, without the brackets, which no look-up of names knows.

    Raises:
      ValueError: when it has another form.
    """
    found = re.fullmatch(r"(?:([^\s:\[\]]+)|\[([^\s\[\]]+)\]):(\d{1,5})", str(address))
    if not found or not 0 < int(found[3]) < 1 << 16:
        raise ValueError(
            f"the worker {address!r} has no address: expected host:port, or [host]:port for an IPv6 "
            "address, and a port from 1 to 65535"
        )
    return found[1] or found[2], int(found[3])


def _checked(workers, index, what):
    for address in workers:
        host_and_port(address)
    twice = sorted({each for each in workers if workers.count(each) > 1})
    if twice:
        raise ValueError(f"two workers have one address, {twice[0]}: expected a port for each")
    if not 0 <= index < len(workers):
        raise ValueError(
            f"{what} is not one of the {len(workers)} workers: expected an index from 0 to "
            f"{len(workers) - 1}"
        )
    return Cluster(workers, index)


# A name in which groups of numbers stand for several nodes.
_SPAN = r"\d+(?:-\d+)?"
_NODE = rf"(?:[^,\[\]\s]|\[{_SPAN}(?:,{_SPAN})*\])+"


def expand_hosts(text: str) -> list[str]:
    """`"a[1-2,07],b"` as `["a1", "a2", "a07", "b"]`, the way SLURM shortens lists of nodes."""
    if not re.fullmatch(rf"{_NODE}(?:,{_NODE})*", text):
        raise ValueError(f"{text!r} is no list of nodes")
    return [host for part in re.findall(_NODE, text) for host in _expand_host(part)]


def _expand_host(part):
    """One name; several groups of brackets multiply."""
    found = re.search(r"\[([^\]]*)\]", part)
    if not found:
        return [part]
    tails = _expand_host(part[found.end() :])
    numbers = []
    for bounds in found[1].split(","):
        low, _, high = bounds.partition("-")
        span = range(int(low), int(high or low) + 1)
        # SLURM keeps leading zeros: 08-10 is 08, 09, 10.
        numbers.extend(str(number).zfill(len(low)) for number in span)
    return [f"{part[: found.start()]}{number}{tail}" for number in numbers for tail in tails]


def expand_counts(text: str) -> list[int]:
    """`"2(x3),1"` as `[2, 2, 2, 1]`, the way SLURM shortens tasks per node."""
    counts = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if not found:
            raise ValueError(f"{text!r} is no list of tasks per node")
        counts.extend([int(found[1])] * int(found[2] or 1))
    return counts


def _short(text):
    return text if len(text) <= 60 else f"{text[:57]}..."
