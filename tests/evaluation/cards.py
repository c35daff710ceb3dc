"""Cards of students that predict nothing, for tests of what they were trained on."""

from kdcl_tf.evaluation.loaded import LoadedStudent

CARD = {
    "image_shape": [8, 8, 3],
    "class_names": [str(digit) for digit in range(10)],
    "dataset": "digits",
}


def student_of(**change):
    """One with another card, which predicts nothing."""
    return LoadedStudent("x", None, dict, {**CARD, **change})


def of_run(**settings):
    """What the card of a student of a run with these flags has."""
    return {"identity": {"settings": settings}}
