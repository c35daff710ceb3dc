#!/usr/bin/env bash
# Builds the pages of docs/ into build/site, without a warning; needs only Python and pip.
#
#   bash tools/docs.sh              writes the pages of flags anew, and builds all pages
#   bash tools/docs.sh --notebooks  runs the notebooks of the tutorials first, which takes minutes
#
# build/site/index.html can be opened as it is; its search needs a server, such as
# python -m http.server --directory build/site
set -euo pipefail
case "$*" in
  "" | --notebooks) ;;
  *) echo "usage: docs.sh [--notebooks]; got $*" >&2; exit 1 ;;
esac
cd "$(dirname "$0")/.."
KDCL_EXTRAS=docs
[ "${1:-}" != --notebooks ] || KDCL_EXTRAS=docs,export
. tools/environment.sh

if [ "${1:-}" = --notebooks ]; then
  python tools/run_notebooks.py
fi
python tools/flag_pages.py
# Material for MkDocs advertises its successor on every build.
NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict --quiet --config-file docs/mkdocs.yml
echo "build/site/index.html"
