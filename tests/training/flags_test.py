"""Tests of kdcl_tf.training.flags."""

import dataclasses

from absl import flags
from absl.testing import absltest, parameterized

from kdcl_tf.training import flags as training_flags
from kdcl_tf.training.settings import TrainingSettings


@dataclasses.dataclass(frozen=True)
class _Settings(TrainingSettings):
    """What the flags of every program are."""

    epochs: int = 12
    batch_size: int = 16
    seed: int = 0
    optimizer: str = "sgd"
    optimizer_arguments: str = ""
    learning_rate: float = 0.02
    warmup_learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    milestones: tuple = (8, 11)
    evaluate_every: int = 2
    precision: str = "bfloat16"
    strategy: str = "mirrored"
    synchronized_batch_norm: bool = True


def _parsed(*arguments):
    values = flags.FlagValues()
    training_flags.define_optimisation_flags(values, _Settings())
    training_flags.define_machine_flags(values, _Settings())
    values(["program", *arguments])
    return values


def _recipe(*arguments):
    return _Settings(**training_flags.fields_of(_Settings, _parsed(*arguments)))


class FlagsTest(parameterized.TestCase):
    def test_without_flags_a_recipe_is_its_defaults(self):
        self.assertEqual(_recipe(), _Settings())

    def test_every_field_is_a_flag(self):
        adam = ("adam", "beta_1=0.5")
        wanted = _Settings(
            3, 5, 7, *adam, 0.5, 0.25, 0.0, 0.0, "step", (), 9, "float32", "one", False
        )
        for field in dataclasses.fields(_Settings):
            self.assertNotEqual(getattr(wanted, field.name), field.default, field.name)
        arguments = [f"--{name}={text}" for name, text in wanted.as_flags().items()]
        self.assertEqual(_recipe(*arguments), wanted)

    def test_where_a_run_runs_is_by_default_left_to_it(self):
        values = _parsed()
        self.assertIsNone(values["workdir"].value)
        self.assertIsNone(values["logical_devices"].value)
        self.assertEqual(values["checkpoint_seconds"].value, 600.0)
        self.assertNotIn("tpu", values)

    def test_how_often_a_run_saves(self):
        saving = training_flags.saving(_parsed("--steps_per_loop=3"))
        self.assertEqual(saving["checkpoint_seconds"], 600.0)
        self.assertEqual(saving["steps_per_loop"], 3)
        self.assertEqual(saving["keep_checkpoints"], 2)

    @parameterized.parameters("--logical_devices=0", "--checkpoint_seconds=-1", "--schedule=linear")
    def test_values_that_no_run_can_have_are_refused(self, argument):
        with self.assertRaises(flags.IllegalFlagValueError):
            _parsed(argument)

    @parameterized.parameters("3,x", "1.5", "-1", "3,,5")
    def test_milestones_that_are_no_numbers_are_refused(self, milestones):
        with self.assertRaisesRegex(
            ValueError, f"^expected --milestones of whole .*; got {milestones}$"
        ):
            _recipe(f"--milestones={milestones}")

    def test_spaces_between_milestones_are_allowed(self):
        self.assertEqual(_recipe("--milestones= 3, 5").milestones, (3, 5))


class DefaultWorkdirTest(absltest.TestCase):
    def test_the_same_recipe_has_the_same_folder_wherever_it_runs(self):
        found = training_flags.default_workdir(_Settings(), "coco/2017", "faster")
        self.assertRegex(found, r"^runs/coco-2017_faster_[0-9a-f]{8}$")
        elsewhere = _Settings(strategy="multi_worker")
        self.assertEqual(training_flags.default_workdir(elsewhere, "coco/2017", "faster"), found)

    def test_another_recipe_has_another(self):
        folders = {
            training_flags.default_workdir(each, "digits", "kdcl")
            for each in (_Settings(), _Settings(seed=1), _Settings(precision="float32"))
        }
        self.assertLen(folders, 3)


if __name__ == "__main__":
    absltest.main()
