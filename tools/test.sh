#!/usr/bin/env bash
# Runs all tests, in an environment that it makes if there is none.
#
#   bash tools/test.sh                    everything, in two processes
#   bash tools/test.sh -k linear          arguments go to pytest
#   KDCL_DATA_DIR=... bash tools/test.sh  also what needs the real data sets
#   KDCL_TEST_PROCESSES=0 bash tools/test.sh   in this process
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
# In the order of tests/conftest.py: the files that take longest first.
exec python -m pytest tests -n "${KDCL_TEST_PROCESSES:-2}" --dist loadfile \
  --no-loadscope-reorder "$@"
