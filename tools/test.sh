#!/usr/bin/env bash
# Runs all tests, in an environment that it makes if there is none.
#
#   bash tools/test.sh                    everything
#   bash tools/test.sh -k linear          arguments go to pytest
#   KDCL_DATA_DIR=... bash tools/test.sh  also what needs the real data sets
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
exec python -m pytest tests "$@"
