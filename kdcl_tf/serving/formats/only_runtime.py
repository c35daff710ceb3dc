"""A process that imports one runtime alone, loads exported files with it and runs images.

    python -c "$(cat only_runtime.py)" RUNTIME [FOLDER]

It reads a JSON object a line, `{"file", "images", "output", "mean", "deviation", ...}`, and
answers with one: `{"latency"}` in seconds, when the logits are in the file `output`, or
`{"error"}`.  It ends with its input.  Nothing of kdcl_tf is imported, but for `weights`, which
only kdcl_tf can load, that of the FOLDER.
"""

import json
import os
import statistics
import sys
import time

import numpy as np

_BATCH = 32
# The median of so many runs of one image, and no more than so many seconds of them.
_RUNS, _SECONDS = 30, 2.0


def _tensorflow(request):
    import tensorflow as tf

    loaded = tf.saved_model.load(request["file"])
    serve = loaded.signatures["serving_default"]
    # A signature does not keep its variables alive.
    return lambda images, kept=loaded: serve(images=tf.constant(images))["logits"].numpy()


def _keras(request):
    import keras

    return _normalised(keras.saving.load_model(request["file"], compile=False), request)


def _kdcl_tf(request):
    from kdcl_tf import students

    student = students.build(request["architecture"], request["classes"], tuple(request["shape"]))
    student.load_weights(request["file"])
    return _normalised(student, request)


def _normalised(model, request):
    """A Keras model, which takes normalised images."""
    mean, deviation = (np.float32(request[name]) for name in ("mean", "deviation"))
    step = -1 if request.get("channels") == "BGR" else 1

    def run(images):
        normalised = (images / np.float32(255.0) - mean) / deviation
        return model.predict_on_batch(normalised[..., ::step])

    return run


def _litert(request):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=request["file"], num_threads=1)
    signature = interpreter.get_signature_runner()

    def run(images):
        return np.concatenate([signature(images=image[None])["logits"] for image in images])

    return run


def _onnxruntime(request):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(request["file"], options, providers=providers)
    return lambda images: session.run(["logits"], {"images": images})[0]


def _answer(load, request):
    run = load(request)
    images = np.load(request["images"])
    starts = range(0, len(images), _BATCH)
    logits = np.concatenate([run(images[start : start + _BATCH]) for start in starts])
    np.save(request["output"], logits)
    return {"latency": _latency(run, images[:1])}


def _latency(run, image):
    run(image)
    took = []
    while len(took) < _RUNS and sum(took) < _SECONDS:
        start = time.perf_counter()
        run(image)
        took.append(time.perf_counter() - start)
    return statistics.median(took)


def _one_thread():
    """For TensorFlow, which asks when it starts.

    It would also take a GPU, of which the process that exports may have claimed all memory.
    """
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _main(runtime, answers):
    if runtime in ("tensorflow", "keras", "kdcl_tf"):
        _one_thread()
    if runtime == "kdcl_tf":
        # Not before now: nothing else in that folder is to be found first.
        sys.path[:0] = sys.argv[2:]
    load = globals()[f"_{runtime}"]
    for line in sys.stdin:
        try:
            found = _answer(load, json.loads(line))
        except Exception as error:
            found = {"error": (str(error).splitlines() or [""])[0] or type(error).__name__}
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What a runtime prints is no answer.
    _answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _main(sys.argv[1], _answers)
