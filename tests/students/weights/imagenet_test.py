"""Tests of kdcl_tf.students.weights.imagenet; weights that are there are in reading_test.py."""

import http.server
import os
import pathlib
import threading
from unittest import mock

import tensorflow as tf
from keras.src.backend import config
from keras.src.utils import file_utils

from kdcl_tf.students.weights import imagenet


class _Server(http.server.BaseHTTPRequestHandler):
    """Sends `whole`, or half of it; calls `meanwhile` after the first half."""

    whole, is_cut = bytes(range(256)) * 1000, False
    meanwhile = staticmethod(lambda: None)

    def do_GET(self):
        half = len(self.whole) // 2
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.whole)))
        self.end_headers()
        self.wfile.write(self.whole[:half])
        self.wfile.flush()
        self.meanwhile()
        if not self.is_cut:
            self.wfile.write(self.whole[half:])

    def log_message(self, *_):
        pass


class DownloadTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "models" / "weights.h5"
        self.handler = type("Handler", (_Server,), {})
        server = http.server.ThreadingHTTPServer(("localhost", 0), self.handler)
        self.origin = f"http://localhost:{server.server_port}/weights.h5"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.enter_context(mock.patch.dict("os.environ", {"KERAS_HOME": str(self.folder)}))
        self.enter_context(mock.patch.object(config, "_KERAS_DIR", str(self.folder)))
        self.enter_context(mock.patch.object(imagenet, "_is_reachable", return_value=True))

    def _download(self):
        with imagenet._watched_downloads() as used:
            found = file_utils.get_file("weights.h5", self.origin, cache_subdir="models")
        self.assertEqual(used, [pathlib.Path(found)])
        return found

    def test_a_file_has_its_name_when_it_is_whole(self):
        seen = []
        self.handler.meanwhile = staticmethod(lambda: seen.append(self.path.exists()))
        for _ in range(2):  # The second time it is there.
            self.assertEqual(self._download(), str(self.path))
            self.assertEqual(self.path.read_bytes(), _Server.whole)
        self.assertEqual(seen, [False])
        self.assertEqual(os.listdir(self.path.parent), ["weights.h5"])

    def test_a_connection_that_ends_early_leaves_nothing(self):
        self.handler.is_cut = True
        with self.assertRaisesRegex(Exception, "URL fetch failure"):
            self._download()
        self.assertEmpty(os.listdir(self.path.parent))


class ImageNetTest(tf.test.TestCase):
    def test_without_a_network_one_line_says_where_the_file_belongs(self):
        folder = self.create_tempdir().full_path
        get_file = file_utils.get_file
        with (
            mock.patch.dict("os.environ", {"KERAS_HOME": folder}),
            mock.patch.object(config, "_KERAS_DIR", folder),
            mock.patch.object(imagenet, "_is_reachable", return_value=False),
            self.assertRaisesRegex(
                ValueError,
                f"{folder}/models/.*v3_small.*h5 is not there, and there is no network .*: copy https://",
            ) as caught,
        ):
            imagenet.load("MobileNetV3Small")
        self.assertNotIn("\n", str(caught.exception))
        self.assertIs(file_utils.get_file, get_file)
        self.assertEmpty(list(pathlib.Path(folder).rglob("*.h5")))

    def test_a_file_that_is_damaged_is_named(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        path = folder / "models" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
        path.parent.mkdir()
        path.write_bytes(b"half")
        with (
            mock.patch.dict("os.environ", {"KERAS_HOME": str(folder)}),
            mock.patch.object(config, "_KERAS_DIR", str(folder)),
            self.assertRaisesRegex(
                ValueError, f"not load .* \\({path}; delete it if it is damaged"
            ),
        ):
            imagenet.load("MobileNetV2")

    def test_a_host_that_is_not_there_is_not_reachable(self):
        with mock.patch("urllib.request.getproxies", return_value={}):
            self.assertFalse(imagenet._is_reachable("https://no-such-host.invalid/file"))


if __name__ == "__main__":
    tf.test.main()
