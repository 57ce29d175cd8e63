"""What a process with one detector takes: `python -m benchmarks.detection_memory BACKEND` prints it as JSON.

`none` imports what all of them need and makes no detector.
"""

import json
import resource
import sys

CALLS = 20
HEIGHT, WIDTH = 480, 640


def main(backend: str) -> None:
    """Detect in a few images on one backend with its own choice of threads."""
    import numpy as np

    from perception.detection import detector
    from perception.detection.config import DetectionConfig

    detector.warm_up()
    if backend != "none":
        made = detector.open_detector(DetectionConfig(backend=backend), (HEIGHT, WIDTH))
        pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        for _ in range(CALLS):
            made.detect(pixels)
    print(json.dumps({"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
