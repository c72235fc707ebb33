"""ResNet-18 that looks at a colour negative: is it readable, and where is which defect?

The trunk and ``fc`` carry the names of torchvision's ``resnet18`` state dict, so that weights for the one load into
the other. Beside ``fc`` stands a second head: the features of the last three stages, brought to the 16x16 places of
the middle one and added up as in a feature pyramid (Lin et al., 2017), and ``defects``, one linear map over what they
become in each place: a class activation map that is trained directly. A spot is smaller than a place of the last stage
and would be lost there. The verdict is tied to it: a negative is damaged where any defect shows (see ``any_of``), and
``fc`` only adds what the six do not say.
"""

import math
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from film.errors import SafelightError
from film.specs import DEFECTS, NEGATIVE_CONDITION
from training.replacing import replacing

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Mean and deviation of ImageNet's RGB in [0, 1], subtracted and divided out by the network itself: they are what
torchvision's weights expect."""
POOL_SHARPNESS = 4.0
"""r of log-mean-exp pooling (Pinheiro and Collobert, 2015): 0 would be the mean over the places, infinity their
largest. A spot fills one place of 256 and must count; one noisy place alone should not."""
STAGES = (64, 128, 256, 512)
PYRAMID = 128
"""Channels in which the features of the last three stages are added up."""
RARE = -2.0
"""Logit of a defect in a place before anything is learnt: most places have none."""
TOWARDS = tuple(-1.0 if label == NEGATIVE_CONDITION.positive else 1.0 for label in NEGATIVE_CONDITION.labels)
"""Which way a defect moves the logit of each label."""


class WeightsError(SafelightError):
    """A weights file is missing or does not fit the network."""


class Logits(NamedTuple):
    """What the network says before softmax and sigmoid."""

    condition: Tensor
    """[n, 2] in label order (damaged, readable)."""
    defects: Tensor
    """[n, 6], each defect anywhere in the picture."""
    places: Tensor
    """[n, 6, 16, 16], each defect in each place."""


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut that is a 1x1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[n, c_in, h, w] -> [n, c, h/stride, w/stride]."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + shortcut)  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """Features of the last three stages together, in the places of the middle one."""

    def __init__(self) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(channels, PYRAMID, 1) for channels in STAGES[1:])
        self.conv = nn.Conv2d(PYRAMID, PYRAMID, 3, 1, 1, bias=False)
        self.bn = nn.BatchNorm2d(PYRAMID)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> Tensor:
        """[n, 128, 2h, 2w], [n, 256, h, w], [n, 512, h/2, w/2] -> [n, 128, h, w]."""
        features = (
            nn.functional.max_pool2d(self.lateral[0](fine), 3, 2, 1)
            + self.lateral[1](middle)
            + nn.functional.interpolate(self.lateral[2](coarse), scale_factor=2.0)
        )
        return self.relu(self.bn(self.conv(features)))  # type: ignore[no-any-return]


class NegativeCondition(nn.Module):
    """ResNet-18 with two heads."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, STAGES[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGES[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(STAGES[0], STAGES[0], 1)
        self.layer2 = self._stage(STAGES[0], STAGES[1], 2)
        self.layer3 = self._stage(STAGES[1], STAGES[2], 2)
        self.layer4 = self._stage(STAGES[2], STAGES[3], 2)
        self.fc = nn.Linear(STAGES[3], len(NEGATIVE_CONDITION.labels))
        self.pyramid = Pyramid()
        self.defects = nn.Conv2d(PYRAMID, len(DEFECTS), 1)
        self.tie = nn.Parameter(torch.ones(1))
        """How much the verdict follows the defects."""

    @staticmethod
    def _stage(channels_in: int, channels: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(channels_in, channels, stride), BasicBlock(channels, channels, 1))

    def forward(self, pixels: Tensor) -> Logits:
        """Float RGB [n, 3, h, w] in [0, 1] -> logits; the places are h/16 x w/16, rounded up to an even number."""
        x = (pixels - self.mean) / self.std
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        fine = self.layer2(self.layer1(x))
        middle = self.layer3(fine)
        x = self.layer4(middle)
        places = self.defects(self.pyramid(fine, middle, x))
        defects = pool(places)
        damaged = self.tie * any_of(defects) / 2
        condition = self.fc(x.mean((2, 3))) + torch.cat([damaged * sign for sign in TOWARDS], 1)
        return Logits(condition, defects, places)


