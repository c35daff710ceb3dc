"""Tests of kdcl_tf.students.weights.imagenet; weights that are there are in reading_test.py."""

import pathlib
from unittest import mock

import tensorflow as tf
from keras.src.backend import config
from keras.src.utils import file_utils

from kdcl_tf.students.weights import imagenet


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

    def test_a_host_that_is_not_there_is_not_reachable(self):
        with mock.patch("urllib.request.getproxies", return_value={}):
            self.assertFalse(imagenet._is_reachable("https://no-such-host.invalid/file"))


if __name__ == "__main__":
    tf.test.main()
