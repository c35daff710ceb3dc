"""What `Loop` wants to know of what it trains."""


class Task:
    """A model and the images it trains on.

    A subclass says what is evaluated (`evaluate`), whose fault a loss is that is no number
    (`guilty`), and in a line for a person what came out (`summary`).

    Args:
      model: compiled, made under `strategy`, with `watched`, means of which the first is the
        loss; all must stay finite.
      views: with `dataset.train`, `steps_per_epoch` and `epoch`, such as `data.Views`.
      strategy: `tf.distribute.Strategy`.

    Attributes:
      model: as given.
      images: in an epoch.
    """

    def __init__(self, model, views, strategy):
        self.model, self.images = model, len(views.dataset.train)
        self._views, self._strategy = views, strategy

    def steps_per_epoch(self, batch_size):
        """Batches of an epoch, the last partial one included."""
        return self._views.steps_per_epoch(batch_size)

    def epoch(self, epoch, batch_size, skip, share):
        """The batches of an epoch, without the first `skip`; a `data.Share` of each."""
        return self._views.epoch(epoch, batch_size, skip, share)

    def passes_over(self, batch):
        """Whether a batch is no step: one of `epoch`, of which nothing is left."""
        return False

    def guilty(self, means):
        """What is not finite, as a person reads it.

        Args:
          means: of `model.watched`, after the first.
        """
        raise TypeError(f"{type(self).__name__} must override guilty")

    def owner(self, variable):
        """Whose variable it is, as a person reads it after the variable's path."""
        return ""

    def renew(self, replicas):
        """Makes anew what is made after each epoch; returns numbers for the log."""
        return {}

    def evaluate(self, replicas):
        """Numbers for the log, of `Replicas` of the model."""
        raise TypeError(f"{type(self).__name__} must override evaluate")

    def problems(self):
        """What the log says of the data, such as how many images were bad."""
        return {}

    def summary(self, record):
        """The evaluation in a line for a person, or "" where there was none."""
        raise TypeError(f"{type(self).__name__} must override summary")
