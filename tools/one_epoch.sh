#!/usr/bin/env bash
# Trains every method for one epoch of CIFAR-100, all with the same students, images and seed.
# Shows that everything works together on real data, not which method is best.
#
#   bash tools/one_epoch.sh DATA_DIR [FOLDER]
set -euo pipefail
: "${1:?usage: one_epoch.sh DATA_DIR [FOLDER]; DATA_DIR is where TFDS keeps its prepared cifar100/}"
cd "$(dirname "$0")/.."
. tools/environment.sh
data_dir="$(of_caller "$1")"
out="$(of_caller "${2:-$PWD/runs/one_epoch}")"

run() {
  name="$1"; shift
  echo "$name"
  kdcl-train --flagfile=flags/cifar100/recipe.flags --students=resnet20,wrn_16_2 --epochs=1 \
    --holdout_per_class=50 --data_dir="$data_dir" --workdir="$out/$name" "$@" > /dev/null
}

run independent --method=independent
run mutual_learning --method=mutual_learning
for ensemble in naive linear min_logit general; do
  run "kdcl_$ensemble" --method=kdcl --ensemble="$ensemble" --temperature=2 --invariant
done
python tools/tabulate.py "$out"/{independent,mutual_learning,kdcl_naive,kdcl_linear,kdcl_min_logit,kdcl_general}
