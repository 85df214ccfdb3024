"""Two detectors to compare the two stages with: a one-stage one in the style of YOLO, and torchvision's Faster R-CNN.

Both stand on the MobileNetV2 encoder of the package, so that they begin with the same start weights as DeepLabv3+. Boxes are
(y0, x0, y1, x1), half open, float32, px of the network's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign, batched_nms, generalized_box_iou_loss

from napari_wbc.nets.deeplab import conv_bn, separable
from napari_wbc.nets.encoders import MobileNetV2

STRIDE = 16
ANCHOR_PX = 64.0
"""Boxes of the one-stage detector are sized relative to this."""
CHANNELS = 256
MIN_SCORE = 0.01
MAX_OVERLAP = 0.5
"""IoU of two boxes above which the one of lower score is left out."""


class Detections(NamedTuple):
    """Boxes (n, 4), scores (n,) 0..1, types (n,) int64."""

    boxes: Tensor
    scores: Tensor
    types: Tensor


def encode(boxes: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The grid cells, of a grid of `shape`, that answer for each box: the one with its centre, and that one's neighbours.

    Returns
    -------
    (m, 2) int64, row and column; (m,) int64, the index of the box.
    """
    centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 / STRIDE).floor().long()
    around = torch.cartesian_prod(torch.arange(-1, 2), torch.arange(-1, 2))  # (9, 2)
    places = (centres[:, None] + around).flatten(0, 1)
    which = torch.arange(len(boxes)).repeat_interleave(len(around))
    inside = ((places >= 0) & (places < torch.tensor(shape))).all(dim=1)
    return places[inside], which[inside]


def decode(places: Tensor, values: Tensor) -> Tensor:
    """The boxes (m, 4) that grid cells (m, 2) mean by their values (m, 4).

    The values are the place of the centre, 0..1 over the three cells round the grid cell, and the log of size ÷ `ANCHOR_PX`.
    """
    centres, sizes = (places + 3 * values[:, :2] - 1) * STRIDE, values[:, 2:].exp() * ANCHOR_PX
    return torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1)


