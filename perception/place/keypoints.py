"""Corners of bird's-eye images (FAST 9-16), and pairs of them whose local descriptors are alike.

Section 11 of bev_lio_lc.md. E. Rosten, T. Drummond, "Machine learning for high-speed corner detection", ECCV 2006.
"""

import numpy as np

from perception.core.types import check
from perception.place.config import KeypointConfig, MatchingConfig


def find_keypoints(image: np.ndarray, config: KeypointConfig) -> np.ndarray:
    """Corners (K, 2) int64, column and row, of an image (n, n) uint8, the strongest first, then row by row.

    The order does not depend on the library's, so that nothing after it does.
    """
    import cv2

    check("image", image, (None, None), np.uint8)
    detector = cv2.FastFeatureDetector_create(config.threshold, True)  # type: ignore[attr-defined]
    found = detector.detect(image)
    corners = np.array([(corner.pt[0], corner.pt[1], corner.response) for corner in found]).reshape(-1, 3)
    order = np.lexsort((corners[:, 0], corners[:, 1], -corners[:, 2]))[: config.max_keypoints]
    return corners[order, :2].astype(np.int64)


def match_descriptors(query: np.ndarray, reference: np.ndarray, config: MatchingConfig) -> np.ndarray:
    """Pairs (P, 2) int64 of rows of unit vectors (N, C) and (M, C), in the order of the query.

    Each row of the query is paired with the nearest of the reference, if that passes the tests of the configuration.
    """
    if len(query) == 0 or len(reference) == 0:
        return np.zeros((0, 2), dtype=np.int64)
    similarity = query @ reference.T
    nearest = similarity.argmax(axis=1)
    rows = np.arange(len(query))
    is_good = similarity.argmax(axis=0)[nearest] == rows if config.is_mutual else np.ones(len(query), dtype=bool)
    if config.max_ratio < 1.0 and len(reference) > 1:
        two = np.partition(similarity, len(reference) - 2, axis=1)[:, -2:]
        squared = np.maximum(2.0 - 2.0 * two, 0.0)  # of the distances of unit vectors
        is_good &= squared[:, 1] < config.max_ratio**2 * squared[:, 0]
    return np.stack([rows[is_good], nearest[is_good]], axis=1).astype(np.int64)
