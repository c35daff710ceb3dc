#!/usr/bin/env bash
# Checks on a machine with GPUs or a TPU what machines with CPUs alone cannot tell, and prints a
# speed table.  Without an accelerator it runs the same code on the CPU.
#
#   bash tools/verify_accelerator.sh                                 all checks, of GPUs or the CPU
#   bash tools/verify_accelerator.sh --tpu=local                     all checks, of the TPU of this machine
#   bash tools/verify_accelerator.sh --check=xla --check=resume      some of them
#   KDCL_TORCH_VENV=DIR bash tools/verify_accelerator.sh             also PyTorch, from DIR
set -euo pipefail
cd "$(dirname "$0")/.."
KDCL_EXTRAS=detection
. tools/environment.sh
exec python tools/verify_accelerator.py "$@"
