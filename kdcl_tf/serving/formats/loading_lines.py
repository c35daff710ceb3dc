"""The lines that load an exported file, in the languages that do, for its README."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdcl_tf.data.formats import rules
from kdcl_tf.data.normalization import REVERSED
from kdcl_tf.serving import card_facts

__all__ = ["of"]

# An image as evaluation makes it of a photograph.
_IMAGE = """import numpy as np
from PIL import {modules}

photograph = {opened}
if photograph.mode.startswith("I"):  # of 16 bits of grey the high 8
    photograph = Image.fromarray((np.asarray(photograph) >> 8).astype(np.uint8))
photograph = photograph.convert("{mode}")
image = np.asarray(photograph{scaled}){axis}  # uint8 {one}
"""
# One of other channels than a photograph has.
_OWN_IMAGE = """import numpy as np

image = np.zeros({shape}, np.uint8)  # in its place your own, of {channels} channels
"""

_SAVED_MODEL = """```python
import tensorflow as tf
{image}
student = tf.saved_model.load("{file}")
answers = student.signatures["serving_default"](images=image[None])  # uint8 {batch}
answers["probabilities"]  # float32 [B, {classes}]
{encoded}```"""

_ENCODED = """# One JPEG or PNG of any size; it is {stored}.
student.signatures["photograph"](photograph=tf.io.read_file("photograph.jpg"))
"""

_KERAS = """```python
import keras
{image}
images = image[None]
student = keras.saving.load_model("{file}")
logits = student({normalised})  # images {batch}
probabilities = keras.ops.softmax(logits)
```"""

_WEIGHTS = """```python
import keras
from kdcl_tf import students
{image}
images = image[None]
student = students.build("{architecture}", {classes}, {shape})
student.load_weights("{file}")
logits = student({normalised})  # images {batch}
probabilities = keras.ops.softmax(logits)
```"""

_ONNX = """```python
import onnxruntime
{image}
session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
images = image[None]  # uint8 {batch}
logits, probabilities = session.run(["logits", "probabilities"], {{"images": images}})
```"""

_LITERT = """```python
from ai_edge_litert.interpreter import Interpreter
{image}
interpreter = Interpreter(model_path="{file}")
run = interpreter.get_signature_runner()
answers = run(images=image[None])
answers["probabilities"]  # float32 [1, {classes}]
```

```kotlin
// build.gradle.kts: implementation("com.google.ai.edge.litert:litert:1.4.0")
// The file, and {student}.class_names.txt, are in assets/.
{imports}import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.Interpreter

val asset = context.assets.openFd("{file}")
val model = FileInputStream(asset.fileDescriptor).channel
    .map(FileChannel.MapMode.READ_ONLY, asset.startOffset, asset.declaredLength)
val interpreter = Interpreter(model)
// {one}, a byte a {value}, row by row.
val image = ByteBuffer.allocateDirect({bytes}).order(ByteOrder.nativeOrder())
{filled}image.rewind()
val logits = Array(1) {{ FloatArray({classes}) }}
val probabilities = Array(1) {{ FloatArray({classes}) }}
interpreter.runSignature(
    mapOf("images" to image),
    mapOf("logits" to logits, "probabilities" to probabilities),
)
val names = context.assets.open("{student}.class_names.txt").bufferedReader().readLines()
val best = names[probabilities[0].indices.maxBy {{ probabilities[0][it] }}]
```

```swift
// Podfile: pod 'TensorFlowLiteSwift'; the file is in the bundle.
import TensorFlowLite

let path = Bundle.main.path(forResource: "{stem}", ofType: "tflite")!
let interpreter = try Interpreter(modelPath: path)
try interpreter.allocateTensors()
try interpreter.copy(image, toInputAt: 0)  // Data of {bytes} bytes, {one}, row by row
try interpreter.invoke()
let output = try interpreter.output(at: 1)  // 0 has the logits
let probabilities = output.data.withUnsafeBytes {{ Array($0.bindMemory(to: Float32.self)) }}
```

