"""Logits of a network of `torch_peer.py` with given weights, which ours are compared with.

    python tools/benchmarking/torch_logits.py resnet32 weights.npz logits.npy

It needs PyTorch and nothing of ours. `weights.npz` has an array for each name of the network's
`state_dict()`, in PyTorch's shapes, and the normalised `images`, `[B, H, W, 3]` float32;
`logits.npy` gets `[B, classes]` float32, at inference.
"""

import sys

import numpy as np
import torch
from torch_peer import Network


def main():
    name, source, target = sys.argv[1:]
    weights = {key: torch.from_numpy(value) for key, value in np.load(source).items()}
    images = weights.pop("images").permute(0, 3, 1, 2)
    network = Network(name, len(weights["logits.bias"]))
    missing, unexpected = network.load_state_dict(weights, strict=False)
    # The number of batches decides nothing where the momentum is given.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        sys.exit(f"{source}: {name} lacks {missing}, and does not know {unexpected}")
    with torch.no_grad():
        np.save(target, network.eval()(images).numpy())


if __name__ == "__main__":
    main()
