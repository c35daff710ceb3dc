"""The same training step in PyTorch, which `tools/benchmark.py --what=torch` compares ours with.

It runs in an environment of its own, with PyTorch and without kdcl_tf, and communicates through
pipes. First it prints a line of JSON with the numbers of parameters. Then it reads numbers of
steps, one per line, runs so many steps, and prints the seconds that they took.

    python tools/benchmarking/torch_peer.py resnet32,wrn_16_2 --batch_size=128

The networks, the loss (KDCL-MinLogit, T = 2) and the optimizer are those of kdcl_tf. The layout is
channels_last. The mode is eager, as PyTorch is mostly used, or with --compiled that of
`torch.compile` with its default backend, for the students and the loss, forward and backward; the
optimizer stays eager. It runs on the GPU where PyTorch sees one, with TF32 in products as
TensorFlow has it.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional


def convolution(inputs: int, filters: int, size: int, stride: int) -> nn.Conv2d:
    """A convolution without bias, whose padding is centred."""
    return nn.Conv2d(inputs, filters, size, stride, padding=size // 2, bias=False)


class ResidualBlock(nn.Module):
    """The basic block of ResNet, with the last ReLU after the addition."""

    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.conv1, self.norm1 = convolution(inputs, filters, 3, stride), nn.BatchNorm2d(filters)
        self.conv2, self.norm2 = convolution(filters, filters, 3, 1), nn.BatchNorm2d(filters)
        self.shortcut = nn.Identity()
        if stride > 1 or inputs != filters:
            self.shortcut = nn.Sequential(
                convolution(inputs, filters, 1, stride), nn.BatchNorm2d(filters)
            )

    def forward(self, x):
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class WideBlock(nn.Module):
    """The block of Wide ResNet, with the ReLUs before its convolutions."""

    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(inputs), convolution(inputs, filters, 3, stride)
        self.norm2, self.conv2 = nn.BatchNorm2d(filters), convolution(filters, filters, 3, 1)
        self.projects = stride > 1 or inputs != filters
        if self.projects:
            self.shortcut = convolution(inputs, filters, 1, stride)

    def forward(self, x):
        y = functional.relu(self.norm1(x))
        x = self.shortcut(y) if self.projects else x
        return self.conv2(functional.relu(self.norm2(self.conv1(y)))) + x


class Network(nn.Module):
    """A network by its name, `resnet<6n+2>` or `wrn_<6n+4>_<width>`: stem, three stages, head."""

    def __init__(self, name, classes):
        super().__init__()
        wide = name.startswith("wrn_")
        depth, width = map(int, name.removeprefix("wrn_").split("_")) if wide else (
            int(name.removeprefix("resnet")), 1,
        )  # fmt: skip
        block, blocks = (WideBlock, (depth - 4) // 6) if wide else (ResidualBlock, (depth - 2) // 6)
        stem = [convolution(3, 16, 3, 1)]
        if not wide:
            stem += [nn.BatchNorm2d(16), nn.ReLU()]
        layers, inputs = stem, 16
        for number, filters in enumerate((16 * width, 32 * width, 64 * width)):
            for index in range(blocks):
                layers.append(block(inputs, filters, 2 if number and not index else 1))
                inputs = filters
        if wide:
            layers += [nn.BatchNorm2d(inputs), nn.ReLU()]
        self.features, self.logits = nn.Sequential(*layers), nn.Linear(inputs, classes)

    def forward(self, x):
        return self.logits(self.features(x).float().mean(dim=(2, 3)))


def min_logit_loss(
    logits: torch.Tensor, labels: torch.Tensor, temperature: float = 2.0
) -> torch.Tensor:
    """Cross-entropy + T^2 KL to the MinLogit target, summed over students, a scalar.

    Args:
      logits: `[M, B, C]`.
      labels: `[B]` classes.
      temperature: T.
    """
    true = logits.gather(2, labels.expand(len(logits), -1)[..., None])
    teacher = (logits - true).amin(dim=0).detach()
    soft = functional.softmax(teacher / temperature, dim=-1)
    loss = 0.0
    for each in logits:
        log_probabilities = functional.log_softmax(each / temperature, dim=-1)
        loss = loss + functional.cross_entropy(each, labels)
        loss = loss + temperature**2 * functional.kl_div(
            log_probabilities, soft, reduction="batchmean"
        )
    return loss


def step_of(
    networks: Sequence[Network],
    batch_size: int,
    classes: int,
    half: bool,
    device: str = "cpu",
    compiled: bool = False,
    side: int = 32,
) -> Callable[[int], float]:
    """A function that runs a number of training steps on random images.

    Args:
      networks: on the device.
      batch_size, classes: of the images and their labels.
      half: whether networks compute in bfloat16.
      device: "cpu" or "cuda".
      compiled: whether the students and the loss are compiled; the first step does it.
      side: height and width of the images, in pixels.
    """
    images = [
        torch.randn(batch_size, 3, side, side, device=device).to(memory_format=torch.channels_last)
        for _ in networks
    ]
    labels = torch.randint(classes, (batch_size,), device=device)
    parameters = [each for network in networks for each in network.parameters()]
    optimizer = torch.optim.SGD(parameters, 0.01, momentum=0.9, weight_decay=5e-4)

    def loss_of(images, labels):
        with torch.autocast(device, torch.bfloat16, enabled=half):
            logits = [network(x) for network, x in zip(networks, images)]
        return min_logit_loss(torch.stack([each.float() for each in logits]), labels)

    if compiled:
        loss_of = torch.compile(loss_of)

    def run(steps):
        for _ in range(steps):
            loss = loss_of(images, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    return run


def _device():
    """The GPU that PyTorch sees, or the CPU's cores that this process may use."""
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
        return "cuda"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return "cpu"


def main() -> None:
    """Builds the networks, then runs as many steps as each line of stdin says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("students")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--num_classes", type=int, default=100)
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compiled", action="store_true")
    options = parser.parse_args()
    device = _device()
    networks = [
        Network(name, options.num_classes).to(device, memory_format=torch.channels_last).train()
        for name in options.students.split(",")
    ]
    counts = [sum(each.numel() for each in network.parameters()) for network in networks]
    half = options.precision == "bfloat16"
    run = step_of(
        networks,
        options.batch_size,
        options.num_classes,
        half,
        device,
        options.compiled,
        options.image_size,
    )
    facts = {"torch": torch.__version__, "device": device, "parameters": counts}
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
