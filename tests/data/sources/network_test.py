"""Tests of the bounded look for a network."""

import inspect
import os
import socket
import threading
from unittest import mock

from absl.testing import absltest

from kdcl_tf.data.sources import network


class NetworkTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        kept = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        self.enter_context(mock.patch.dict(os.environ, kept, clear=True))

    def test_a_host_that_listens(self):
        with socket.create_server(("localhost", 0)) as server:
            self.assertTrue(network.is_reachable([server.getsockname()[:2]]))

    def test_one_of_two_hosts_is_enough(self):
        with socket.create_server(("localhost", 0)) as server:
            hosts = [("localhost", self._closed_port()), server.getsockname()[:2]]
            self.assertTrue(network.is_reachable(hosts))

    def test_a_host_that_refuses(self):
        hosts = [("localhost", self._closed_port())]
        self.assertFalse(network.is_reachable(hosts))

    def test_a_look_up_that_hangs_is_given_up(self):
        done, is_over = threading.Event(), threading.Event()
        self.addCleanup(done.set)

        def hang(*_, **__):
            done.wait(60)
            is_over.set()
            raise OSError("given up")

        with mock.patch.object(socket, "getaddrinfo", side_effect=hang):
            self.assertFalse(network.is_reachable([("host", 443)], timeout=0.3))
        self.assertFalse(is_over.is_set())

    def test_a_proxy_is_taken_for_a_network(self):
        with mock.patch.dict(os.environ, {"HTTPS_PROXY": "http://proxy:3128"}):
            self.assertTrue(network.is_reachable([]))
        self.assertFalse(network.is_reachable([]))

    def test_the_real_answer_is_one_and_has_two_seconds(self):
        self.assertIn(network.is_reachable(), (True, False))
        timeout = inspect.signature(network.is_reachable).parameters["timeout"]
        self.assertEqual(timeout.default, 2.0)

    def _closed_port(self):
        with socket.create_server(("localhost", 0)) as server:
            return server.getsockname()[1]


if __name__ == "__main__":
    absltest.main()
