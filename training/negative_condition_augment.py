"""Changes to simulated squares that make many of one, none of which changes what is wrong with it."""

import cv2
import numpy as np
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.negative_condition_data import PLACES, SIZE


def quarter(pixels: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A random quarter of each square, cut where places meet: 244 -> 122 pixels, 16 -> 8 places each way.

    A quarter of the work a step, at the scale that the network will see: training begins with these.
    """
    half, span = PLACES // 2, SIZE // 2
    corners = torch.randint(0, half // 2 + 1, (len(pixels), 2), generator=generator) * 2
    cut_pixels, cut_places = [], []
    for picture, where, (row, column) in zip(pixels, places, corners.tolist(), strict=True):
        top, left = row * SIZE // PLACES, column * SIZE // PLACES
        cut_pixels.append(picture[top : top + span, left : left + span])
        cut_places.append(where[:, row : row + half, column : column + half])
    return torch.stack(cut_pixels), torch.stack(cut_places)


def rephotograph(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """uint8 [n, s, s, 3], each perhaps a little smaller or larger, blurred, noisy, compressed again; a changed copy."""
    rng = np.random.default_rng(int(torch.randint(0, 2**62, (), generator=generator)))
    return torch.from_numpy(np.stack([_spoil(picture, rng) for picture in pixels.numpy()]))


def _spoil(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    side = len(picture)
    if rng.random() < 0.5:  # up to a sixth of a place is moved over its border: too little to matter
        matrix = cv2.getRotationMatrix2D(
            (side / 2, side / 2), float(rng.normal(0, 1.0)), float(rng.uniform(0.97, 1.05))
        )
        picture = np.asarray(cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101), np.uint8)
    if rng.random() < 0.2:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 0.9))), np.uint8)
    if rng.random() < 0.25:
        noise = rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(rng.uniform(0.5, 4.0))
        picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=int(rng.integers(55, 95)))
        picture = np.asarray(simplejpeg.decode_jpeg(jpeg), np.uint8)
    return picture


def augment(pixels: Tensor, places: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Float [n, 3, s, s] in [0, 1] and its places [n, 6, p, p], turned and mirrored alike; in another light.

    Colour cast, brightness, contrast (a power) and saturation change for each picture on its own.
    """
    turns, mirror = (int(torch.randint(0, high, (), generator=generator)) for high in (4, 2))
    pixels, places = (torch.rot90(tensor, turns, (2, 3)) for tensor in (pixels, places))
    if mirror:
        pixels, places = pixels.flip(3), places.flip(3)

    def drawn(spread: float, channels: int = 1) -> Tensor:
        return (spread * torch.randn(len(pixels), channels, 1, 1, generator=generator).clamp(-2, 2)).to(pixels.device)

    curved = pixels.clamp_min(1e-3).pow(drawn(0.12).exp())
    grey = curved.mean(1, keepdim=True)
    coloured = grey + drawn(0.12).exp() * (curved - grey)
    return (coloured * (drawn(0.08, 3) + drawn(0.1)).exp()).clamp(0, 1), places
