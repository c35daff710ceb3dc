"""Tests of kdcl_tf.programs.launch: what it makes of a session; programs are tested whole."""

import contextlib
import io
import json
import os
import pathlib
import sys
from unittest import mock

import tensorflow as tf

from kdcl_tf.classification.settings import Settings
from kdcl_tf.data.bad_images import BadImageError
from kdcl_tf.distribution.cluster import Cluster
from kdcl_tf.files.identity import Identity
from kdcl_tf.programs import launch
from kdcl_tf.training.interruption import Interrupted
from kdcl_tf.training.loop import Divergence
from kdcl_tf.training.workdir import Workdir

_SETTINGS = Settings()


class _Session:
    """A run that ends as it is told to."""

    def __init__(self, workdir, end):
        self._workdir, self._end = workdir, end

    def train(self):
        if isinstance(self._end, Exception):
            raise self._end
        self._workdir.write_result(self._end)
        return self._end


class RunTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.create_tempdir().full_path

    def _run(self, end, settings=None, at_load=False, **arguments):
        """`(stdout, stderr, status)` of a run whose session ends so."""

        def create(workdir, cluster):
            self.assertIsNone(cluster)
            if isinstance(end, OSError) or at_load:
                raise end
            return _Session(workdir, end)

        stdout, stderr, status = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                launch.run(settings or _SETTINGS, self.folder, create, self._report, **arguments)
            except SystemExit as stop:
                status = stop.code
        return stdout.getvalue(), stderr.getvalue(), status

    def _report(self, result, path):
        return f"{result['accuracy']} in {path}"

    def test_a_result_is_reported(self):
        self.assertEqual(self._run({"accuracy": 1}), (f"1 in {self.folder}\n", "", 0))

    def test_a_cpu_that_is_divided_for_nothing_is_told(self):
        with mock.patch("kdcl_tf.distribution.devices.split_cpu"):
            stdout, _, _ = self._run({"accuracy": 1}, logical_devices=2)
            self.assertStartsWith(
                stdout,
                "--logical_devices=2 divides a CPU of which --strategy=one uses one device: ",
            )
            for used in (
                {"logical_devices": 1},
                {"logical_devices": 2, "placement": "student"},
                {"logical_devices": 2, "settings": Settings(strategy="mirrored")},
            ):
                self.folder = self.create_tempdir().full_path
                self.assertStartsWith(self._run({"accuracy": 1}, **used)[0], "1 in ")

    def test_a_complete_run_is_only_reported(self):
        found = Identity(_SETTINGS.as_flags(), {}).facts
        Workdir(self.folder).write_result({"accuracy": 2, "identity": found, "places": {}})
        stdout, _, status = self._run(AssertionError("trained again"))
        told = f"{self.folder} holds this run, complete; nothing is trained\n2 in {self.folder}\n"
        self.assertEqual((stdout, status), (told, 0))

    def test_a_complete_run_is_asked_again_for_data_in_another_data_dir(self):
        settings = Settings(dataset="cifar100")
        for name in ("one", "two"):
            pathlib.Path(self.folder, name, "cifar100").mkdir(parents=True)
        one, two = (f"{self.folder}/{name}" for name in ("one", "two"))
        self.folder = f"{self.folder}/run"
        found = Identity(settings.as_flags(), {}).facts
        places = settings.place_of_data(one)
        Workdir(self.folder).write_result({"accuracy": 2, "identity": found, "places": places})
        with mock.patch.object(sys.modules[__name__], "_SETTINGS", settings):
            self.assertIn("nothing is trained", self._run({"accuracy": 3}, data_dir=one)[0])
            self.assertEqual(self._run({"accuracy": 3}, data_dir=two)[0], f"3 in {self.folder}\n")

    def test_a_complete_run_of_other_devices_is_told_from_this_one(self):
        found = Identity(_SETTINGS.as_flags(), {}).facts
        settings = {"strategy": "mirrored"}
        result = {"accuracy": 2, "identity": found, "places": {}, "settings": settings}
        Workdir(self.folder).write_result(result)
        stdout, _, _ = self._run(AssertionError("trained again"))
        self.assertIn("complete, trained with --strategy=mirrored; nothing is trained\n", stdout)

    def test_a_run_whose_images_were_moved_is_named_where_another_begins(self):
        place = pathlib.Path(self.folder)
        (place / "photos").mkdir()
        before = Settings(dataset=f"folder:{place / 'photos'}")
        now = Settings(dataset=f"folder:{place / 'moved'}")
        Workdir(place / "runs" / "first").record(before)
        self.folder = str(place / "runs" / "second")
        with mock.patch.object(sys.modules[__name__], "_SETTINGS", now):
            # Another data set, as long as the first is where it was.
            self.assertNotIn("begins a new run", self._run({"accuracy": 1})[0])
            (place / "photos").rename(place / "moved")
            pathlib.Path(self.folder, "result.json").unlink()
            stdout, stderr, status = self._run({"accuracy": 1})
        self.assertEqual((stderr, status), ("", 0))
        self.assertIn(f"pass --workdir={place / 'runs' / 'first'} to continue it\n", stdout)

    def test_a_complete_run_is_reported_without_its_teacher(self):
        teacher = pathlib.Path(self.folder, "teacher")
        teacher.mkdir()
        settings = Settings(method="offline_distillation", teacher=str(teacher))
        self.folder = f"{self.folder}/run"
        found = Identity(settings.as_flags(), {}).facts
        result = {"accuracy": 2, "identity": found, "places": settings.places()}
        Workdir(self.folder).write_result(result)
        teacher.rmdir()
        with mock.patch.object(sys.modules[__name__], "_SETTINGS", settings):
            stdout, stderr, status = self._run(AssertionError("trained again"))
        self.assertEqual((stderr, status), ("", 0))
        self.assertIn("complete; nothing is trained", stdout)
        self.assertTrue(pathlib.Path(self.folder, "flags.txt").exists())

    def test_ends_are_one_line_and_a_status(self):
        for end, wanted in (
            (Divergence("the loss is not finite"), 1),
            (BadImageError("image 'a' cannot be decoded"), 1),
            (Interrupted(15, "stopped by SIGTERM"), 143),
            (FileNotFoundError("there is no data"), 1),
        ):
            self.folder = self.create_tempdir().full_path
            stdout, stderr, status = self._run(end)
            self.assertEqual((stdout, status), ("", wanted))
            self.assertRegex(stderr, rf"^[^\n]*{end}\n$")

    def test_a_run_that_is_begun_can_leave_out_bad_images_elsewhere_only(self):
        bad = BadImageError(
            "image 'a' cannot be decoded; pass skip_bad_images=True to leave it out"
        )
        for at_load in (True, False):
            self.folder = self.create_tempdir().full_path
            _, stderr, status = self._run(bad, at_load=at_load)
            self.assertEqual((status, stderr.count("\n")), (1, 1))
            self.assertNotIn("--workdir", stderr)
            self.folder = self.create_tempdir().full_path
            Workdir(self.folder).record(_SETTINGS)
            _, stderr, _ = self._run(bad, at_load=at_load)
            self.assertEndsWith(stderr, f" it out, and pass another --workdir than {self.folder}\n")
        large = BadImageError("expected at most 1 megapixels; got 2; raise max_image_megapixels if")
        for end, told in ((large, True), (BadImageError("torn"), False)):
            self.folder = self.create_tempdir().full_path
            Workdir(self.folder).record(_SETTINGS)
            self.assertEqual(", and pass another --workdir than" in self._run(end)[1], told)

    def test_a_worker_leaves_out_bad_images_in_another_workdir_of_the_first(self):
        cluster = Cluster(("a:1", "b:1"), 1)
        training = launch._Training(_SETTINGS, None, cluster, None)
        bad = BadImageError("torn; pass skip_bad_images=True to leave it out")
        told = training._of_bad_image(bad, pathlib.Path(self.folder))
        self.assertEndsWith(told, "leave it out, and another --workdir for worker 0")

    def test_a_defect_keeps_its_traceback(self):
        with self.assertRaisesRegex(KeyError, "defect"):
            self._run(KeyError("defect"))

    def test_a_run_that_is_refused_leaves_no_folder(self):
        self.folder = f"{self.folder}/new"
        self._run(FileNotFoundError("there is no data"))
        self.assertFalse(os.path.exists(self.folder))

    def test_the_chief_is_alone_or_the_first_of_the_workers(self):
        self.assertTrue(launch.is_chief(_SETTINGS))
        many = Settings(strategy="multi_worker")
        for index in (0, 1):
            cluster = {"worker": ["localhost:12345", "localhost:12346"]}
            config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            with mock.patch.dict(os.environ, TF_CONFIG=json.dumps(config)):
                self.assertEqual(launch.is_chief(many), index == 0)

    def test_a_folder_of_other_flags_is_refused(self):
        Workdir(self.folder).record(Settings(seed=1))
        _, stderr, status = self._run({"accuracy": 1})
        self.assertEqual(status, 1)
        self.assertRegex(stderr, r"was made with other flags: --seed=1 \(now 0\)")


if __name__ == "__main__":
    tf.test.main()
