"""Tests of kdcl_tf.serving.formats.flags."""

import pathlib

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.serving.formats import flags as format_flags, names


class FlagsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.flags = flags.FlagValues()
        format_flags.define_flags(self.flags)
        self.flags(["kdcl-export"])

    def _chosen(self, **given):
        values = {name: self.flags[name].value for name in self.flags}
        return format_flags.chosen_formats({**values, **given})

    def test_by_default_all_students_as_saved_models(self):
        self.assertEqual(self._chosen(), ("saved_model",))
        format_flags.check_read(self.flags, ("saved_model",))
        format_flags.check_student(self.flags.student, ["resnet8"])

    def test_an_ensemble_has_no_formats_of_students_alone(self):
        everything = self._chosen(format=["all"])
        self.assertEqual(everything, tuple(names.FORMATS))
        of_ensemble = self._chosen(format=["all"], student="ensemble")
        self.assertEqual(set(everything) - set(of_ensemble), {"keras", "weights"})

    def test_folders_must_be_there(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        self._chosen(images=str(folder))
        file = folder / "a.png"
        file.touch()
        for path in (file, folder / "gone"):
            for name in ("images", "calibration"):
                with self.assertRaisesRegex(ValueError, f"expected --{name} to be a folder; got"):
                    self._chosen(**{name: str(path)})

    @parameterized.parameters(
        ("test_images", 9, ("saved_model", "weights"), ("onnx",)),
        ("calibration", "photos", ("litert_float16",), ("litert_int8",)),
        ("calibration_images", 9, ("onnx",), ("litert_int8",)),
        ("dataset", "folder:photos", ("keras",), ("litert",)),
        ("data_dir", "tfds", ("saved_model",), ("litert_int8",)),
    )
    def test_a_flag_is_refused_where_no_format_reads_it(self, name, value, without, reads):
        self.flags[name].value = value
        format_flags.check_read(self.flags, reads)
        with self.assertRaisesRegex(ValueError, f"got --format=.*: leave out --{name}$"):
            format_flags.check_read(self.flags, without)

    def test_own_data_is_not_read_beside_images_that_are_given(self):
        self.flags.dataset, self.flags.images = "folder:photos", "others"
        with self.assertRaisesRegex(ValueError, "got --format=onnx --images: leave out --dataset$"):
            format_flags.check_read(self.flags, ("onnx",))
        # Its training images calibrate.
        format_flags.check_read(self.flags, ("onnx", "litert_int8"))

    def test_students_are_those_of_the_run_and_the_ensemble(self):
        for name in ("resnet8", "ensemble", None):
            format_flags.check_student(name, ["resnet8"])
        with self.assertRaisesRegex(ValueError, "to be one of resnet8, ensemble; got resnet20$"):
            format_flags.check_student("resnet20", ["resnet8"])


if __name__ == "__main__":
    absltest.main()