def pool(places: Tensor) -> Tensor:
    """Log-mean-exp over the places, [n, d, h, w] -> [n, d]: between the mean and the largest."""
    flat = places.flatten(2) * POOL_SHARPNESS
    return (flat.logsumexp(2) - math.log(flat.shape[2])) / POOL_SHARPNESS


def any_of(defects: Tensor) -> Tensor:
    """Logit [n, 1] that any of ``defects`` (logits [n, 6]) is there, were they independent: a noisy-or (Pearl, 1988).

    With q = prod(1 - p), log((1 - q) / q) is log(exp(s) - 1), where s is the sum of the softplus of the logits.
    """
    doubt = nn.functional.softplus(defects.float()).sum(1, keepdim=True).clamp_min(1e-4)
    return doubt + torch.log(-torch.expm1(-doubt))


def build(seed: int = 0) -> NegativeCondition:
    """A fresh network, the same for the same ``seed``: Xavier-uniform weights, as in d2l.ai's ResNet.

    Each block begins as its shortcut alone (Goyal et al., 2017) and the defects as rare, which gets a short training
    going sooner.
    """
    network = NegativeCondition()
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, BasicBlock):
            nn.init.zeros_(module.bn2.weight)
    with torch.no_grad():
        network.defects.bias.fill_(RARE)  # type: ignore[union-attr]
    return network


@torch.no_grad()
def blend(network: NegativeCondition, start: NegativeCondition, share: float) -> None:
    """Move every weight of ``network`` towards that of ``start``, which it was trained on from, by ``share`` (0 to 1).

    Both lie in one valley of the loss, and between them it is flatter: such a mean holds better on other pictures
    (Wortsman et al., "Robust fine-tuning of zero-shot models", 2022) and when its arithmetic is rounded.
    """
    begun = start.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(begun[name].to(value), share)


@torch.no_grad()
def round_to_bfloat16(network: NegativeCondition) -> None:
    """Move every weight to the nearest value that bfloat16 holds, once batch norm is folded in as exporters do.

    Where a processor computes in bfloat16 it then has the trained weights themselves and not their roundings.
    """
    folded: set[nn.Module] = set()
    for block in network.modules():
        for name, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv", "bn"), ("0", "1")):
            convolution, after = (getattr(block, part, None) for part in (name, norm))
            if isinstance(convolution, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
                assert after.running_var is not None
                scale = (after.weight / torch.sqrt(after.running_var + after.eps)).view(-1, 1, 1, 1)
                scale = torch.where(scale == 0, 1.0, scale)
                convolution.weight.copy_((convolution.weight * scale).bfloat16().float() / scale)
                folded.add(convolution)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer not in folded:
            layer.weight.copy_(layer.weight.bfloat16().float())


def save(network: NegativeCondition, path: Path) -> None:
    """Write the weights to ``path`` in one step, as safetensors in half precision.

    Raises WeightsError where one is too large for that.
    """
    state = network.state_dict()
    halves = {name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in state.items()}
    for name, tensor in halves.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"{name} has values that half precision cannot hold; {path} was not written.")
    with replacing(path) as part:
        save_file(halves, part)
        part.chmod(0o644)  # safetensors keeps its files to their owner


def load(path: Path) -> NegativeCondition:
    """The network with the weights in ``path``, in single precision, ready to judge (evaluation mode).

    Raises WeightsError where the file is missing, is no safetensors file, or holds other weights than these.
    """
    try:
        state = load_file(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{path} does not exist. Train the network first: make train.") from error
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors ({error}). Train the network again.") from error
    network = NegativeCondition()
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not hold the weights of {NEGATIVE_CONDITION.name}: {error}") from error
    return network.float().eval()
