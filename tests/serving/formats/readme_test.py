"""Tests of kdcl_tf.serving.formats.readme."""

from absl.testing import absltest, parameterized

from kdcl_tf.data.normalization import Normalization
from kdcl_tf.serving.cards import Card
from kdcl_tf.serving.formats import names, readme

_IDENTITY = {
    "settings": {
        "method": "kdcl", "ensemble": "min_logit", "students": "resnet18,mobilenet_v2", "seed": "3",
        "epochs": "100", "batch_size": "64", "learning_rate": "0.05",
    },
    "data": {"train": {"images": 1200}, "test": {"images": 300}},
    "versions": {"kdcl_tf": "1.0"},
}  # fmt: skip


def _facts(distortion="resized_crop", **more):
    card = Card(
        student="mobilenet_v2",
        image_shape=(224, 224, 3),
        class_names=("cat", "dog_|_wolf"),
        normalization=Normalization((0.5,) * 3, (0.5,) * 3),
        distortion=distortion,
        architecture="mobilenet_v2_1.0",
        dataset="folder:pets",
        more={"identity": _IDENTITY, "parameters": 2_226_434, "multiply_adds": 300_774_272, **more},
    )
    return card.facts


class ReadmeTest(parameterized.TestCase):
    def test_a_student_that_trained_alone_has_nothing_of_distillation_in_its_recipe(self):
        settings = {**_IDENTITY["settings"], "temperature": "2.0", "distillation_weight": "1.0"}
        for method, told in (("kdcl", True), ("independent", False)):
            identity = {**_IDENTITY, "settings": {**settings, "method": method}}
            text = readme.of_saved_model({**_facts(), "identity": identity})
            self.assertEqual("temperature 2.0" in text, told)
            self.assertEqual("distillation weight 1.0" in text, told)

    def test_what_a_student_was_made_from(self):
        given = {
            "initial_weights": "resnet18=imagenet,mobilenet_v2=best.keras", "teacher": "teachers/a",
            "optimizer": "adamw", "schedule": "cosine", "class_weights": "balanced",
            "train_head_epochs": "3", "freeze_batch_norm": "true",
        }  # fmt: skip
        settings = {**_IDENTITY["settings"], **given}
        kept = "the epoch with the best accuracy of a on 90 validation images"
        facts = _facts(epoch=88, kept=kept, identity={**_IDENTITY, "settings": settings})
        text = readme.of_saved_model(facts)
        self.assertIn(
            r"mobilenet\_v2, initial weights resnet18=imagenet and mobilenet\_v2=best.keras, teacher "
            "teachers/a, 100 epochs, heads alone in the first 3, batch norm frozen, batches of 64, "
            "optimizer adamw, learning rate 0.05, schedule cosine, class weights balanced |",
            text,
        )
        self.assertIn(f"\n| epoch | 88, {kept} |\n", text)
        usual = {
            "initial_weights": "", "teacher": "", "optimizer": "sgd", "schedule": "step",
            "class_weights": "none", "train_head_epochs": "0", "freeze_batch_norm": "false",
        }  # fmt: skip
        identity = {**_IDENTITY, "settings": {**settings, **usual}}
        text = readme.of_saved_model({**facts, "identity": identity})
        self.assertIn(
            r"mobilenet\_v2, 100 epochs, batches of 64, learning rate 0.05, schedule step |", text
        )

    def test_what_a_student_is(self):
        text = readme.of_saved_model(_facts(test_accuracy=0.912, epoch=88))
        for row in (
            "| data | folder:pets: 1,200 training images, 300 test images |",
            r"| network | mobilenet\_v2\_1.0 |",
            r"| recipe | kdcl, ensemble min\_logit of resnet18 + mobilenet\_v2, 100 epochs, "
            "batches of 64, learning rate 0.05 |",
            "| seed | 3 |",
            "| epoch | 88 |",
            "| accuracy | 91.20% of 300 test images |",
            "| parameters | 2,226,434 |",
            "| multiply-adds | 300.77 million an image |",
            r"| versions | kdcl\_tf 1.0 |",
        ):
            self.assertIn(f"\n{row}\n", text)
        self.assertIn("224 x 224 pixels into 2 classes: cat, dog\\_\\|\\_wolf.", text)
        self.assertIn('student.signatures["photograph"]', text)

    def test_images_that_could_not_be_decoded_are_told_apart(self):
        left_out = {"train": 200, "test": 44, "validation": 2}
        text = readme.of_saved_model(_facts(test_accuracy=0.75, left_out=left_out))
        row = "| data | folder:pets: 1,000 training images, 256 test images; 246 more could not be decoded |"
        self.assertIn(f"\n{row}\n", text)
        self.assertIn("\n| accuracy | 75.00% of 256 test images |\n", text)

    @parameterized.parameters(
        (
            "resized_crop",
            "scaled to 256 x 256 pixels, .* cut to its central 224 x 224 .rows 16 to 239, "
            "columns 16 to 239.\\.",
        ),
        (
            "padded_crop",
            "scaled to 224 x 224 pixels, whatever its own shape .bilinear, antialiased.\\. A photograph",
        ),
    )
    def test_the_resizing_in_words_and_numbers(self, distortion, told):
        text = readme.of_saved_model(_facts(distortion))
        self.assertRegex(text, told)
        self.assertIn("EXIF", text)

    def test_what_is_not_known_is_not_told(self):
        card = Card("a", (8, 8, 1), ("a", "b"), Normalization((0.0,), (1.0,)))
        text = readme.of_saved_model(card.facts)
        self.assertIn("| accuracy | not measured: kdcl-evaluate does |", text)
        for name in ("seed", "recipe", "multiply-adds", "parameters", "data"):
            self.assertNotIn(f"| {name} |", text)
        self.assertIn("1 channel,", text)

    def test_files_of_two_students_and_what_was_measured(self):
        found = {"images": 60, "bytes": 1_234_567, "top_1": 0.5, "agreement": 0.98}
        found |= {"largest_difference": 0.25, "milliseconds": 1.5, "images_from": "test images"}
        facts = _facts(measured={"litert_int8": found})
        other = {**_facts(), "student": "other"}
        text = readme.of_folder(
            [
                ("m.float32.tflite", "litert", facts),
                ("m.int8.tflite", "litert_int8", facts),
                ("other.onnx", "onnx", other),
            ]
        )
        self.assertStartsWith(text, readme.MARK)
        self.assertEqual(
            [line for line in text.splitlines() if line.startswith("# ")],
            ["# mobilenet_v2", "# other"],
        )
        self.assertIn("| 1.23 MB | 60 test images | 50.0% | 98.0% | 0.25 | 1.50 |", text)
        self.assertIn("## Loading `m.float32.tflite` (`m.int8.tflite` in the same way)", text)
        self.assertIn(
            "| accuracy | 50.0% of the 60 images of the check, by the .int8.tflite file |", text
        )
        self.assertEqual(text.count("In int8 an image is integers"), 1)

    @parameterized.parameters(
        (
            ("keras", "weights"),
            "`float32 [B, 224, 224, 3]`, RGB, normalised, which the lines below do from",
            "It gives logits, `float32 [B, 2]`, whose softmax are the probabilities, in the order",
        ),
        (
            ("onnx",),
            "`uint8 [B, 224, 224, 3]`, RGB, values 0 to 255, not normalised, which the model does "
            "itself. ",
            "It gives `logits` and `probabilities`, `float32 [B, 2]`, in the order",
        ),
        (
            ("litert",),
            "`uint8 [B, 224, 224, 3]` (B is 1 in a `.tflite` file), RGB, values 0 to 255",
            "It gives `logits` and `probabilities`, `float32 [B, 2]`, in the order",
        ),
        (
            ("keras", "onnx"),
            "which the model does itself (files for Keras do not).",
            "`float32 [B, 2]`; files for Keras give logits alone, in the order",
        ),
    )
    def test_what_the_files_of_a_folder_take_and_give(self, forms, takes, gives):
        files = [(f"m{names.FORMATS[form].ending}", form, _facts()) for form in forms]
        text = readme.of_folder(files)
        self.assertIn(takes, text)
        self.assertIn(gives, text)

    def test_what_integers_were_calibrated_on(self):
        facts = _facts(calibrated_on="200 images of a folder")
        files = [("m.int8.tflite", "litert_int8", facts), ("m.onnx", "onnx", _facts())]
        text = readme.of_folder(files)
        self.assertIn("in integers, calibrated on 200 images of a folder |", text)
        self.assertEqual(text.count("calibrated on"), 1)
        self.assertEqual(text.count("# mobilenet_v2\n"), 1)

    def test_the_accuracy_is_that_of_a_file_in_float32_where_there_is_one(self):
        def measured(form, top_1):
            found = {"images": 60, "bytes": 1, "agreement": 1.0, "largest_difference": 0.25}
            found |= {"milliseconds": 1.5} | ({"top_1": top_1} if top_1 else {})
            return f"m{names.FORMATS[form].ending}", form, _facts(measured={form: found})

        files = [measured("litert_float16", 0.75), measured("litert_int8", 0.5)]
        text = readme.of_folder([*files, measured("onnx", 0.25)])
        self.assertIn("\n| accuracy | 25.0% of the 60 images of the check |\n", text)
        self.assertIn("\n# mobilenet_v2\n", text)
        for others in ([], [measured("onnx", None)]):
            text = readme.of_folder([*files, *others])
            told = "75.0% of the 60 images of the check, by the .float16.tflite file"
            self.assertIn(f"\n| accuracy | {told} |\n", text)
        # The run's own evaluation is the student's.
        own = [(name, form, {**facts, "test_accuracy": 0.5}) for name, form, facts in files]
        self.assertIn("\n| accuracy | 50.00% of 300 test images |\n", readme.of_folder(own))

    def test_images_without_a_class_do_not_count_for_the_accuracy(self):
        found = {"images": 60, "labelled": 6, "bytes": 1, "top_1": 0.5, "agreement": 1.0}
        found |= {"largest_difference": 0.25, "milliseconds": 1.5}
        text = readme.of_folder([("m.onnx", "onnx", _facts(measured={"onnx": found}))])
        self.assertIn("| 60 images | 50.0% of 6 | 100.0% |", text)
        self.assertIn("50.0% of the 6 images of the check whose class is known |", text)

    def test_photographs_that_were_not_turned_in_training_are_not_turned(self):
        settings = {"identity": {"settings": {"apply_exif_orientation": "false"}}}
        facts = {**_facts(), **settings}
        files = [
            (f"m{each.ending}", form, facts) for form, each in names.FORMATS.items() if each.ending
        ]
        for text in (readme.of_saved_model(facts), readme.of_folder(files)):
            self.assertIn("as it is stored", text)
            self.assertNotIn("exif_transpose", text)
            self.assertNotIn("has to be turned", text)
            self.assertNotIn("turned as its EXIF", text)


if __name__ == "__main__":
    absltest.main()
