"""Files that are written whole, what tells whose they are, and names of any bytes.

Importing this package imports nothing but the standard library.
"""

from kdcl_tf.files.atomic import (
    abandon,
    check_writable,
    clean,
    recover,
    remove,
    replaced_file,
    replaced_folder,
    write_bytes,
    write_text,
)

__all__ = [
    "abandon",
    "check_writable",
    "clean",
    "recover",
    "remove",
    "replaced_file",
    "replaced_folder",
    "write_bytes",
    "write_text",
]
