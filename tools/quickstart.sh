#!/usr/bin/env bash
# Trains two small students alone and as a cohort, side by side, on the handwritten digits that come
# with scikit-learn, and prints what the cohort gains.  Needs only Python and pip.
#
#   bash tools/quickstart.sh              writes to runs/quickstart
#   bash tools/quickstart.sh FOLDER       writes to FOLDER
set -euo pipefail
case "$#${1:-}" in
  0 | 1[!-]*) ;;
  *) echo "usage: quickstart.sh [FOLDER], the folder that the runs are written to; got $*" >&2; exit 1 ;;
esac
cd "$(dirname "$0")/.."
. tools/environment.sh
out="$(of_caller "${1:-$PWD/runs/quickstart}")"

kdcl-train --compare --evaluate_every=5 --runs_at_once=2 --workdir="$out"
[ "$PWD" = "$OLDPWD" ] || KDCL_VENV="$kdcl_place"
echo "the programs of kdcl_tf: . $KDCL_VENV/bin/activate"
