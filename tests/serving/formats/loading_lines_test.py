"""Tests of kdcl_tf.serving.formats.loading_lines; `writing_test` runs those in Python."""

from absl.testing import absltest, parameterized

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import loading_lines, names

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

    def test_phones_have_their_languages_and_numbers(self):
        text = loading_lines.of("litert_int8", "a.int8.tflite", _FACTS)
        for block in ("```python", "```kotlin", "```swift"):
            self.assertIn(block, text)
        self.assertIn("allocateDirect(2304)  // [32, 24, 3]", text)
        self.assertIn("Array(1) { FloatArray(2) }", text)
        self.assertIn('forResource: "a.int8", ofType: "tflite"', text)
        self.assertIn('open("a.class_names.txt")', text)
        # What a phone shows is scaled and cut as evaluation does.
        self.assertIn("createScaledBitmap(photograph, 24, 32, true)", text)
        self.assertNotIn("scales a photograph straight", text)
        text = loading_lines.of("litert", "a.tflite", {**_FACTS, "scaled_to": [36, 28]})
        self.assertIn("createScaledBitmap(photograph, 28, 36, true)", text)
        self.assertIn("getPixels(pixels, 0, 24, 2, 2, 24, 32)", text)
        self.assertIn(
            "straight to 32 x 24: to get the same answers as here,\nscale it to 36 x 28", text
        )
        grey = loading_lines.of("litert", "a.tflite", {**_FACTS, "image_shape": [32, 24, 1]})
        self.assertNotIn("Bitmap", grey)

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
