"""Tests of kdcl_tf.reproduction.same_images."""

import copy

from absl.testing import absltest, parameterized

from kdcl_tf.reproduction import same_images

_DATA = {
    "classes": ["cat", "dog"],
    "train": {"images": 40, "labels": "a" * 64},
    "test": {"images": 10, "labels": "b" * 64},
}
_RESULT = {"data": {"name": "pets"}, "identity": {"data": _DATA}}


def _changed(**parts):
    result = copy.deepcopy(_RESULT)
    result["identity"]["data"] |= parts
    return result


class SameImagesTest(parameterized.TestCase):
    @parameterized.parameters(
        (_changed(test={"images": 10, "labels": "c" * 64}), "test labels differ"),
        (_changed(test={"images": 9, "labels": "c" * 64}), "test has 9 images; the run had 10"),
        (_changed(classes=["dog", "cat"]), "the classes have another order"),
        (_changed(train={"images": 40, "labels": "d" * 64}), "train labels differ"),
    )
    def test_what_differs_is_told(self, result, told):
        self.assertEqual(same_images.changes(result, _RESULT), told)

    @parameterized.parameters(
        (_RESULT,),
        # A row may train on fewer images.
        (_changed(train={"images": 30, "labels": "d" * 64}, held_out={"images": 10}),),
        (_changed(train={"images": 40, "labels": "d" * 64}, held_out={"images": 10}),),
        ({"data": {"name": "pets"}},),
        ({**_changed(classes=["bird"]), "data": {"name": "birds"}},),
    )
    def test_results_that_can_be_compared(self, result):
        self.assertEqual(same_images.changes(result, _RESULT), "")

    def test_what_is_chosen_alike_must_be_as_many(self):
        def chosen(result, **settings):
            return {**result, "settings": {"train_per_class": 0, "test_share": 0.0, **settings}}

        grown = _changed(train={"images": 80, "labels": "d" * 64})
        told = same_images.changes(chosen(grown), chosen(_RESULT))
        self.assertEqual(told, "train has 80 images; the run had 40")
        fewer = chosen(_RESULT, train_per_class=20)
        for result, other in (
            (chosen(grown), fewer),
            (chosen(grown), _RESULT),
            (chosen(_changed(train=None)), chosen(_RESULT)),
        ):
            self.assertEqual(same_images.changes(result, other), "")

    def test_one_data_set_may_lie_in_two_places(self):
        here = {**_RESULT, "data": {"name": "folder:pets"}}
        there = {**_changed(classes=["dog", "cat"]), "data": {"name": "folder:/mnt/pets"}}
        self.assertEqual(same_images.changes(there, here), "the classes have another order")
        there["data"]["name"] = "tfrecord:/mnt/pets"
        self.assertEqual(same_images.changes(there, here), "")
        self.assertFalse(same_images.may_be_same(there, here))

    def test_images_in_two_places_are_known_by_more_than_counts_and_labels(self):
        def at(name, **test):
            return {"data": {"name": name}, "identity": {"data": {"test": test} if test else {}}}

        counted = {"images": 10, "labels": "b" * 64}
        for known, expected in (
            ({**counted, "names": "c" * 64}, True),
            ({**counted, "decoded": "c" * 64}, False),
            (counted, False),
            ({}, False),
        ):
            here = at("folder:/a/cats", **counted, names="c" * 64)
            for name, is_known in (
                ("folder:/b/cars", expected),
                ("folder:/a/cats", True),
                ("tfrecord:/b/cars", False),
            ):
                there = at(name, **known)
                self.assertEqual(same_images.are_known(there, here), is_known, (name, known))
                self.assertEqual(same_images.are_known(here, there), is_known, (name, known))
        # A version that recorded no identity.
        self.assertFalse(same_images.are_known({"data": {"name": "folder:/b/cars"}}, here))

    def test_runs_on_as_many_images_have_the_same_counts(self):
        fewer = _changed(train={"images": 30, "labels": "d" * 64}, held_out={"images": 10})
        self.assertEqual(same_images.counts(_RESULT), (40, None))
        self.assertEqual(same_images.counts(fewer), (30, 10))
        self.assertEqual(same_images.counts({"data": {"name": "pets"}}), (None, None))


if __name__ == "__main__":
    absltest.main()
