#!/usr/bin/env bash
# Runs the tests, in an environment that it makes if there is none, or adds to.
#
#   bash tools/test.sh                         runs all tests but the slow ones, in two processes
#   bash tools/test.sh -m slow                 runs the slow ones
#   bash tools/test.sh -k linear               passes arguments to pytest
#   bash tools/test.sh tests/cohort            runs the tests of a folder or a file
#   KDCL_DATA_DIR=DIR bash tools/test.sh       also runs the tests that read real data sets
#   KDCL_TEST_PROCESSES=0 bash tools/test.sh   runs them in this process
#   KDCL_TEST_SECONDS=60 bash tools/test.sh    begins no test after a minute, and skips the others
set -euo pipefail
cd "$(dirname "$0")/.."
KDCL_EXTRAS=test,detection,export
. tools/environment.sh
# How closely numbers agree depends on the kernels: the same on processors where TensorFlow would choose others.
export TF_ENABLE_ONEDNN_OPTS="${TF_ENABLE_ONEDNN_OPTS:-1}"
tests=tests
for argument in "$@"; do
  case "$argument" in
    tests | tests/* | ./tests | ./tests/*) tests= ;;
  esac
done
# In the order of tests/conftest.py: the files that take longest first.
exec python -m pytest $tests -n "${KDCL_TEST_PROCESSES:-2}" --dist loadfile \
  --no-loadscope-reorder "$@"
