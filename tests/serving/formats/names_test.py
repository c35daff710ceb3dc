"""Tests of kdcl_tf.serving.formats.names."""

from absl.testing import absltest, parameterized

from kdcl_tf.serving.formats import names, only_runtime


class NamesTest(parameterized.TestCase):
    @parameterized.parameters(
        (["onnx"], False, ("onnx",)),
        (["onnx", "saved_model", "onnx"], False, ("saved_model", "onnx")),
        (["all"], False, tuple(names.FORMATS)),
        (["all"], True, ("saved_model", "litert", "litert_float16", "litert_int8", "onnx")),
        (["all", "keras"], False, tuple(names.FORMATS)),
    )
    def test_chosen_formats_come_once_and_in_order(self, given, ensemble, expected):
        self.assertEqual(names.chosen(given, ensemble), expected)

    @parameterized.parameters(
        ([], False, "^expected formats among saved_model, .*, onnx, all; got ''$"),
        (["keras", "tflite"], False, "got 'tflite'$"),
        (["weights", "onnx"], True, "expected another format of the ensemble; got weights, which"),
    )
    def test_others_are_refused(self, given, ensemble, message):
        with self.assertRaisesRegex(ValueError, message):
            names.chosen(given, ensemble)

    def test_packages_and_what_needs_images(self):
        self.assertEqual(names.packages(["saved_model", "keras", "weights"]), ())
        self.assertEqual(names.packages(["litert", "litert_int8"]), ("ai_edge_litert",))
        needs = [name for name, each in names.FORMATS.items() if each.needs_images]
        self.assertEqual(needs, ["litert", "litert_float16", "litert_int8", "onnx"])

    def test_files_of_one_student_have_names_of_their_own_and_a_runtime(self):
        endings = [each.ending for each in names.FORMATS.values()]
        self.assertLen(set(endings), len(endings))
        for each in names.FORMATS.values():
            self.assertTrue(hasattr(only_runtime, f"_{each.runtime}"))


if __name__ == "__main__":
    absltest.main()
