"""Tests of the links of README.md and docs/: they lead somewhere."""

import importlib
import importlib.util
import re
import urllib.parse

from absl.testing import absltest, parameterized

from tests import documents

_ALL = documents.documents()


class LinksTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hooks = documents.hooks()

    def _links(self, path):
        text = path.read_text(encoding="utf-8")
        return [match[3] for match in self.hooks.links(text)]

    @parameterized.named_parameters(
        documents.named(
            [*_ALL, documents.ROOT / "BUILD.md", documents.ROOT / "results" / "README.md"]
        )
    )
    def test_every_link_leads_to_a_file_and_an_anchor_in_it(self, path):
        for link in self._links(path):
            if link.startswith(("https://", "http://")):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            self.assertTrue(file.exists(), link)
            self.assertTrue(file.is_relative_to(documents.ROOT), link)
            if anchor and file.suffix == ".md":
                self.assertIn(anchor, documents.anchors(file) | _documented(file), link)

    @parameterized.named_parameters(documents.named(_ALL))
    def test_every_address_is_well_formed_and_every_reference_defined(self, path):
        text = documents.prose(path)
        defined = dict(re.findall(r"^\[([\w-]+)\]: (\S+)$", text, re.MULTILINE))
        for address in re.findall(r"https?://[^\s)>\]]*", text):
            parts = urllib.parse.urlsplit(address)
            self.assertRegex(parts.netloc, r"^[\w-]+(\.[\w-]+)+$", address)
            self.assertNotIn("//", parts.path, address)
        used = set(re.findall(r"\]\[([\w-]+)\]", text))
        self.assertEqual(used, set(defined))

    def test_every_file_that_the_documents_name_is_there(self):
        text = "".join(path.read_text() for path in [*_ALL, documents.ROOT / "BUILD.md"])
        text = re.sub(r"https?://\S*", "", text)
        named = re.findall(
            r"(?<![\w/.-])(?:tools|flags|results|tests|kdcl_tf|docs)/[\w./-]*\w", text
        )
        self.assertGreater(len(named), 50)
        # What only a wheel has.
        missing = {path for path in named if not (documents.ROOT / path).exists()} - {
            "kdcl_tf/flags"
        }
        self.assertEmpty(missing)


def _documented(path):
    """The names that a page of the reference documents: those after `:::`, and their members."""
    found = set()
    for name in re.findall(r"^::: (\S+)$", path.read_text(), re.MULTILINE):
        found.add(name)
        for member, inner in _members(_object(name)):
            found |= {
                f"{name}.{member}",
                *(f"{name}.{member}.{each}" for each, _ in _members(inner)),
            }
    return found


def _object(name):
    """The module, or the thing in a module, of a dotted name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        owner, _, last = name.rpartition(".")
        return getattr(_object(owner), last)


def _members(thing):
    return [(name, getattr(thing, name)) for name in dir(thing) if not name.startswith("_")]


if __name__ == "__main__":
    absltest.main()
