"""Tests of kdcl_tf.serving.formats.litert, on known numbers."""

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from ai_edge_litert.interpreter import Interpreter

from kdcl_tf.serving.formats import litert
from tests.serving.formats import means


class LitertTest(parameterized.TestCase):
    def _interpreter(self, kind, calibration):
        of_pixels = means.function()
        given = {"int8": lambda images: of_pixels(images / 255.0)}.get(kind, of_pixels)
        content = litert.convert(given, means.SHAPE, kind, calibration)
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        return interpreter

    @parameterized.parameters(("float32", 1e-6), ("float16", 1e-3), ("int8", 0.02))
    def test_one_image_of_whole_numbers_to_floats(self, kind, tolerance):
        interpreter = self._interpreter(kind, means.images(8))
        (given,) = interpreter.get_input_details()
        self.assertEqual((given["dtype"], given["shape"].tolist()), (np.uint8, [1, 4, 6, 3]))
        self.assertEqual(given["shape"].tolist(), given["shape_signature"].tolist())
        run = interpreter.get_signature_runner()
        # The lines for Swift take outputs by their places.
        places = [each["index"] for each in interpreter.get_output_details()]
        named = run.get_output_details()
        self.assertEqual(places, [named[name]["index"] for name in ("logits", "probabilities")])
        for image in means.images(5):
            found = run(images=image[None])
            np.testing.assert_allclose(found["logits"], means.logits(image[None]), atol=tolerance)
            expected = tf.nn.softmax(means.logits(image[None]).astype(np.float32))
            np.testing.assert_allclose(found["probabilities"], expected, atol=max(0.01, tolerance))
            self.assertEqual({each.dtype for each in found.values()}, {np.dtype(np.float32)})

    def test_int8_takes_an_image_as_it_is_and_computes_with_whole_numbers_alone(self):
        interpreter = self._interpreter("int8", means.images(8) // 2)
        (given,) = interpreter.get_input_details()
        # Although no image of calibration is lighter than 127.
        self.assertEqual(given["quantization"], (1.0, 0))
        outputs = {each["index"] for each in interpreter.get_output_details()}
        floats = [
            each["name"]
            for each in interpreter.get_tensor_details()
            if each["dtype"] == np.float32 and each["index"] not in outputs
        ]
        self.assertEmpty(floats)

    def test_only_builtin_operations(self):
        with self.assertRaisesRegex(
            ValueError, "^the LiteRT converter refuses the student in float32: .*$"
        ):
            litert.convert(
                lambda pixels: tf.math.bessel_i0(pixels)[:, 0, 0], means.SHAPE, "float32"
            )


if __name__ == "__main__":
    absltest.main()
