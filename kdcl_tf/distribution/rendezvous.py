"""Workers meet before TensorFlow starts, and make sure that all have the same flags.

TensorFlow itself waits an hour for a worker that does not come, with Python's lock held
and deaf to SIGTERM, and cannot see that two workers were started with different flags.
So the chief listens at its own address first, hears from each worker, and answers all of
them at once; then the same address becomes TensorFlow's.
"""

import contextlib
import json
import socket
import sys
import time

from kdcl_tf.distribution.cluster import Cluster, host_and_port

_PATIENCE = 600.0
_TELL_AFTER = 15.0
_RETRY = 0.2
_LONGEST = 1 << 20


def meet(
    cluster: Cluster, flags: dict[str, str], complete: bool = False, patience: float = _PATIENCE
) -> bool:
    """Waits for all workers.

    Args:
      cluster: of all workers, this one among them.
      flags: `{name: text}`, which must be the chief's in every worker.
      complete: the chief's answer: whether there is nothing left to do.
      patience: seconds to wait.

    Returns:
      The chief's `complete`.

    Raises:
      ValueError: when flags differ, or this worker's address is taken.
      TimeoutError: when a worker does not come, naming it.
    """
    deadline = time.monotonic() + patience
    if len(cluster.workers) == 1:
        return complete
    if cluster.index == 0:
        return _receive(cluster, flags, complete, deadline)
    _own_address(cluster, deadline).close()
    return _call(cluster, flags, deadline)


def _receive(cluster, flags, complete, deadline):
    """The chief's side."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_own_address(cluster, deadline))
        callers = _hear(server, cluster, deadline, stack)
        wrong = _differences(flags, {index: call["flags"] for index, (_, call) in callers.items()})
        answer = json.dumps({"complete": complete, "error": wrong}) + "\n"
        for connection, _ in callers.values():
            with contextlib.suppress(OSError):
                connection.sendall(answer.encode())
        # Closed by the callers first: the address is then free for TensorFlow at once.
        for connection, _ in callers.values():
            with contextlib.suppress(OSError):
                connection.recv(1)
    if wrong:
        raise ValueError(wrong)
    return complete


def _hear(server, cluster, deadline, stack):
    """`{index: (connection, what it said)}` of every other worker."""
    callers, tell_at = {}, time.monotonic() + _TELL_AFTER
    while len(callers) < len(cluster.workers) - 1:
        missing = [index for index in range(1, len(cluster.workers)) if index not in callers]
        names = ", ".join(f"{index} at {cluster.workers[index]}" for index in missing)
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"no word from worker {names}: start it, or run without it")
        tell_at = _tell(names, tell_at, deadline)
        server.settimeout(min(1.0, max(deadline - now, 0.01)))
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
            connection = stack.enter_context(server.accept()[0])
            # A stranger who connects must not keep the workers waiting.
            connection.settimeout(5.0)
            call = json.loads(_line(connection))
            if call["index"] in missing or call["index"] in callers:
                callers[call["index"]] = (connection, call)
    return callers


def _call(cluster, flags, deadline):
    """The side of a worker that is not the chief."""
    address, unknown = host_and_port(cluster.workers[0]), ""
    word = json.dumps({"index": cluster.index, "flags": flags}) + "\n"
    tell_at = time.monotonic() + _TELL_AFTER
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(address, timeout=5.0) as connection:
                connection.sendall(word.encode())
                connection.settimeout(max(deadline - time.monotonic(), 0.01))
                answer = json.loads(_line(connection))
            break
        except (OSError, ValueError, RecursionError) as error:
            unknown = f" ({error})" if isinstance(error, socket.gaierror) else ""
        tell_at = _tell(f"0 at {cluster.workers[0]}", tell_at, deadline)
        time.sleep(_RETRY)
    else:
        raise TimeoutError(
            f"no answer from worker 0 at {cluster.workers[0]}{unknown}: start it; if the run is complete, "
            "its results are there"
        )
    if answer["error"]:
        raise ValueError(answer["error"])
    return answer["complete"]


def _tell(names, when, deadline):
    """Prints once, after the time `when`, who is waited for; returns when to print next."""
    if time.monotonic() <= when:
        return when
    print(f"waiting for worker {names}", file=sys.stderr, flush=True)
    return deadline


def _line(connection):
    """What the other side sends up to the end of a line."""
    heard = b""
    while not heard.endswith(b"\n"):
        more = connection.recv(65536)
        if not more or len(heard) > _LONGEST:
            raise ValueError("expected a whole line; got a part of one")
        heard += more
    return heard


def _own_address(cluster, deadline):
    """A listening socket at this worker's port, which the run before may not have freed yet."""
    address = cluster.workers[cluster.index]
    _, port = host_and_port(address)
    deadline = min(deadline, time.monotonic() + 30.0)
    while True:
        try:
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            return socket.create_server(
                ("", port), family=family, dualstack_ipv6=both, backlog=len(cluster.workers)
            )
        except (OSError, OverflowError) as error:
            if time.monotonic() > deadline:
                raise ValueError(
                    f"worker {cluster.index} cannot listen at {address} ({error}): expected a port "
                    "that is free on its machine"
                ) from error
            time.sleep(_RETRY)


def _differences(flags, of_workers):
    """A line about the first worker whose flags differ from the chief's, or `""`."""
    for index, theirs in sorted(of_workers.items()):
        differ = [
            f"--{name}={theirs.get(name, '(absent)')} (worker 0: {flags.get(name, '(absent)')})"
            for name in {**flags, **theirs}
            if flags.get(name) != theirs.get(name)
        ]
        if differ:
            return (
                f"worker {index} was started with other flags: {', '.join(differ)}; "
                "pass the same to all"
            )
    return ""
