"""Tests of kdcl_tf.classification.inputs."""

import tensorflow as tf

from kdcl_tf.classification import inputs
from kdcl_tf.classification.settings import Settings
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.data.normalization import MODES
from tests import image_files

_SETTINGS = Settings(image_size=8, train_per_class=3, holdout_per_class=2)


class InputsTest(tf.test.TestCase):
    def test_the_data_set_has_the_images_that_the_settings_ask_for(self):
        dataset = inputs.load_dataset(_SETTINGS, None)
        self.assertEqual(dataset.name, "digits")
        self.assertEqual([len(each) for each in (dataset.train, dataset.held_out)], [30, 20])
        self.assertEqual(tuple(dataset.image_shape), (8, 8, 3))

    def test_students_share_a_normalisation_unless_they_have_their_own(self):
        settings = Settings(**{**vars(_SETTINGS), "distortion": "none"})
        dataset = inputs.load_dataset(settings, None)
        first, second = settings.student_names
        ((images, _), *_) = inputs.create_views(settings, dataset).epoch(0, 30)
        self.assertAllClose(images[first], images[second])
        own = {first: MODES["tf"], second: MODES["caffe"]}
        ((images, _), *_) = inputs.create_views(settings, dataset, own).epoch(0, 30)
        pixels = own[first].fractions(images[first])
        self.assertAllClose(images[second], own[second].apply_fractions(pixels), atol=1e-3)

    def test_images_to_evaluate_on_of_which_none_can_be_decoded_are_refused(self):
        good = image_files.encode(image_files.photo(1, 16, 16), "PNG")
        splits = {"train": 4, "test": 1, "val": 1}
        whole = {
            f"{split}/{name}/{index}.png": good
            for split, count in splits.items()
            for name in ("cat", "dog")
            for index in range(count)
        }
        for storage in ("memory", "disk"):
            for bad, kind in (
                ([], ""),
                (["test/cat/0.png"], ""),
                (["test/cat/0.png", "test/dog/0.png"], "test"),
                (["val/cat/0.png", "val/dog/0.png"], "validation"),
            ):
                folder = self.create_tempdir().full_path
                image_files.write(folder, {**whole, **dict.fromkeys(bad, b"torn")})
                settings = Settings(
                    **self._skipping(f"folder:{folder}", storage), ensemble="min_logit"
                )
                dataset = inputs.load_dataset(settings, None)
                if not kind:
                    inputs.check_evaluated(settings, dataset)
                    continue
                message = f"^expected {kind} images that can be decoded; got none among 2: mend"
                with self.assertRaisesRegex(BadImageError, message):
                    inputs.check_evaluated(settings, dataset)

    def test_held_out_images_of_which_none_can_be_decoded_are_refused_to_general_alone(self):
        good = image_files.encode(image_files.photo(1, 16, 16), "PNG")
        folder = self.create_tempdir().full_path
        names = [
            f"{split}/{name}/{n}.png" for split in ("train", "test") for name in "ab" for n in "12"
        ]
        image_files.write(folder, dict.fromkeys(names, good))
        given = {**self._skipping(f"folder:{folder}", "memory"), "holdout_per_class": 1}
        chosen = inputs.load_dataset(Settings(**given, ensemble="general"), None).held_out
        held_out = [line.split("\t")[0] for line in chosen.listing().splitlines()]
        image_files.write(folder, dict.fromkeys(held_out, b"torn"))
        for ensemble in ("general", "min_logit"):
            settings = Settings(**given, ensemble=ensemble)
            dataset = inputs.load_dataset(settings, None)
            if ensemble == "min_logit":
                inputs.check_evaluated(settings, dataset)
                continue
            with self.assertRaisesRegex(BadImageError, "^expected held-out images that can be dec"):
                inputs.check_evaluated(settings, dataset)

    def _skipping(self, dataset, storage):
        return {
            "students": ("resnet8", "wrn_10_1"),
            "dataset": dataset,
            "storage": storage,
            "image_size": 16,
            "holdout_per_class": 0,
            "skip_bad_images": True,
        }


if __name__ == "__main__":
    tf.test.main()
