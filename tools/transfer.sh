#!/usr/bin/env bash
# Is a student of a cohort a better backbone for detection?  At small scale, a ResNet-18 learns
# CIFAR-100 at 32 pixels, once alone and once in a cohort, in the same number of steps.  Each is
# then the backbone of a Faster R-CNN that is trained on a few images of COCO.  Three seeds.
# Run again, it continues: complete runs stay.
#
#   bash tools/transfer.sh DATA_DIR COCO_DIR [FOLDER]
#   SEEDS="2" ORIGINS="cohort" bash tools/transfer.sh ...   runs only these seeds and origins, so
#                                                           that other shells can run the others
set -euo pipefail
usage="usage: transfer.sh DATA_DIR COCO_DIR [FOLDER]; DATA_DIR is where TFDS keeps its prepared cifar100/, \
COCO_DIR has train2017/, val2017/ and annotations/"
: "${1:?$usage}" "${2:?$usage}"
cd "$(dirname "$0")/.."
KDCL_EXTRAS=detection
. tools/environment.sh
data_dir="$(of_caller "$1")"
coco="$(of_caller "$2")"
out="$(of_caller "${3:-$PWD/runs/transfer}")"

classify() {
  name="$1"; shift
  echo "$name"
  kdcl-train --flagfile=flags/cifar100/recipe.flags --data_dir="$data_dir" --train_per_class=200 \
    --holdout_per_class=0 --epochs=12 --milestones=6,9 --precision=bfloat16 \
    --evaluate_every=6 --workdir="$out/$name" "$@" > /dev/null
}

detect() {
  name="$1"; shift
  echo "$name"
  kdcl-detect --detector=faster --dataset="coco:$coco" --short_side=256 --long_side=416 \
    --regions_per_image=128 --epochs=16 --milestones=11,14 --batch_size=4 --learning_rate=0.005 \
    --warmup_steps=40 --precision=bfloat16 --evaluate_every=16 --workdir="$out/$name" "$@" \
    > /dev/null
}

declare -A how=(
  [alone]="--method=independent --students=resnet18 --noinvariant"
  [cohort]="--method=kdcl --ensemble=min_logit --students=resnet18,wrn_16_2 --temperature=2 --invariant"
)
for seed in ${SEEDS:-0 1 2}; do
  for origin in ${ORIGINS:-alone cohort}; do
    # shellcheck disable=SC2086
    classify "${origin}_$seed" ${how[$origin]} --seed="$seed"
    detect "${origin}_${seed}_faster" --backbone="$out/${origin}_$seed/students/resnet18" \
      --seed="$seed"
  done
done
python tools/transfer_table.py "$out"
