"""Tests of kdcl_tf.serving.formats.onnx_models, on known numbers."""

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from absl.testing import absltest

from kdcl_tf import students
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving import answering
from kdcl_tf.serving.formats import onnx_models
from tests.serving.formats import means
from tests.students.plain_layers import move_statistics


class OnnxModelsTest(absltest.TestCase):
    def test_any_number_of_images_and_texts(self):
        content = onnx_models.convert(means.function(), means.SHAPE, {"a": "1", "b": "é\n"})
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        self.assertEqual((given.name, given.shape), ("images", ["batch", 4, 6, 3]))
        self.assertEqual(given.type, "tensor(uint8)")
        shapes = {each.name: each.shape for each in session.get_outputs()}
        self.assertEqual(shapes, {"logits": ["batch", 3], "probabilities": ["batch", 3]})
        self.assertEqual(session.get_modelmeta().custom_metadata_map, {"a": "1", "b": "é\n"})
        for count in (1, 5):
            images = means.images(count)
            found = session.run(["logits", "probabilities"], {"images": images})
            np.testing.assert_allclose(found[0], means.logits(images), atol=1e-6)
            np.testing.assert_allclose(found[1], tf.nn.softmax(found[0]), atol=1e-6)

    def test_a_student_is_sound_and_takes_no_image_too(self):
        student = students.build("resnet8", 10, (8, 8, 3))
        move_statistics(student)
        logits = answering.of_student(student, Normalization((0.5,) * 3, (0.25,) * 3))
        content = onnx_models.convert(logits, (8, 8, 3), {})
        onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        images = np.random.default_rng(0).integers(0, 256, [2, 8, 8, 3]).astype(np.uint8)
        expected = logits(tf.cast(images, tf.float32) / 255.0)
        for count in (2, 0):
            found, probabilities = session.run(
                ["logits", "probabilities"], {"images": images[:count]}
            )
            self.assertEqual((found.shape, probabilities.shape), ((count, 10), (count, 10)))
            np.testing.assert_allclose(found, expected[:count], atol=1e-4)

    def test_what_the_converter_leaves_is_refused_by_the_runtime(self):
        content = onnx_models.convert(
            lambda pixels: tf.math.bessel_i0(pixels)[:, 0, 0], means.SHAPE, {}
        )
        with self.assertRaisesRegex(Exception, "BesselI0"):
            onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    absltest.main()
