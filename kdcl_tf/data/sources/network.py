"""Whether there is a network, found out in bounded time."""

from __future__ import annotations

import queue
import socket
import threading
import time
import urllib.request
from collections.abc import Sequence

# Two operators, because one may be blocked where the other is not: TFDS's
# bucket, and the host of many of its sources.
HOSTS = (("storage.googleapis.com", 443), ("github.com", 443))


def is_reachable(hosts: Sequence[tuple[str, int]] = HOSTS, timeout: float = 2.0) -> bool:
    """Whether one of the hosts accepts a connection.

    Name look-up has no time limit of its own and can hang for minutes, so each
    host is tried in a daemon thread, which is left behind if it does not answer.

    Args:
      hosts: (name, port) pairs, tried at the same time.
      timeout: seconds for all of it, name look-up included.

    Returns:
      True at the first connection. Also True, without a try, when the environment names a
      proxy, since a direct connection then proves nothing.
    """
    if has_proxy():
        return True
    answers: queue.Queue[bool] = queue.Queue()
    deadline = time.monotonic() + timeout
    for address in hosts:
        arguments = (address, timeout, answers)
        threading.Thread(target=_connect, args=arguments, daemon=True).start()
    for _ in hosts:
        try:
            if answers.get(timeout=max(0.0, deadline - time.monotonic())):
                return True
        except queue.Empty:
            return False
    return False


def has_proxy() -> bool:
    """Whether the environment names a proxy for web requests."""
    proxies = urllib.request.getproxies_environment()
    return any(scheme in proxies for scheme in ("http", "https", "all"))


def _connect(address: tuple[str, int], timeout: float, answers: queue.Queue[bool]) -> None:
    try:
        with socket.create_connection(address, timeout):
            answers.put(True)
    except OSError:
        answers.put(False)
