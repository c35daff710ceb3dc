"""Tests of a folder of which only the test images are read, as to evaluate."""

import shutil

import tensorflow as tf

from tests.data.sources import folder_test


class TestSetAloneTest(folder_test.FolderTestCase):
    """To evaluate, nothing but the test images is needed."""

    def _evaluated(self, **options):
        return self.load(image_size=8, needs_train=False, needs_validation=False, **options)

    def test_splits_that_are_not_evaluated_are_not_looked_at(self):
        self.write_pair()
        self.write("val/red/1.png", folder_test.png(folder_test.RED))
        whole = self._evaluated()
        shutil.rmtree(self.root / "train" / "red")
        (self.root / "train" / "red").mkdir()
        self.write("train/blue/1.jpg", b"no image")
        self.write("train/blue/notes.txt", b"")
        shutil.rmtree(self.root / "val" / "red")
        for found in (self._evaluated(), self._evaluated(storage="disk")):
            self.assertEqual((found.class_names, found.told), (whole.class_names, ""))
            self.assertEmpty(found.train.labels)
            self.assertIsNone(found.validation)
        self.assertEqual(self._evaluated().digest()["test"], whole.digest()["test"])
        for folder in ("red", "blue"):
            shutil.rmtree(self.root / "train" / folder)
        self.assertEqual(self._evaluated().class_names, ("blue", "red"))

    def test_training_images_are_listed_where_a_share_of_them_is_evaluated(self):
        for name, colour in (("red", folder_test.RED), ("blue", folder_test.BLUE)):
            for number in range(5):
                shade = tuple(min(each + number, 255 - number) for each in colour)
                self.write(f"train/{name}/{number}.png", folder_test.png(shade))
            self.write(f"test/{name}/1.png", folder_test.png(colour))
        whole = self.load(image_size=8, validation_share=0.2)
        found = self.load(image_size=8, validation_share=0.2, needs_train=False)
        self.assertEqual((len(found.train), len(found.validation), len(found.test)), (0, 2, 2))
        self.assertEqual(found.validation.digest(), whole.validation.digest())
        self.assertEqual(found.class_names, whole.class_names)
        shutil.rmtree(self.root / "train")
        with self.assertRaisesRegex(FileNotFoundError, "expected train/ in it; got test"):
            self.load(image_size=8, validation_share=0.2, needs_train=False)

    def test_classes_are_those_of_training_and_of_test_images(self):
        self.write_pair()
        shutil.rmtree(self.root / "test" / "blue")
        self.write("test/green/1.png", folder_test.png((0, 255, 0)))
        found = self._evaluated()
        self.assertEqual(found.class_names, ("blue", "green", "red"))
        self.assertAllEqual(found.test.labels, [1, 2])
        self.assertEqual(found.told, "1 class without a test image: 'blue'")

    def test_what_lies_beside_the_test_images_is_told(self):
        for name, colour in (("red", folder_test.RED), ("blue", folder_test.BLUE)):
            for number in range(3):
                self.write(f"{name}/{number}.png", folder_test.png(colour))
                self.write(f"{name}/2023/{number}.png", folder_test.png(colour))
                self.write(f"{name}/IMG_{number}.HEIC", b"")
        found = self._evaluated()
        self.assertLen(found.test, 6)
        self.assertEqual(
            found.told,
            f"the test images are those of '{self.root}'; ignored: 6 with suffix .heic, 2 folders"
            " inside a class's",
        )


if __name__ == "__main__":
    tf.test.main()
