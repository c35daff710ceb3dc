"""Tests of kdcl_tf.distribution.cluster."""

import json

from absl.testing import absltest, parameterized

from kdcl_tf.distribution import cluster


def _tf_config(jobs, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


_SLURM = {
    "SLURM_PROCID": "3",
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "gpu[08-09],login",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
}


class TfConfigTest(parameterized.TestCase):
    def test_workers_and_which_one_this_is(self):
        found = cluster.from_environment(_tf_config({"worker": ["a:1", "b:2"]}, index=1))
        self.assertEqual(found, cluster.Cluster(("a:1", "b:2"), 1))

    def test_a_chief_is_the_first_worker(self):
        jobs = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
        for kind, index, wanted in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
            found = cluster.from_environment(_tf_config(jobs, kind, index))
            self.assertEqual(found, cluster.Cluster(("a:1", "b:2", "c:3"), wanted))

    def test_it_goes_before_slurm(self):
        found = cluster.from_environment({**_SLURM, **_tf_config({"worker": ["a:1"]})})
        self.assertEqual(found.workers, ("a:1",))

    @parameterized.parameters(
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("[" * 100_000, r"cannot be read \(RecursionError"),
        ("{}", r"cannot be read \(KeyError: 'cluster'\)"),
        ('{"cluster": {"worker": ["a:1"]}}', r"KeyError: 'task'"),
        (
            _tf_config({"worker": "one:12345"})["TF_CONFIG"],
            r"\(TypeError: job 'worker' is no list of host:port\)",
        ),
        (
            _tf_config({"worker": {"0": "one:12345"}})["TF_CONFIG"],
            "job 'worker' is no list of host:port",
        ),
        (
            _tf_config({"chief": "a:1", "worker": ["b:1"]})["TF_CONFIG"],
            "job 'chief' is no list of host:port",
        ),
        (_tf_config({"worker": []})["TF_CONFIG"], "lists no worker"),
        (_tf_config({})["TF_CONFIG"], "lists no worker"),
    )
    def test_what_cannot_be_read(self, text, message):
        with self.assertRaisesRegex(ValueError, f"{message}.*expected .*host:port"):
            cluster.from_environment({"TF_CONFIG": text})

    def test_a_chief_needs_no_workers(self):
        found = cluster.from_environment(_tf_config({"chief": ["a:1"], "worker": []}, "chief"))
        self.assertEqual(found, cluster.Cluster(("a:1",), 0))

    @parameterized.parameters(
        ({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0, "parameter servers"),
        ({"worker": ["a:1"], "ps": {}}, "worker", 0, "parameter servers"),
        ({"worker": ["a:1"], "evaluator": None}, "worker", 0, "a job 'evaluator'"),
        ({"worker": ["a:1"], "evaluator": ["b:1"]}, "worker", 0, "a job 'evaluator'"),
        ({"worker": ["a:1"]}, "evaluator", 0, "a job 'evaluator'"),
        ({"worker": ["a:1", "b:1"]}, "worker", 2, "one of the 2 workers: expected .* 0 to 1"),
        ({"worker": ["a:1", "b:1"]}, "worker", -1, "one of the 2 workers"),
        ({"worker": ["a"]}, "worker", 0, "'a' has no address: expected host:port"),
        ({"worker": ["a:0"]}, "worker", 0, "'a:0' has no address: .* a port from 1 to 65535"),
        ({"worker": ["a:65536"]}, "worker", 0, "'a:65536' has no address"),
        (
            {"worker": ["::1:23460"]},
            "worker",
            0,
            r"'::1:23460' has .* or \[host\]:port for an IPv6",
        ),
        ({"worker": ["a:1", "a:1"]}, "worker", 0, "two workers have one address, a:1"),
        ({"worker": ["a:1", "b:1"]}, "worker", 1.5, "index 1.5 is no whole number"),
        ({"chief": ["a:1"], "worker": ["b:1"]}, "chief", 1, "no chief 1: expected index 0"),
    )
    def test_what_cannot_be(self, jobs, kind, index, message):
        with self.assertRaisesRegex(ValueError, message):
            cluster.from_environment(_tf_config(jobs, kind, index))

    @parameterized.parameters(
        ("gpu08:12000", "gpu08", 12_000),
        ("10.0.0.1:1", "10.0.0.1", 1),
        ("[fe80::1]:9", "fe80::1", 9),
    )
    def test_host_and_port(self, address, host, port):
        self.assertEqual(cluster.host_and_port(address), (host, port))
        found = cluster.from_environment(_tf_config({"worker": [address]}, "worker", 0))
        self.assertEqual(found.workers, (address,))

    def test_neither(self):
        message = "expected TF_CONFIG or SLURM.*; got neither: set TF_CONFIG"
        with self.assertRaisesRegex(ValueError, message):
            cluster.from_environment({"TF_CONFIG": " "})


class SlurmTest(parameterized.TestCase):
    def test_a_worker_for_each_task_node_by_node(self):
        found = cluster.from_environment(_SLURM)
        self.assertEqual(found.index, 3)
        hosts = [address.partition(":")[0] for address in found.workers]
        self.assertEqual(hosts, ["gpu08", "gpu08", "gpu09", "gpu09", "login"])
        self.assertLen(set(found.workers), 5)

    def test_all_tasks_find_the_same_workers_and_another_job_other_ports(self):
        found = {cluster.from_environment({**_SLURM, "SLURM_PROCID": str(i)}) for i in range(5)}
        self.assertLen({each.workers for each in found}, 1)
        other = cluster.from_environment({**_SLURM, "SLURM_JOB_ID": "8"})
        self.assertEmpty(set(other.workers) & set(found.pop().workers))

    def test_variables_of_the_job_where_the_step_has_none(self):
        job = {
            "SLURM_PROCID": "0",
            "SLURM_JOB_ID": "7",
            "SLURM_JOB_NODELIST": "a,b",
            "SLURM_TASKS_PER_NODE": "1(x2)",
        }
        self.assertLen(cluster.from_environment(job).workers, 2)

    @parameterized.parameters(
        ({"SLURM_PROCID": "5"}, "SLURM_PROCID=5 is not one of the 5 workers"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2"}, "3 nodes and tasks for 1"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2x"}, "malformed .*no list of tasks per node"),
        ({"SLURM_STEP_NODELIST": ""}, "SLURM_STEP_NODELIST"),
        ({"SLURM_STEP_NODELIST": "a[1-"}, "'a\\[1-' is no list of nodes"),
        ({"SLURM_STEP_NODELIST": "a[1-x]"}, "no list of nodes"),
        ({"SLURM_STEP_NODELIST": "a,,b"}, "no list of nodes"),
        ({"SLURM_STEP_ID": "batch"}, "incomplete or malformed .*'batch'"),
        ({"SLURM_DISTRIBUTION": "cyclic"}, "pass --distribution=block"),
    )
    def test_what_cannot_be(self, changes, message):
        with self.assertRaisesRegex(ValueError, message):
            cluster.from_environment({**_SLURM, **changes})

    @parameterized.parameters(
        ("a", ["a"]),
        ("a,b-1", ["a", "b-1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10,3],m", ["n08", "n09", "n10", "n3", "m"]),
        ("r[1-2]n[1-2]x", ["r1n1x", "r1n2x", "r2n1x", "r2n2x"]),
    )
    def test_lists_of_nodes(self, text, wanted):
        self.assertEqual(cluster.expand_hosts(text), wanted)

    @parameterized.parameters(("1", [1]), ("2(x3),1", [2, 2, 2, 1]))
    def test_tasks_per_node(self, text, wanted):
        self.assertEqual(cluster.expand_counts(text), wanted)


if __name__ == "__main__":
    absltest.main()
