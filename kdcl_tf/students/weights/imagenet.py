"""Weights of keras.applications for ImageNet, which Keras downloads and keeps in `~/.keras`."""

from __future__ import annotations

import contextlib
import inspect
import os
import pathlib
import queue
import socket
import tempfile
import threading
import urllib.parse
import urllib.request
import warnings
from collections.abc import Iterator

import keras

from kdcl_tf import files
from kdcl_tf.students import names

__all__ = ["file_of", "load"]

_SECONDS = 5.0


def load(classifier: str) -> tuple[keras.Model, pathlib.Path]:
    """A classifier of `keras.applications` with its 1000 classes of ImageNet.

    Args:
      classifier: name of the function, such as `MobileNetV2`.

    Returns:
      The model, and the file that its weights are in.

    Raises:
      ValueError: when Keras has no such weights; or they are not in its cache, and there is no
        network to download them by.
    """
    function = getattr(keras.applications, classifier)
    preprocessing = inspect.signature(function).parameters.keys() & {"include_preprocessing"}
    with _watched_downloads() as used, warnings.catch_warnings():
        # That it chooses the weights of its usual size, which fit every other one.
        warnings.simplefilter("ignore")
        try:
            model = function(
                weights="imagenet",
                classifier_activation=None,
                **dict.fromkeys(preprocessing, False),
            )
        except ValueError:
            raise
        except Exception as error:  # Of a download it may be anything.
            told = " ".join(str(error).split())
            where = f" ({used[-1]}; delete it if it is damaged)" if used else ""
            raise ValueError(
                f"keras:{classifier}: Keras could not load its weights for ImageNet: {told}{where}"
            ) from error
    if not used:
        raise ValueError(f"keras:{classifier}: Keras has no file of weights for ImageNet")
    return model, used[-1]


def file_of(architecture: str) -> pathlib.Path:
    """The file of a student's weights, downloaded where it is not there yet.

    Args:
      architecture: name of the student, such as `keras:MobileNetV2`.

    Raises:
      ValueError: as `load`.
    """
    return load(names.parse(architecture).classifier)[1]


@contextlib.contextmanager
def _watched_downloads() -> Iterator[list[pathlib.Path]]:
    """Looks at each file that Keras is about to download: whether it is there or can be had.

    Keras tells nobody which file it will want, tries for long where there is no network, and
    then says so in a page.  It writes under the final name while it downloads, and takes what a
    killed process has left there for the whole: here a file gets its name when it is whole.
    """
    from keras.src.utils import file_utils

    used, get_file = [], file_utils.get_file

    def watched(fname, origin, *args, cache_subdir="datasets", **kwargs):
        path = _cache() / cache_subdir / fname
        if path.exists():
            get_file(fname, origin, *args, cache_subdir=cache_subdir, **kwargs)
        elif _is_reachable(origin):
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.replaced_file(path) as partial:
                place = {"cache_dir": partial.parent, "cache_subdir": ""}
                get_file(fname, origin, *args, **place, **kwargs)
        else:
            raise ValueError(
                f"weights for ImageNet: {path} is not there, and there is no network to download "
                f"it by: copy {origin} there, or give a file of weights"
            )
        used.append(path)
        return str(path)

    file_utils.get_file = watched
    try:
        yield used
    finally:
        file_utils.get_file = get_file


def _cache():
    """Where Keras keeps what it downloads, as its `get_file` has it."""
    home = pathlib.Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))
    writable = home if home.exists() else home.parent
    if os.access(writable, os.W_OK):
        return home
    return pathlib.Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")


def _is_reachable(url):
    """Whether the host of a URL takes a connection within a few seconds, look-up included."""
    if any(name in urllib.request.getproxies() for name in ("http", "https", "all")):
        return True
    host = urllib.parse.urlsplit(url).hostname
    answers: queue.Queue[bool] = queue.Queue()

    def connect():
        try:
            with socket.create_connection((host, 443), _SECONDS):
                answers.put(True)
        except OSError:
            answers.put(False)

    threading.Thread(target=connect, daemon=True).start()
    with contextlib.suppress(queue.Empty):
        return answers.get(timeout=_SECONDS)
    return False