Class names are in `labels.txt` inside the file, too, which is a ZIP archive as well.
{mediapipe}"""

# How an app makes an image of a photograph in colour.
_BITMAP = """// photograph: a Bitmap, {turned}.
// The copy is one whose pixels can be read, which those of ImageDecoder are not by default.
var scaled = photograph.copy(Bitmap.Config.ARGB_8888, false)
// createScaledBitmap looks at 2 x 2 pixels: in halves, all of them count, as in evaluation.
while (scaled.width >= 2 * {wide} || scaled.height >= 2 * {tall}) {{
    scaled = Bitmap.createScaledBitmap(
        scaled, maxOf(scaled.width / 2, {wide}), maxOf(scaled.height / 2, {tall}), true)
}}
scaled = Bitmap.createScaledBitmap(scaled, {wide}, {tall}, true)
val pixels = IntArray({width} * {height})
scaled.getPixels(pixels, 0, {width}, {left}, {top}, {width}, {height})
for (pixel in pixels) {{
    image.put((pixel shr 16).toByte()).put((pixel shr 8).toByte()).put(pixel.toByte())
}}
"""
_MEDIAPIPE = """MediaPipe's `ImageClassifier` loads the file as it is; of its answers take those of the head
`probabilities`. It scales a photograph in its own way: to get the same answers as here, make the image
of {height} x {width} pixels as in the lines above first."""

_LINES = {"saved_model": _SAVED_MODEL, "keras": _KERAS, "weights": _WEIGHTS, "onnx": _ONNX}


def of(form: str, file: str, facts: Mapping[str, Any]) -> str:
    """The lines that load a file, as blocks of Markdown.

    Args:
      form: one of `FORMATS`.
      file: its name, or that of a folder.
      facts: of its card.
    """
    height, width, channels = facts["image_shape"]
    sizes = _sizes(facts)
    is_turned = rules.is_turned_in_training(facts)
    turned = "turned as its EXIF orientation says" if is_turned else "as it is stored"
    return _LINES.get(form, _LITERT).format(
        file=file,
        student=facts["student"],
        imports="import android.graphics.Bitmap\n" * (channels == 3),
        filled=_BITMAP.format(**sizes, turned=turned) * (channels == 3),
        mediapipe=_MEDIAPIPE.format(**sizes) * (channels == 3),
        encoded=_encoded(facts, is_turned),
        stem=file.removesuffix(".tflite"),
        batch=f"[B, {height}, {width}, {channels}]",
        one=f"[{height}, {width}, {channels}]",
        shape=(height, width, channels),
        bytes=height * width * channels,
        value="grey level" if channels == 1 else "colour",
        classes=facts["num_classes"],
        normalised=_normalised(facts),
        image=_image(facts, is_turned),
        architecture=facts.get("architecture", ""),
    )


def _sizes(facts):
    """The size of an image, the one that it is scaled to, and where its centre lies in that."""
    height, width, _ = facts["image_shape"]
    tall, wide = facts.get("scaled_to", (height, width))
    return {
        "height": height,
        "width": width,
        "tall": tall,
        "wide": wide,
        "top": (tall - height) // 2,
        "left": (wide - width) // 2,
    }


def _encoded(facts, is_turned):
    """The lines for the signature that takes a photograph; "" for a student that has none."""
    if facts["image_shape"][-1] not in card_facts.CHANNELS:
        return ""
    stored = "not turned as its EXIF orientation says" if is_turned else "taken as it is stored"
    return _ENCODED.format(stored=stored)


def _image(facts, is_turned):
    """The lines that make an image of a photograph."""
    height, width, channels = facts["image_shape"]
    if channels not in card_facts.CHANNELS:
        return _OWN_IMAGE.format(shape=(height, width, channels), channels=channels)
    sizes = _sizes(facts)
    tall, wide, top, left = (sizes[name] for name in ("tall", "wide", "top", "left"))
    cut = (left, top, left + width, top + height)
    scaled = f".resize(({wide}, {tall}), Image.BILINEAR)"
    if (tall, wide) != (height, width):
        scaled += f".crop({cut})"
    opened = 'Image.open("photograph.jpg")'
    return _IMAGE.format(
        modules="Image, ImageOps" if is_turned else "Image",
        opened=f"ImageOps.exif_transpose({opened})" if is_turned else opened,
        mode="L" if channels == 1 else "RGB",
        scaled=scaled,
        axis="[..., None]" if channels == 1 else "",
        one=f"[{height}, {width}, {channels}]",
    )


def _normalised(facts):
    mean, deviation = (_rounded(facts[name]) for name in ("mean", "deviation"))
    text = f"(images / 255.0 - {mean}) / {deviation}"
    return f"({text})[..., ::-1]" if facts.get("channels") == REVERSED else text


def _rounded(numbers):
    """Numbers of float32, with all the digits that those have."""
    return [float(f"{number:.9g}") for number in numbers]
