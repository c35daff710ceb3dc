"""Other libraries' errors, made short enough to stand in one line of ours."""

from __future__ import annotations

import re

_LONGEST = 400

# "{{function_node __wrapped__DecodeImage_device_...}} message [Op:DecodeImage]"
_OP_WRAPPING = re.compile(r"\{\{.*?\}\}|\[Op:\w+\].*$")


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks, cut at 400 characters."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    text = " ".join(_OP_WRAPPING.sub("", " ".join(text.split())).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
