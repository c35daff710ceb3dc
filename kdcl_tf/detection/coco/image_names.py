"""The files of a folder, found by the names that annotations give them."""

from __future__ import annotations

import os
import pathlib

from kdcl_tf.files import spelling


class ImageNames:
    """Finds files by their paths in a folder, or by absolute paths.

    File systems and programs write an accented letter as one character (NFC) or as a letter
    and its accent (NFD): a name finds the file of either spelling, its own first.

    Attributes:
      folder: as given.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        # By folder, as it is written on disk: the names in it, and their composed forms.
        self._listings, self._composed = {}, {}

    def find(self, name: str) -> str | None:
        """The path of a file as it is written on disk, absolute if `name` is; None for none."""
        # A listing takes a second where asking for each of 118,000 files takes a minute.
        if name in self._listing(""):
            return name
        parent, base = os.path.split(name)
        if not parent and name.isascii():
            return None
        if (self.folder / name).is_file():
            return name
        found = self._find_folder(parent)
        actual = None if found is None else self._entry(found, base)
        return actual if actual and (self.folder / actual).is_file() else None

    def _find_folder(self, parent):
        """The path of a folder as it is written on disk, or None."""
        if parent in ("", os.sep) or (self.folder / parent).is_dir():
            return parent
        above, base = os.path.split(parent)
        found = self._find_folder(above)
        return None if found is None else self._entry(found, base)

    def _entry(self, parent, base):
        """The path of what is called `base` in either spelling, or None."""
        if parent not in self._composed:
            names = self._listing(parent)
            self._composed[parent] = {spelling.composed(each): each for each in sorted(names)}
        actual = self._composed[parent].get(spelling.composed(base))
        return actual and os.path.join(parent, actual)

    def _listing(self, parent):
        if parent not in self._listings:
            folder = self.folder / parent
            self._listings[parent] = set(os.listdir(folder)) if folder.is_dir() else set()
        return self._listings[parent]
