"""Tests of kdcl_tf.training.checkpoint."""

import json
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized

import kdcl_tf
from kdcl_tf.files import identity
from kdcl_tf.files.identity import DamageError
from kdcl_tf.training.checkpoint import Checkpoints, SavedCheckpoint, all_variables
from kdcl_tf.training.optimizers import CoupledSGD


def _student(name, dtype):
    """Small, with every kind of state: weights, moving statistics, a seed of dropout."""
    layers = [
        keras.Input((4, 4, 1)),
        keras.layers.Conv2D(3, 2, dtype=dtype, name="conv"),
        keras.layers.BatchNormalization(dtype=dtype, name="norm"),
        keras.layers.Flatten(dtype=dtype),
        keras.layers.Dropout(0.5, dtype=dtype, name="dropout", seed=7),
        keras.layers.Dense(3, dtype="float32", name="logits"),
    ]
    return keras.Sequential(layers, name=name)


def _cohort(seed, dtype="float32"):
    """A cohort of General, named as `kdcl-train` names its parts."""
    keras.utils.set_random_seed(seed)
    ensemble = kdcl_tf.General(name="general")
    students = {name: _student(name, dtype) for name in ("first", "second")}
    cohort = kdcl_tf.KDCL(students, ensemble=ensemble)
    cohort.compile(CoupledSGD(0.1, momentum=0.9, name="optimizer"))
    return cohort


def _batch():
    images = np.random.default_rng(0).normal(size=[6, 4, 4, 1]).astype(np.float32)
    return images, np.array([0, 1, 2, 0, 1, 2])


def _train(cohort, steps):
    for _ in range(steps):
        cohort.train_step(_batch())
    cohort.renew_ensemble([_batch()])


def _values(cohort):
    return [np.array(variable) for variable in all_variables(cohort)]


class CheckpointsTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "checkpoints"

    def _checkpoints(self, cohort, **kwargs):
        return Checkpoints(self.folder, all_variables(cohort), **kwargs)

    @parameterized.parameters("float32", "mixed_bfloat16")
    def test_a_restored_cohort_goes_on_bit_by_bit(self, dtype):
        cohort = _cohort(0, dtype)
        _train(cohort, 2)
        self._checkpoints(cohort).save(2, {"epoch": 1, "step": 2})
        saved = _values(cohort)
        _train(cohort, 2)

        other = _cohort(1, dtype)
        self.assertEqual(self._checkpoints(other).restore(), {"epoch": 1, "step": 2})
        for before, after in zip(saved, _values(other), strict=True):
            self.assertAllEqual(before, after)
        _train(other, 2)
        for wanted, got in zip(_values(cohort), _values(other), strict=True):
            self.assertAllEqual(wanted, got)

    def test_every_kind_of_variable_is_in_it(self):
        cohort = _cohort(0)
        paths = " ".join(variable.path for variable in all_variables(cohort))
        for kind in (
            "conv/kernel",
            "norm/moving_mean",
            "norm/moving_variance",
            "seed_generator_state",
            "optimizer/iteration",
            "optimizer/second_conv_kernel_momentum",
            "general/student_weights",
            "second_accuracy/count",
            "ensemble_accuracy/total",
            "loss/total",
        ):
            self.assertIn(kind, paths)

    def test_training_changes_every_kind_so_that_the_test_above_can_fail(self):
        cohort = _cohort(0)
        before = _values(cohort)
        _train(cohort, 1)
        same = [
            variable.path
            for variable, old in zip(all_variables(cohort), before)
            if np.array_equal(np.array(variable), old)
        ]
        # The rate is a plain number here; an accuracy may well be 0.
        still = ("optimizer/learning_rate", "accuracy/total")
        self.assertEmpty([path for path in same if not path.endswith(still)])

    def test_without_a_checkpoint_restore_gives_none(self):
        self.assertIsNone(self._checkpoints(_cohort(0)).restore())

    def test_a_folder_whose_name_is_a_pattern_is_read(self):
        self.folder = self.folder / "lr[0.1]" / "checkpoints"
        cohort = _cohort(0)
        _train(cohort, 1)
        self._checkpoints(cohort).save(1, {"epoch": 0, "step": 1})
        saved, other, third = _values(cohort), _cohort(1), _cohort(2)
        self.assertEqual(self._checkpoints(other).restore(), {"epoch": 0, "step": 1})
        variables = all_variables(third)
        SavedCheckpoint(self.folder).assign(variables, range(len(variables)))
        for wanted, *got in zip(saved, _values(other), _values(third), strict=True):
            self.assertAllEqual(wanted, got[0])
            self.assertAllEqual(wanted, got[1])

    def test_only_the_newest_stay(self):
        checkpoints = self._checkpoints(_cohort(0), keep=2)
        for step in (8, 9, 10, 100):
            checkpoints.save(step, {"step": step})
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(names, ["step-000000010", "step-000000100"])
        self.assertEqual(checkpoints.restore(), {"step": 100})

    def test_a_copy_of_another_name_is_neither_restored_nor_removed(self):
        checkpoints = self._checkpoints(_cohort(0), keep=1)
        checkpoints.save(1, {"step": 1})
        copies = ["step-000000009.bak", "step-before"]
        for name in copies:
            shutil.copytree(self.folder / "step-000000001", self.folder / name)
        for step in (2, 3):
            checkpoints.save(step, {"step": step})
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(names, ["step-000000003", *copies])
        self.assertEqual(checkpoints.restore(), {"step": 3})

    def test_the_same_step_twice_keeps_the_later(self):
        checkpoints = self._checkpoints(_cohort(0))
        for time in (1, 2):
            checkpoints.save(5, {"time": time})
        self.assertEqual(checkpoints.restore(), {"time": 2})
        self.assertLen(list(self.folder.iterdir()), 1)

    def test_a_process_killed_in_the_second_save_of_a_step_leaves_the_first(self):
        cohort = _cohort(0)
        checkpoints = self._checkpoints(cohort)
        checkpoints.save(5, {"time": 1})
        # As between the two renames of `files.replaced_folder`.
        folder = self.folder / "step-000000005"
        folder.rename(self.folder / ".aside-0123abcd-step-000000005")
        self.assertEqual(self._checkpoints(_cohort(1)).restore(), {"time": 1})
        self.assertEqual(list(self.folder.iterdir()), [folder])

    def test_a_save_that_fails_leaves_the_one_before(self):
        checkpoints = self._checkpoints(_cohort(0))
        checkpoints.save(5, {"time": 1})
        with self.assertRaises(TypeError):
            checkpoints.save(5, {"time": object()})
        self.assertEqual(checkpoints.restore(), {"time": 1})
        self.assertLen(list(self.folder.iterdir()), 1)

    def test_what_a_crash_left_is_ignored_and_later_removed(self):
        checkpoints = self._checkpoints(_cohort(0))
        checkpoints.save(1, {"step": 1})
        crashed = self.folder / ".partial-0123abcd-step-000000007"
        crashed.mkdir()
        (crashed / "manifest.json").write_text("{")
        self.assertEqual(checkpoints.restore(), {"step": 1})
        checkpoints.save(2, {"step": 2})
        self.assertFalse(crashed.exists())

    @parameterized.parameters(
        (
            1,
            lambda entry: [entry[0], [9], entry[2]],
            r"variable 1: .*; got \['first/conv/bias', \[9\]",
        ),
        (0, lambda entry: ["stem/kernel", *entry[1:]], r"variable 0: .*; got \['stem/kernel'"),
        (
            0,
            lambda entry: [*entry[:2], "float64"],
            r"variable 0: expected \['first/conv/kernel'.*got .*'float64'\]",
        ),
    )
    def test_another_variable_is_refused_by_its_name(self, index, change, message):
        checkpoints = self._checkpoints(_cohort(0))
        checkpoints.save(1, {})
        path = self.folder / "step-000000001" / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["variables"][index] = change(manifest["variables"][index])
        path.write_text(json.dumps(identity.sealed(manifest)))
        with self.assertRaisesRegex(ValueError, f"^checkpoint .* does not fit: .*{message}"):
            checkpoints.restore()

    def test_a_missing_variable_is_refused(self):
        variables = all_variables(_cohort(0))
        Checkpoints(self.folder, variables[:-1]).save(1, {})
        with self.assertRaisesRegex(
            ValueError, f"expected {len(variables)} variables; got {len(variables) - 1}"
        ):
            Checkpoints(self.folder, variables).restore()

    @parameterized.parameters("manifest.json", "variables.index", "variables.data-00000-of-00001")
    def test_a_damaged_file_is_told_with_the_way_out(self, name):
        checkpoints = self._checkpoints(_cohort(0))
        checkpoints.save(1, {"step": 1})
        checkpoints.save(2, {"step": 2})
        path = self.folder / "step-000000002" / name
        path.write_bytes(path.read_bytes()[:20])
        told = []
        self.assertEqual(checkpoints.restore(told.append), {"step": 1})
        (line,) = told
        self.assertRegex(line, f"step-000000002 is damaged: {name} .*; it is passed over")
        first = self.folder / "step-000000001" / name
        first.unlink()
        with self.assertRaisesRegex(
            DamageError, "^no checkpoint in .* can be used .*: restore one"
        ):
            checkpoints.restore(told.append)

    def test_no_bit_of_a_checkpoint_can_flip_unseen(self):
        checkpoints = self._checkpoints(_cohort(0))
        checkpoints.save(1, {"epoch": 1})
        checkpoints.save(2, {"epoch": 2})
        folder = self.folder / "step-000000002"
        for path in sorted(folder.iterdir()):
            content = path.read_bytes()
            for place in np.linspace(0, len(content) - 1, 5).astype(int):
                flipped = bytearray(content)
                flipped[place] ^= 4
                path.write_bytes(flipped)
                self.assertEqual(checkpoints.restore(lambda line: None), {"epoch": 1}, path.name)
            path.write_bytes(content)
        self.assertEqual(checkpoints.restore(), {"epoch": 2})

    def test_what_was_passed_over_goes_when_the_run_has_gone_on(self):
        checkpoints = self._checkpoints(_cohort(0), keep=2)
        for step in (1, 2):
            checkpoints.save(step, {"step": step})
        (self.folder / "step-000000002" / "manifest.json").write_text("{}")
        self.assertEqual(checkpoints.restore(lambda line: None), {"step": 1})
        (self.folder / "step-000000002").rename(self.folder / "step-000000003")
        checkpoints.save(2, {"step": 2})
        names = sorted(path.name for path in self.folder.iterdir())
        self.assertEqual(names, ["step-000000001", "step-000000002"])

    @parameterized.parameters(np.nan, np.inf, -np.inf)
    def test_a_variable_that_is_not_finite_is_found(self, value):
        cohort = _cohort(0)
        checkpoints = self._checkpoints(cohort)
        self.assertIsNone(checkpoints.first_not_finite())
        kernel = cohort.students["second"].get_layer("conv").kernel
        spoiled = np.array(kernel)
        spoiled[0, 1, 0, 2] = value
        kernel.assign(spoiled)
        self.assertIs(checkpoints.first_not_finite(), kernel)


if __name__ == "__main__":
    tf.test.main()
