#!/usr/bin/env bash
# Checks the code with ruff, its layout with ruff, and the types of the public rooms with mypy, in
# an environment that it makes if there is none, or adds to.  pyproject.toml says how.
#
#   bash tools/lint.sh           checks
#   bash tools/lint.sh --fix     mends first what ruff can mend
set -euo pipefail
case "$*" in
  "" | --fix) ;;
  *) echo "usage: lint.sh [--fix]; got $*" >&2; exit 1 ;;
esac
cd "$(dirname "$0")/.."
KDCL_EXTRAS=lint
. tools/environment.sh
if [ "${1:-}" = --fix ]; then
  ruff check --fix .
  ruff format .
fi
ruff check .
ruff format --check .
mypy
