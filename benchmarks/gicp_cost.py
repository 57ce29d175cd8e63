"""Mean Mahalanobis cost of GICP between two clouds: `python -m benchmarks.gicp_cost TARGET.npy SOURCE.npy`."""

import sys

LEAF = 0.2  # m, the one of the data set's own check


def main(target: str, source: str) -> None:
    """Print the cost per inlier after registration."""
    import numpy as np
    import small_gicp

    cloud, tree = small_gicp.preprocess_points(np.load(target).astype(np.float64), downsampling_resolution=LEAF)
    other, _ = small_gicp.preprocess_points(np.load(source).astype(np.float64), downsampling_resolution=LEAF)
    found = small_gicp.align(cloud, other, tree)
    sys.stdout.write(f"{found.error / found.num_inliers}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
