"""Tests of kdcl_tf.distribution.rendezvous, each worker a thread on this machine."""

import concurrent.futures
import contextlib
import io
import socket
import time
from unittest import mock

from absl.testing import absltest

from kdcl_tf.distribution import rendezvous
from kdcl_tf.distribution.cluster import Cluster

_FLAGS = {"seed": "0", "epochs": "2"}


def _addresses(count, host="localhost"):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return tuple(f"{host}:{each.getsockname()[1]}" for each in sockets)


def _has_ipv6():
    with contextlib.suppress(OSError):
        if socket.has_dualstack_ipv6():
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
            return True
    return False


class RendezvousTest(absltest.TestCase):
    def _meet(self, flags, complete=False, stranger=False, host="localhost"):
        """What each of the workers is told: a value or an exception."""
        addresses = _addresses(len(flags), host)

        def run(index):
            if index == 0 and stranger:
                time.sleep(0.5)
            cluster = Cluster(addresses, index)
            return rendezvous.meet(cluster, flags[index], complete and not index, patience=20.0)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [pool.submit(run, index) for index in range(len(flags))]
            if stranger:
                _knock(addresses[0])
            return [each.exception() or each.result() for each in runs]

    def test_all_go_on_when_all_are_there(self):
        self.assertEqual(self._meet([_FLAGS] * 3), [False] * 3)

    @absltest.skipUnless(_has_ipv6(), "this machine has no IPv6")
    def test_addresses_of_ipv6(self):
        self.assertEqual(self._meet([_FLAGS] * 2, host="[::1]"), [False] * 2)

    def test_a_name_that_is_not_known_is_told(self):
        unknown = socket.gaierror(-2, "Name or service not known")
        with mock.patch.object(socket, "create_connection", side_effect=unknown):
            with self.assertRaisesRegex(
                TimeoutError, r"worker 0 at a:1 \(.*Name or service not known\): start it"
            ):
                rendezvous.meet(Cluster(("a:1", _addresses(1)[0]), 1), _FLAGS, patience=0.5)

    def test_all_hear_that_the_run_is_complete(self):
        self.assertEqual(self._meet([_FLAGS] * 3, complete=True), [True] * 3)

    def test_alone_there_is_nobody_to_wait_for(self):
        self.assertFalse(rendezvous.meet(Cluster(_addresses(1), 0), _FLAGS))

    def test_others_who_knock_change_nothing(self):
        self.assertEqual(self._meet([_FLAGS] * 2, stranger=True), [False] * 2)

    def test_other_flags_are_told_to_all(self):
        errors = self._meet([_FLAGS, _FLAGS, {**_FLAGS, "seed": "1", "new": "x"}])
        for error in errors:
            self.assertIsInstance(error, ValueError)
            self.assertRegex(
                str(error),
                r"worker 2 was started with other flags: --seed=1 \(worker 0: 0\), "
                r"--new=x \(worker 0: \(absent\)\); pass the same to all",
            )

    def test_who_does_not_come_is_named(self):
        addresses = _addresses(3)
        for index, message in (
            (0, f"no word from worker 1 at {addresses[1]}, 2 at {addresses[2]}: start it"),
            (1, f"no answer from worker 0 at {addresses[0]}: start it; if the run is complete"),
        ):
            with self.assertRaisesRegex(TimeoutError, message):
                rendezvous.meet(Cluster(addresses, index), _FLAGS, patience=0.5)

    def test_an_address_that_is_taken(self):
        addresses = _addresses(2)
        port = int(addresses[0].rpartition(":")[2])
        with socket.create_server(("", port)):
            with self.assertRaisesRegex(ValueError, f"listen at {addresses[0]} .*: expected"):
                rendezvous.meet(Cluster(addresses, 0), _FLAGS, patience=0.5)

    def test_who_is_waited_for_is_told_once(self):
        addresses = _addresses(2)
        for index, other in ((0, 1), (1, 0)):
            told = io.StringIO()
            with (
                contextlib.redirect_stderr(told),
                mock.patch.object(rendezvous, "_TELL_AFTER", 0.0),
            ):
                with self.assertRaises(TimeoutError):
                    rendezvous.meet(Cluster(addresses, index), _FLAGS, patience=1.5)
            self.assertEqual(told.getvalue(), f"waiting for worker {other} at {addresses[other]}\n")


def _knock(address):
    """Says what no worker says, once somebody listens."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + 10.0
    words = [b"GET / HTTP/1.1\n", b"[" * 100_000 + b"\n"]
    while words and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            with socket.create_connection((host, int(port)), timeout=1.0) as connection:
                connection.sendall(words[0])
            words.pop(0)
        time.sleep(0.01)


if __name__ == "__main__":
    absltest.main()
