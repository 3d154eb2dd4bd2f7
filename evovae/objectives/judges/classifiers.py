"""The two architectures of the judges.

Networks of one kind share their blind spots, so these differ in kind:

- `lenet` (LeCun et al. 1998, "Gradient-based learning applied to document recognition", sec. II-B) pools what two
  layers of dense filters find, and reads where they found it with fully connected layers. Here with ReLU, maximum
  pooling and more filters.
- `convnext` (Liu et al. 2022, "A ConvNet for the 2020s", the isotropic kind of sec. 3.3) takes the image as 7x7 patches
  (for 28x28), mixes them by depthwise filters in residual blocks, and averages over all places. Here small: patches
  that overlap, 5x5 filters, expansion by 2, ReLU.
"""

import torch
from torch import Tensor, nn


def build_lenet(data_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Layers from images (B, C, H, W) of 8 pixels a side or more to logits (B, K)."""
    channels, height, width = data_shape
    border = max(0, (17 - min(height, width)) // 2)  # smaller than 16x16, nothing would reach the second pooling
    left = [((side + 2 * border - 4) // 2 - 4) // 2 for side in (height, width)]
    return nn.Sequential(
        nn.Conv2d(channels, 16, 5, padding=border),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Identity() if left == [4, 4] else nn.AdaptiveAvgPool2d(4),  # at 28x28 it would change nothing
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 100),
        nn.ReLU(),
        nn.Linear(100, classes),
    )


def build_convnext(data_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Layers from images (B, C, H, W) of 8 pixels a side or more to logits (B, K)."""
    width = 48  # channels of every block
    return nn.Sequential(
        nn.Conv2d(data_shape[0], width, 8, stride=4, padding=2),
        *(_ConvNeXtBlock(width) for _ in range(3)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


class _ConvNeXtBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _Depthwise(width, width, 5, padding=2, groups=width),
            nn.GroupNorm(1, width, affine=False),  # layer norm over the image; unlike batch norm, images do not mix
            nn.Conv2d(width, 2 * width, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _Depthwise(nn.Conv2d):
    """A depthwise convolution whose gradients take half as long: of float32, and without the bias."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.bias is None:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            return self._conv_forward(x.float(), self.weight, None) + self.bias.view(-1, 1, 1)
