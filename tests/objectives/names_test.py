"""Tests of kdcl_tf.objectives.names: the one list of ensembles."""

import subprocess
import sys

from absl.testing import absltest

from kdcl_tf.classification import settings
from kdcl_tf.objectives import ensembles, names


class NamesTest(absltest.TestCase):
    def test_every_name_is_an_ensemble_of_its_own(self):
        kinds = [type(ensembles.get(name)) for name in names.ENSEMBLES]
        self.assertEqual(
            kinds, [ensembles.Naive, ensembles.Linear, ensembles.MinLogit, ensembles.General]
        )

    def test_every_ensemble_has_a_name(self):
        here = [
            each
            for each in ensembles.Ensemble.__subclasses__()
            if each.__module__ == ensembles.__name__
        ]
        self.assertLen(here, len(names.ENSEMBLES))

    def test_the_settings_offer_the_same(self):
        for name in names.ENSEMBLES:
            given = settings.Settings(ensemble=name, holdout_per_class=1)
            self.assertEqual(given.ensemble, name)

    def test_any_names_survive_being_an_array(self):
        for given in (["z", "a"], ["a/b", "\u00e4", "\n"], []):
            found = names.as_array(given)
            self.assertEqual(found.dtype, "uint8")
            self.assertEqual(names.from_array(found), given)

    def test_they_are_read_without_tensorflow(self):
        program = "import sys, kdcl_tf.objectives.names; print('tensorflow' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.stdout.strip(), "False", done.stderr)


if __name__ == "__main__":
    absltest.main()
