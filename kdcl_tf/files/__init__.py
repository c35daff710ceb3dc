"""Files that are written whole, what tells whose they are, and names of any bytes.

Importing this package imports nothing but the standard library.
"""

from kdcl_tf.files.atomic import (
    check_writable,
    clean,
    recover,
    remove,
    replaced_file,
    replaced_folder,
    write_bytes,
    write_text,
)
from kdcl_tf.files.ending import abandon, temporary_folder, undone, unwinding, unwinds
from kdcl_tf.files.literal import literal_path

__all__ = [
    "abandon",
    "check_writable",
    "clean",
    "literal_path",
    "recover",
    "remove",
    "replaced_file",
    "replaced_folder",
    "temporary_folder",
    "undone",
    "unwinding",
    "unwinds",
    "write_bytes",
    "write_text",
]
