#!/usr/bin/env bash
# Runs the core of the tests with the lowest and with the highest versions that setup.py allows, on
# the Python at hand.  A version that fails leaves setup.py's range.
#
#   bash tools/versions.sh                            both
#   bash tools/versions.sh lowest                     one of the two
#   PYTHON=python3.10 bash tools/versions.sh          on another Python
#   KDCL_TEST_PROCESSES=0 bash tools/versions.sh      in one process
#
# The environments are made in build/versions/, or in the folder KDCL_VERSIONS.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${KDCL_VERSIONS:-build/versions}"
python="${PYTHON:-python3}"
[ "$#" -gt 0 ] || set -- lowest highest
for versions in "$@"; do
  case "$versions" in
    lowest | highest) ;;
    *) echo "expected lowest or highest; got $versions" >&2; exit 1 ;;
  esac
done
# What leans on the packages most: the equations, Keras's layers, saving, files that others read, and
# a run of each kind.
core="objectives methods cohort students/calls_test.py students/normalization_test.py
  students/normalization_saving_test.py students/precision_test.py students/weights
  serving/saved_model serving/keras_files_test.py serving/runtimes_test.py serving/formats/litert_test.py
  serving/formats/onnx_models_test.py training/checkpoint_test.py training/optimizers_test.py
  training/schedules_test.py data/sources/tfds_test.py data/sources/digits_test.py
  data/formats/pillow_test.py detection/coco/scorer_test.py detection/model/anchors_test.py
  detection/model/feature_pyramid_test.py comparison/findings_test.py keras_files_test.py
  train_test.py"

mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
if [ ! -x "$folder/uv/bin/uv" ]; then
  "$python" -m venv "$folder/uv"
  "$folder/uv/bin/python" -m pip install --quiet uv setuptools
fi
uv="$folder/uv/bin/uv"
"$folder/uv/bin/python" - > "$folder/requirements.txt" << 'END'
import setuptools  # Before distutils, which it carries.
from distutils.core import run_setup

project = run_setup("setup.py", stop_after="init")
extras = (project.extras_require[name] for name in ("test", "detection", "export"))
print("\n".join(sum(extras, list(project.install_requires))))
END

name="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
packages="$(sed -E 's/[^a-zA-Z0-9_-].*//; s/[-_]/[-_]/g' "$folder/requirements.txt" | paste -sd'|')"
status=0
for versions in "$@"; do
  case "$versions" in
    lowest) resolution=lowest-direct ;;
    highest) resolution=highest ;;
  esac
  venv="$folder/${name}_$versions"
  "$uv" venv --quiet --clear --python "$python" "$venv"
  # Only what is built already, but for a package that never is.
  "$uv" pip install --quiet --python "$venv/bin/python" --resolution "$resolution" \
    --only-binary :all: --no-binary promise --requirement "$folder/requirements.txt"
  echo "The $versions versions on Python $name:"
  "$uv" pip freeze --quiet --python "$venv/bin/python" | grep -iE "^($packages)=="
  # shellcheck disable=SC2086
  (cd tests && PYTHONPATH=.. "$venv/bin/python" -m pytest $core \
    -n "${KDCL_TEST_PROCESSES:-2}" --dist loadfile) || status=1
done
exit "$status"
