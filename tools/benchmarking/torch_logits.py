"""Computes the logits of a network of `torch_peer.py` with given weights, to compare ours with.

    python tools/benchmarking/torch_logits.py resnet32 weights.npz logits.npy

It needs PyTorch, but not kdcl_tf. `weights.npz` has an array for each name in the network's
`state_dict()`, in PyTorch's shapes, and the normalised `images`, `[B, H, W, 3]` float32.
`logits.npy` gets the logits at inference, `[B, classes]` float32.
"""

import sys

import numpy as np
import torch
from torch_peer import Network


def main() -> None:
    """Reads the weights and the images, and writes the logits."""
    name, source, target = sys.argv[1:]
    weights = {key: torch.from_numpy(value) for key, value in np.load(source).items()}
    images = weights.pop("images").permute(0, 3, 1, 2)
    network = Network(name, len(weights["logits.bias"]))
    missing, unexpected = network.load_state_dict(weights, strict=False)
    # The number of batches has no effect, since the momentum is given.
    missing = [key for key in missing if not key.endswith("num_batches_tracked")]
    if missing or unexpected:
        sys.exit(
            f"{source}: expected the weights of {name}; got none for {missing}, and unknown ones "
            f"{unexpected}"
        )
    with torch.no_grad():
        np.save(target, network.eval()(images).numpy())


if __name__ == "__main__":
    main()