class Yolo(nn.Module):
    """Every cell of a grid of 16 px says whether a box has its centre there or next to it, where, how large, and of which type.

    After Redmon and Farhadi (CVPR 2017), with one anchor, and with neighbouring cells that answer for a box too, as later
    versions have it; the boxes learn by their generalised IoU and the distance of their sides. Where two boxes claim a cell it
    learns both.

    Parameters
    ----------
    n_types
        Number of types, at least 1.
    """

    def __init__(self, n_types: int) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        self.neck = nn.Sequential(conv_bn(self.encoder.deep_channels, CHANNELS), separable(CHANNELS, CHANNELS))
        self.head = nn.Conv2d(CHANNELS, 5 + n_types, 1)
        nn.init.constant_(self.head.bias[:1], -4.0)  # type: ignore[index]  # nearly every cell of the grid is empty

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images → (N, 5 + n_types, H/16, W/16): objectness, offset, log size, types."""
        height, width = x.shape[2:]
        x = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        out: Tensor = self.head(self.neck(self.encoder(x)[1]))
        return out.float()

    @staticmethod
    def _values(raw: Tensor) -> Tensor:
        """(n, 5 + n_types) outputs → (n, 4) as `decode` takes them."""
        return torch.cat([torch.sigmoid(raw[:, 1:3]), raw[:, 3:5].clamp(-4, 4)], dim=1)

    def loss(self, images: Tensor, boxes: Sequence[Tensor], types: Sequence[Tensor]) -> Tensor:
        """Scalar: objectness, boxes and types, each per true box."""
        raw = self(images)
        objectness, total = torch.zeros_like(raw[:, 0]), raw.new_zeros(())
        count = max(1, sum(map(len, boxes)))
        for i, (wanted, kinds) in enumerate(zip(boxes, types, strict=True)):
            places, which = encode(wanted, (raw.shape[2], raw.shape[3]))
            rows, columns = places.T
            there = raw[i, :, rows, columns].T
            found = decode(places, self._values(there))
            objectness[i, rows, columns] = 1
            total = total + 2 * generalized_box_iou_loss(found, wanted[which], reduction="sum")
            total = total + F.smooth_l1_loss(found, wanted[which], reduction="sum") / STRIDE
            total = total + F.cross_entropy(there[:, 5:], kinds[which], reduction="sum")
        total = total + F.binary_cross_entropy_with_logits(raw[:, 0], objectness, reduction="sum")
        mean: Tensor = total / count
        return mean

    def detect(self, image: Tensor) -> Detections:
        """The cells of one normalised image (1, 3, H, W)."""
        raw = self(image)[0]
        score = torch.sigmoid(raw[0])
        places = (score >= MIN_SCORE).nonzero()
        rows, columns = places.T
        there = raw[:, rows, columns].T
        probability, kinds = torch.softmax(there[:, 5:], dim=1).max(dim=1)
        boxes, scores = decode(places, self._values(there)), score[rows, columns] * probability
        kept = batched_nms(boxes, scores, torch.zeros_like(kinds), MAX_OVERLAP)
        return Detections(boxes[kept], scores[kept], kinds[kept])


class _Backbone(nn.Module):
    """The encoder's deep map in 256 channels, in float32, which the region operators need."""

    out_channels = CHANNELS

    def __init__(self, encoder: MobileNetV2) -> None:
        super().__init__()
        self.encoder = encoder
        self.reduce = conv_bn(encoder.deep_channels, CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 256, H/16, W/16)."""
        out: Tensor = self.reduce(self.encoder(x)[1])
        return out.float()


class FasterRcnn(nn.Module):
    """Faster R-CNN (Ren et al., NeurIPS 2015) of torchvision on one map of stride 16; heads of 256 instead of 1024 channels.

    Parameters
    ----------
    n_types
        Number of types, at least 1.
    size_px
        Side of the square images.
    """

    def __init__(self, n_types: int, size_px: int) -> None:
        super().__init__()
        self.encoder = MobileNetV2()
        self.network = FasterRCNN(
            _Backbone(self.encoder),
            min_size=size_px, max_size=size_px, image_mean=(0.0, 0.0, 0.0), image_std=(1.0, 1.0, 1.0),
            rpn_anchor_generator=AnchorGenerator(((32, 64, 96, 128),), ((0.75, 1.0, 1.33),)),
            rpn_pre_nms_top_n_train=300, rpn_pre_nms_top_n_test=300, rpn_post_nms_top_n_train=100, rpn_post_nms_top_n_test=50,
            rpn_batch_size_per_image=64, box_batch_size_per_image=32,
            box_roi_pool=MultiScaleRoIAlign(["0"], 7, 2),
            box_head=TwoMLPHead(CHANNELS * 7 * 7, CHANNELS),
            box_predictor=FastRCNNPredictor(CHANNELS, n_types + 1),
            box_score_thresh=MIN_SCORE, box_nms_thresh=MAX_OVERLAP, box_detections_per_img=20,
        )  # fmt: skip

    def loss(self, images: Tensor, boxes: Sequence[Tensor], types: Sequence[Tensor]) -> Tensor:
        """Scalar: the sum of torchvision's four losses."""
        targets = [{"boxes": b[:, [1, 0, 3, 2]], "labels": t + 1} for b, t in zip(boxes, types, strict=True)]
        losses: list[Tensor] = list(self.network(list(images), targets).values())
        return torch.stack([loss.float() for loss in losses]).sum()

    def detect(self, image: Tensor) -> Detections:
        """The cells of one normalised image (1, 3, H, W)."""
        found = self.network([image[0]])[0]
        return Detections(found["boxes"].float()[:, [1, 0, 3, 2]], found["scores"].float(), found["labels"] - 1)
