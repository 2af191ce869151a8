"""The networks of bench/peer/nets.cpp in PyTorch, and the batches they see."""

import torch
from torch import nn


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut, which is a projection where the
    shape changes (type B of He et al. 2016)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                nn.BatchNorm2d(outputs),
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(y + shortcut)


def resnet(width, stages, blocks):
    """For 32x32 images: `stages` of `blocks` blocks, each after the first of
    half the size and twice the channels."""
    layers = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width),
              nn.ReLU()]
    inputs = width
    for stage in range(stages):
        outputs = width << stage
        for i in range(blocks):
            layers.append(Block(inputs, outputs, 2 if stage and i == 0 else 1))
            inputs = outputs
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10)]
    return nn.Sequential(*layers)


def resnet20(width):
    """He et al. 2016, section 4.2, as in models/resnet.h."""
    return resnet(width, 3, 3)


def resnet18(width):
    """He et al. 2016, table 1, with a 3x3 stem, as in models/resnet.h."""
    return resnet(width, 4, 2)


def lenet5(width):
    """As in models/lenet5.h."""
    second, hidden, last = (size * width // 6 for size in (16, 120, 84))
    return nn.Sequential(
        nn.Conv2d(1, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, second, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(second * 25, hidden), nn.ReLU(), nn.Linear(hidden, last),
        nn.ReLU(), nn.Linear(last, 10))


def autoencoder(width):
    """784-1000-500-250-30 and back with tanh, as in models/autoencoder.h."""
    sizes = [784, width, width // 2, width // 4, 30]
    layers = [nn.Flatten()]
    for half in (sizes, sizes[::-1]):
        for inputs, outputs in zip(half, half[1:]):
            layers += [nn.Linear(inputs, outputs), nn.Tanh()]
        layers.pop()
    return nn.Sequential(*layers)


def mlp(width):
    """784-width-10 with relu, as in models/mlp.h with one hidden layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(),
                         nn.Linear(width, 10))


NETS = {"resnet20": resnet20, "resnet18": resnet18, "lenet5": lenet5,
        "autoencoder": autoencoder, "mlp": mlp}


def batch_for(name, batch):
    """Random images in [-1,1] (the autoencoder's: in [0,1]) and labels."""
    shape = (3, 32, 32) if name.startswith("resnet") else (1, 28, 28)
    images = torch.rand(batch, *shape)
    if name != "autoencoder":
        images = images * 2 - 1
    return images, torch.arange(batch) % 10


def loss_for(name):
    """Of the net's output, the images and the labels."""
    if name == "autoencoder":
        return lambda output, images, _: (
            nn.functional.binary_cross_entropy_with_logits(
                output, images.flatten(1)))
    return lambda output, _, labels: nn.functional.cross_entropy(output, labels)
