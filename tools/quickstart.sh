#!/usr/bin/env bash
# Trains two small students alone and then as a cohort, on the handwritten digits that come
# with scikit-learn, and prints what the cohort gains.  Needs only Python and pip.
#
#   bash tools/quickstart.sh              writes to runs/quickstart
#   bash tools/quickstart.sh FOLDER       writes to FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
out="${1:-runs/quickstart}"

echo "1/2 each student alone"
kdcl-train --method=independent --evaluate_every=5 --workdir="$out/alone" > /dev/null
echo "2/2 the same students as a cohort"
kdcl-train --evaluate_every=5 --workdir="$out/cohort" > /dev/null
python tools/compare.py "$out/alone" "$out/cohort"
