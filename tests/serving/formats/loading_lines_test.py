"""Tests of kdcl_tf.serving.formats.loading_lines; `writing_test` runs those in Python."""

import pathlib
import re

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized
from sklearn import datasets

from kdcl_tf.data.formats import pillow
from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import loading_lines, names
from tests import image_files

_FACTS = Card(
    "a",
    (32, 24, 3),
    ("x", "y"),
    Normalization((0.1, 0.2, 0.3), (1 / 3, 0.5, 0.5)),
    architecture="resnet8",
).facts


class LoadingLinesTest(parameterized.TestCase):
    @parameterized.parameters(*names.FORMATS)
    def test_every_format_has_blocks_that_name_the_file(self, form):
        file = f"a{names.FORMATS[form].ending}"
        text = loading_lines.of(form, file, _FACTS)
        self.assertIn(f'"{file}"', text)
        self.assertEqual(text.count("```") % 2, 0)
        self.assertNotRegex(text, r"\{(file|stem|batch|one|shape|bytes|value|classes|mean)\}")

    @parameterized.parameters("keras", "weights", "saved_model", "onnx", "litert")
    def test_the_pixels_of_any_grey_or_colours_are_those_of_evaluation(self, form):
        rng = np.random.default_rng(0)
        deep = rng.integers(0, 65536, [32, 24]).astype(np.uint16)
        deep[0, :4] = 0, 255, 256, 65535
        grey = rng.integers(0, 256, [32, 24], np.uint8)
        contents = {
            "deep.png": image_files.encode(deep, "PNG"),
            "deep.tiff": image_files.encode(deep, "TIFF"),
            "grey.png": image_files.encode(grey, "PNG"),
            "colours.png": image_files.encode(image_files.photo(0, 32, 24), "PNG"),
        }
        folder = pathlib.Path(self.create_tempdir().full_path)
        image_files.write(folder, contents)
        for channels, turned in ((3, "true"), (1, "false")):
            identity = {"settings": {"apply_exif_orientation": turned}}
            facts = {**_FACTS, "image_shape": [32, 24, channels], "identity": identity}
            text = loading_lines.of(form, "a", facts)
            lines = re.search(r"^import numpy.*?^image = [^\n]*\n", text, re.DOTALL | re.MULTILINE)
            for name, content in contents.items():
                found = {}
                exec(lines[0].replace("photograph.jpg", str(folder / name)), found)
                if channels == 1 and name == "colours.png":
                    continue
                expected = pillow.rgb(content)[..., :channels]
                np.testing.assert_array_equal(found["image"], expected, name)
                if name.startswith("deep"):
                    self.assertEqual(found["image"][0, :4, 0].tolist(), [0, 0, 1, 255])

    def test_phones_have_their_languages_and_numbers(self):
        text = loading_lines.of("litert_int8", "a.int8.tflite", _FACTS)
        for block in ("```python", "```kotlin", "```swift"):
            self.assertIn(block, text)
        self.assertIn("// [32, 24, 3], a byte a colour, row by row.", text)
        self.assertIn("Array(1) { FloatArray(2) }", text)
        self.assertIn('forResource: "a.int8", ofType: "tflite"', text)
        self.assertIn('open("a.class_names.txt")', text)
        # What a phone shows is scaled and cut as evaluation does.
        self.assertIn("createScaledBitmap(scaled, 24, 32, true)", text)
        text = loading_lines.of("litert", "a.tflite", {**_FACTS, "scaled_to": [36, 28]})
        self.assertIn("createScaledBitmap(scaled, 28, 36, true)", text)
        self.assertIn("getPixels(pixels, 0, 24, 2, 2, 24, 32)", text)
        self.assertIn("make the image\nof 32 x 24 pixels as in the lines above first", text)
        grey = loading_lines.of("litert", "a.tflite", {**_FACTS, "image_shape": [32, 24, 1]})
        self.assertNotIn("Bitmap", grey)
        self.assertNotIn("MediaPipe", grey)
        self.assertIn("MediaPipe's `ImageClassifier` loads the file as it is", text)
        # Those of ImageDecoder lie in the memory of the GPU.
        self.assertIn("photograph.copy(Bitmap.Config.ARGB_8888, false)", text)
        # LiteRT copies a buffer of another byte order from its position on: nothing, of a full one.
        for each, size in ((text, 2304), (grey, 768)):
            self.assertIn(f"allocateDirect({size}).order(ByteOrder.nativeOrder())", each)
            self.assertIn("import java.nio.ByteOrder", each)
            self.assertLess(each.index("image.rewind()"), each.index("runSignature("))

    def test_scaling_in_halves_is_close_to_scaling_of_all_pixels(self):
        photograph = datasets.load_sample_image("china.jpg")

        def scaled(image, height, width):
            # As Android's bilinear filter: 2 x 2 pixels, wherever they lie.
            return tf.image.resize(image, [height, width], antialias=False)

        size = 48
        expected = tf.image.resize(photograph, [size, size], antialias=True)
        halves = photograph
        while halves.shape[0] >= 2 * size or halves.shape[1] >= 2 * size:
            halves = scaled(halves, *(max(each // 2, size) for each in halves.shape[:2]))
        in_halves, at_once = (
            float(tf.reduce_mean(abs(scaled(image, size, size) - expected)))
            for image in (halves, photograph)
        )
        self.assertLess(in_halves, 4.0)
        self.assertGreater(at_once, 2 * in_halves)

    def test_normalisation_has_the_digits_of_float32(self):
        text = loading_lines.of("keras", "a.keras", _FACTS)
        self.assertIn("/ [0.333333333, 0.5, 0.5])", text)

    def test_a_photograph_is_made_an_image_as_evaluation_does(self):
        text = loading_lines.of("onnx", "a.onnx", {**_FACTS, "scaled_to": [36, 28]})
        self.assertIn('.convert("RGB")', text)
        self.assertIn(".resize((28, 36), Image.BILINEAR).crop((2, 2, 26, 34))", text)
        grey = {**_FACTS, "image_shape": [32, 24, 1], "scaled_to": [32, 24]}
        text = loading_lines.of("litert", "a.float32.tflite", grey)
        self.assertIn('.convert("L")', text)
        self.assertIn(".resize((24, 32), Image.BILINEAR))[..., None]", text)

    def test_channels_in_the_other_order(self):
        text = loading_lines.of("weights", "a.weights.h5", {**_FACTS, "channels": "BGR"})
        self.assertIn("[0.333333333, 0.5, 0.5])[..., ::-1])", text)


if __name__ == "__main__":
    absltest.main()
