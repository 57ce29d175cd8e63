"""Open3D's ray caster over triangles and rays in a file: `python -m benchmarks.raycast_peer IN.npz OUT.npz`."""

import sys
import time

import numpy as np

REPEATS = 5


def main(source: str, out: str) -> None:
    """Range, triangle and normal of each ray, and the seconds of a cast; one thread if the environment says so."""
    import ctypes

    import libusb_package

    ctypes.CDLL(str(libusb_package.get_library_path()), mode=ctypes.RTLD_GLOBAL)  # open3d is linked to it
    import open3d as o3d

    with np.load(source, allow_pickle=False) as arrays:
        triangles, rays = arrays["triangles"], arrays["rays"]
    start = time.perf_counter()
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    corners = np.ascontiguousarray(triangles.reshape(-1, 3))
    scene.add_triangles(corners, np.arange(len(corners), dtype=np.uint32).reshape(-1, 3))
    tensor = o3d.core.Tensor(rays)
    hits = scene.cast_rays(tensor, nthreads=1)
    built = time.perf_counter() - start
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        scene.cast_rays(tensor, nthreads=1)
        seconds.append(time.perf_counter() - start)
    np.savez(
        out,
        ranges=hits["t_hit"].numpy(),
        rows=hits["primitive_ids"].numpy().astype(np.int64),
        normals=hits["primitive_normals"].numpy(),
        seconds=np.median(seconds),
        built=built,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
