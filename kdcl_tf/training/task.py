"""What is trained: a model with its images, as `Session` and `Loop` see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kdcl_tf.distribution import strategies

if TYPE_CHECKING:
    import tensorflow as tf

    from kdcl_tf import data
    from kdcl_tf.distribution.replicas import Replicas
    from kdcl_tf.distribution.workers import Workers
    from kdcl_tf.training.settings import TrainingSettings
    from kdcl_tf.training.workdir import Workdir


class Task:
    """A model and the images it trains on; the base of what the programs train.

    A session calls `load`, then `build` under the strategy's scope; from there on its loop
    trains `model`.  A subclass overrides both, and `evaluate`, `summary`, `diverged`, `card`,
    `finish` and `draw`.

    Args:
      settings: of the run.
      data_dir: where TFDS keeps its data sets; None for its default.

    Attributes:
      settings, data_dir: as given.
      dataset: what `load` loaded, with `train` and `summary()`.
      views: what `build` or `load` made of it, such as `data.Views`.
      model: what `build` built: compiled, with `watched`, metrics that are means, of which the
        first is the loss; all must stay finite.
      strategy: `tf.distribute.Strategy` that it was built under.
      identity: `Identity` of the run, which a session sets when the data is loaded.
      kept: `keeping.Kept` of the best epoch, which `build` makes where that one is exported;
        None where the last epoch is.
      begun: facts of the checkpoint that the run goes on from, which a session sets before the
        data is loaded; None where it begins.
    """

    # Parts that each replica runs a step's images in.
    accumulation_steps = 1

    def __init__(self, settings: TrainingSettings, data_dir: str | None = None):
        self.settings, self.data_dir = settings, data_dir
        self.dataset = self.views = self.model = self.strategy = self.identity = None
        self.begun = self.kept = self.left_out_before = None

    @property
    def recorded(self) -> Mapping[str, Any]:
        """The digest of the data that a run which goes on was begun with; `{}` of one that begins."""
        return (self.begun or {}).get("identity", {}).get("data", {})

    def load(self) -> None:
        """Loads `dataset`.

        Raises:
          ValueError, OSError: in one line.
        """
        raise TypeError(f"{type(self).__name__} must override load")

    def build(self, strategy: tf.distribute.Strategy) -> None:
        """Builds and compiles `model`, and makes `views`; called under the strategy's scope.

        Raises:
          ValueError, OSError: in one line.
        """
        raise TypeError(f"{type(self).__name__} must override build")

    @property
    def normalized(self) -> list[Any]:
        """The models whose batch normalization takes statistics of the images that it trains on."""
        return [self.model]

    @property
    def trained(self) -> list[Any]:
        """The models that run in training, and so draw random numbers there."""
        return [self.model]

    @property
    def least_images(self) -> int:
        """Images that each replica needs in a step; 0 where it, or a part of them, may have none."""
        return 0 if strategies.takes_empty_batches() else self.accumulation_steps

    def evaluated(self) -> dict[str, int]:
        """`{name: number of images}` of the sets that are run through the model undistorted."""
        return {}

    def digest(self) -> dict[str, Any]:
        """What tells the task's data from other data; `json.dumps` accepts it."""
        return self.dataset.digest()

    def sources(self) -> dict[str, str]:
        """Digests of what the model starts from, which all workers must have alike."""
        return {}

    def card(self) -> dict[str, Any]:
        """What must be known to export the model without its data; `json.dumps` accepts it."""
        return {}

    # The loop's questions.

    @property
    def images(self) -> int:
        """Images in an epoch."""
        return len(self.dataset.train)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Batches of an epoch, the last partial one included."""
        return self.views.steps_per_epoch(batch_size)

    def epoch(self, epoch: int, batch_size: int, skip: int, share) -> tf.data.Dataset:
        """The batches of an epoch, without the first `skip`; a `data.Share` of each."""
        return self.views.epoch(epoch, batch_size, skip, share)

    def begin_epoch(self, epoch: int) -> list | None:
        """Changes what is trained from this epoch on, 0 the first, and by which loss.

        Returns:
          The variables that do not move from now on; None where all is as before.
        """
        return None

    @property
    def leaves_out_images(self) -> bool:
        """Whether batches of `epoch` may have fewer images, since some cannot be decoded."""
        return False

    def left(self, batch) -> tf.Tensor:
        """An int32 scalar: images that a batch has left for this worker's replica that has fewest.

        It is asked only where `leaves_out_images`, inside a graph.
        """
        raise TypeError(f"{type(self).__name__} must override left")

    def diverged(self, means: Sequence[float]) -> str:
        """Which loss is not finite, in words for a person.

        Args:
          means: of `model.watched`, after the first.
        """
        raise TypeError(f"{type(self).__name__} must override diverged")

    def owner(self, variable) -> str:
        """Whose variable it is, in words that follow the variable's path."""
        return ""

    def end_epoch(self, replicas: Replicas) -> dict[str, float]:
        """Renews what is renewed after each epoch; returns numbers for the log."""
        return {}

    def evaluate(self, replicas: Replicas) -> dict[str, float | None]:
        """Evaluates the model on all replicas; returns numbers for the log."""
        raise TypeError(f"{type(self).__name__} must override evaluate")

    def exchange(self, workers: Workers) -> None:
        """Makes known to all workers what each has found out about the images that it reads.

        All call it at once.
        """

    def problems(self) -> dict[str, int]:
        """What the log says of the data, such as how many images could not be decoded."""
        return {}

    def left_out(self) -> dict[str, int]:
        """`{split: images}` that could not be decoded so far, of the splits that have any.

        Of a run that this process only exports, `left_out_before`.
        """
        return self.left_out_before or {}

    def summary(self, record: Mapping[str, Any]) -> str:
        """An epoch's evaluation in one line for a person; "" where there was none."""
        raise TypeError(f"{type(self).__name__} must override summary")

    # The session's questions.

    def plan(self) -> list[str]:
        """What the run is going to do, in lines for a person."""
        settings = self.settings
        sets = {"training": self.images, **self.evaluated()}
        images = ", ".join(f"{count:,} {name}" for name, count in sets.items() if count)
        steps = self.steps_per_epoch(settings.batch_size)
        return [
            f"plan: {images} images; {_counted(steps, 'step')} of {settings.batch_size:,} images an "
            f"epoch, {_counted(settings.epochs, 'epoch')}"
        ]

    def exported(self, log: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The record of the epoch that is exported: the kept one's, or the last."""
        epoch = self.kept.epoch if self.kept else 0
        return next((each for each in log if each["epoch"] == epoch), log[-1])

    def announce(self, workdir: Workdir) -> None:
        """Tells a person what is special about this run, and lists images in the workdir."""

    def check_images(self, share: data.Share) -> None:
        """Decodes images that a first evaluation will need, before hours of training.

        Every worker is asked once in a run, when it begins.

        Args:
          share: the part of every batch that this worker reads.

        Raises:
          BadImageError: at one that cannot be decoded.
        """

    def finish(self, workdir: Workdir, last: Mapping[str, Any]) -> dict[str, Any]:
        """Exports what was trained; returns the task's own part of `result.json`.

        `exports` in it lists the folders of all SavedModels, relative to the workdir.

        Args:
          last: the record of the epoch that is exported, see `exported`.
        """
        raise TypeError(f"{type(self).__name__} must override finish")

    def draw(self, workdir: Workdir) -> None:
        """Draws the log."""
        raise TypeError(f"{type(self).__name__} must override draw")


def _counted(number, noun):
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
