"""Tests of kdcl_tf.training.processes."""

from absl.testing import absltest

from kdcl_tf.files import identity
from kdcl_tf.training import processes

_MACHINE = {"processor": "Z80", "cores": 1, "accelerators": []}


class ProcessesTest(absltest.TestCase):
    def test_a_process_tells_all_that_its_numbers_depend_on(self):
        self.assertEqual(
            processes.this(_MACHINE, "mirrored", 2, 1),
            {
                "machine": _MACHINE,
                "versions": identity.versions(),
                "strategy": "mirrored",
                "normalized_parts": 2,
                "dependent_replicas": 1,
            },
        )

    def test_equal_ones_are_told_once_in_the_order_in_which_they_began(self):
        first, second = processes.this(_MACHINE, "mirrored", 2, 1), {"strategy": "one"}
        self.assertEqual(processes.joined([], first), [first])
        self.assertEqual(processes.joined([first], second), [first, second])
        self.assertEqual(processes.joined([first, second], first), [first, second])

    def test_a_checkpoint_of_an_earlier_version_tells_of_its_own_process(self):
        run = {"versions": {"keras": "3.1"}, "settings": {"strategy": "mirrored"}}
        used = {"machine": _MACHINE, "normalized_parts": 2}
        self.assertEqual(
            processes.before({"parts": 2, "replicas": 1, "used": used}, run),
            [
                {
                    "machine": _MACHINE,
                    "versions": {"keras": "3.1"},
                    "strategy": "mirrored",
                    "normalized_parts": 2,
                    "dependent_replicas": 1,
                }
            ],
        )
        self.assertEqual(processes.before({"parts": 2}), [{"normalized_parts": 2}])
        # Something has trained, of which nothing is known.
        self.assertEqual(processes.before({}), [{}])
        known = [{"strategy": "one"}, {"strategy": "tpu"}]
        self.assertEqual(processes.before({"parts": 2, "used": {"processes": known}}, run), known)


if __name__ == "__main__":
    absltest.main()
