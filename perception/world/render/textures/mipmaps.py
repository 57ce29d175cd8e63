"""Mip chains: each level is the box mean of the one before in linear light, so no distance changes the brightness."""

import numpy as np

_STEPS = 1 << 16  # of linear light, fine enough that every sRGB value survives there and back


def linear_of(srgb: np.ndarray) -> np.ndarray:
    """Linear light (0 to 1, float32) of sRGB values (uint8) (IEC 61966-2-1)."""
    return _TO_LINEAR[srgb]


def srgb_of(linear: np.ndarray) -> np.ndarray:
    """The nearest sRGB values (uint8) of linear light (0 to 1)."""
    return _TO_SRGB[(np.clip(linear, 0.0, 1.0) * (_STEPS - 1) + 0.5).astype(np.uint16)]


def mip_chain(image: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """All levels of an image (S, S, 4) uint8 down to one texel, and its mean colour (3,) float32 in linear light."""
    levels, light = [image], _decoded(image)
    while light.shape[0] > 1:
        light = 0.5 * (light[0::2] + light[1::2])
        light = 0.5 * (light[:, 0::2] + light[:, 1::2])
        levels.append(_encoded(light))
    return levels, light[0, 0, :3].copy()


def _decoded(image: np.ndarray) -> np.ndarray:
    """Linear light of the colours, and the gloss as it is."""
    from cv2 import LUT

    table = np.empty((1, 256, 4), dtype=np.float32)
    table[0, :, :3], table[0, :, 3] = _TO_LINEAR[:, None], np.arange(256)
    return LUT(image, table)


def _encoded(light: np.ndarray) -> np.ndarray:
    image = np.empty(light.shape, dtype=np.uint8)
    image[..., :3] = srgb_of(light[..., :3])
    image[..., 3] = light[..., 3] + 0.5
    return image


def _curve() -> np.ndarray:
    s = np.arange(256) / 255.0
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _inverse() -> np.ndarray:
    x = np.arange(_STEPS) / (_STEPS - 1)
    s = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1.0 / 2.4) - 0.055)
    return np.rint(255.0 * s).astype(np.uint8)


_TO_LINEAR, _TO_SRGB = _curve(), _inverse()
