"""Tests of kdcl_tf.students.weights.kinds."""

import pathlib
import subprocess
import sys
import zipfile

import numpy as np
from absl.testing import absltest, parameterized
from safetensors.numpy import save_file

from kdcl_tf.students.weights import kinds


class KindsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_each_kind_is_known_by_its_name(self):
        (self.folder / "exported").mkdir()
        (self.folder / "exported" / "saved_model.pb").touch()
        with zipfile.ZipFile(self.folder / "a.keras", "w"):
            pass
        (self.folder / "a.weights.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
        save_file({"conv1.weight": np.zeros(3)}, self.folder / "a.safetensors")
        for name, kind in (
            ("exported", "saved_model"),
            ("a.keras", "keras"),
            ("a.weights.h5", "weights"),
            ("a.safetensors", "safetensors"),
        ):
            self.assertEqual(kinds.check(self.folder / name, "resnet18"), kind)
        self.assertEqual(kinds.check("imagenet", "keras:MobileNetV2"), "imagenet")

    @parameterized.parameters(
        ("none.keras", None, "resnet18", "which is not there"),
        ("text.keras", b"text", "resnet18", "got no whole zip file"),
        ("text.weights.h5", b"text", "resnet18", "got no HDF5 file"),
        ("text.safetensors", b"text", "resnet18", "expected a whole .safetensors file; got "),
        ("empty.safetensors", b"", "mobilenet_v2", "expected a whole .safetensors file; got "),
        (
            "a.safetensors",
            b"",
            "resnet32",
            "MobileNetV2, for the student of that network; got .* for resnet32",
        ),
        (
            "a.pth",
            b"text",
            "resnet18",
            "a file of PyTorch: make .* with tools/convert_weights.py .*a.pth",
        ),
        ("a.h5", b"text", "resnet18", "which is none of these"),
    )
    def test_what_is_none_is_refused_in_one_line(self, name, content, architecture, message):
        path = self.folder / name
        if content is not None:
            path.write_bytes(content)
        with self.assertRaisesRegex(ValueError, message) as caught:
            kinds.check(path, architecture)
        self.assertNotIn("\n", str(caught.exception))

    def test_a_file_that_was_cut_short_is_refused(self):
        path = self.folder / "cut.safetensors"
        save_file({"conv1.weight": np.ones([64, 64])}, path)
        path.write_bytes(path.read_bytes()[:-9])
        with self.assertRaisesRegex(ValueError, "expected a whole .safetensors file; got "):
            kinds.check(path, "resnet18")

    def test_imagenet_and_folders(self):
        with self.assertRaisesRegex(
            ValueError, "imagenet for a student of keras.app.*; got resnet18"
        ):
            kinds.check("imagenet", "resnet18")
        with self.assertRaisesRegex(ValueError, "the folder .*, which is no exported student"):
            kinds.check(self.folder, "resnet18")

    def test_it_needs_no_tensorflow(self):
        program = (
            "import sys; from kdcl_tf.students.weights import kinds, modes\n"
            "from kdcl_tf.serving import weight_sources\n"
            "print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout, "[]\n")


if __name__ == "__main__":
    absltest.main()
