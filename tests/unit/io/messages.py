"""Messages with the attributes of `sensor_msgs`, built without ROS."""

from types import SimpleNamespace

import numpy as np

DATATYPES = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
STAMP_NS = 1_700_000_000_250_000_000
SWEEP_NS = 100_000_000


def header(stamp_ns: int = STAMP_NS, frame_id: str = "lidar") -> SimpleNamespace:
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return SimpleNamespace(stamp=stamp, frame_id=frame_id)


def cloud(columns: dict[str, np.ndarray], stamp_ns: int = STAMP_NS, **options) -> SimpleNamespace:
    """A PointCloud2 with one field per column. Options: packed, height, padding (bytes per row), bigendian, step."""
    order = ">" if options.get("bigendian") else "<"
    dtype = np.dtype(
        [(name, order + values.dtype.str[1:]) for name, values in columns.items()], align=not options.get("packed")
    )
    if "step" in options:
        dtype = np.dtype(
            {
                "names": dtype.names,
                "formats": [dtype[n] for n in dtype.names],
                "offsets": [dtype.fields[n][1] for n in dtype.names],
                "itemsize": options["step"],
            }
        )
    count, height = len(next(iter(columns.values()))), options.get("height", 1)
    records = np.zeros(count, dtype)
    for name, values in columns.items():
        records[name] = values
    rows = np.frombuffer(records.tobytes(), np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, options.get("padding", 0))))
    fields = [
        SimpleNamespace(name=name, offset=dtype.fields[name][1], datatype=DATATYPES[dtype[name].str[1:]], count=1)
        for name in dtype.names
    ]
    return SimpleNamespace(
        header=header(stamp_ns),
        height=height,
        width=count // height,
        fields=fields,
        is_bigendian=bool(options.get("bigendian")),
        point_step=dtype.itemsize,
        row_step=rows.shape[1],
        data=rows.tobytes(),
        is_dense=False,
    )


def sweep(count: int = 2000, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns x y z of `count` points, none zero."""
    points = np.random.default_rng(seed).uniform(1.0, 50.0, (count, 3)).astype(np.float32)
    return {"x": points[:, 0], "y": points[:, 1], "z": points[:, 2]}


def ramp(count: int = 2000) -> np.ndarray:
    """Times from 0 to just under one sweep, ns."""
    return np.arange(count) * (SWEEP_NS // count)


def imu(stamp_ns: int, accel=(0.0, 0.0, 9.81), gyro=(0.0, 0.0, 0.0), unknown: bool = False) -> SimpleNamespace:
    xyz = [SimpleNamespace(x=v[0], y=v[1], z=v[2]) for v in (accel, gyro)]
    covariance = np.zeros(9)
    covariance[0] = -1.0 if unknown else 0.0
    return SimpleNamespace(
        header=header(stamp_ns, "imu"),
        linear_acceleration=xyz[0],
        angular_velocity=xyz[1],
        linear_acceleration_covariance=covariance,
    )


def image(encoding: str, pixels: np.ndarray, **options) -> SimpleNamespace:
    """An Image of rows `pixels` (H, ...).

    Options: height (where there are more rows), padding (bytes per row), bigendian, frame_id, stamp_ns.
    """
    order = ">" if options.get("bigendian") else "<"
    values = pixels.astype(pixels.dtype.newbyteorder(order))
    rows = np.frombuffer(values.tobytes(), np.uint8).reshape(len(pixels), -1)
    rows = np.pad(rows, ((0, 0), (0, options.get("padding", 0))), constant_values=77)
    return SimpleNamespace(
        header=header(options.get("stamp_ns", STAMP_NS), options.get("frame_id", "camera")),
        height=options.get("height", len(pixels)),
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(bool(options.get("bigendian"))),
        step=rows.shape[1],
        data=rows.tobytes(),
    )


def compressed(form: str, data: bytes, stamp_ns: int = STAMP_NS, frame_id: str = "camera") -> SimpleNamespace:
    """A CompressedImage."""
    return SimpleNamespace(header=header(stamp_ns, frame_id), format=form, data=data)


def camera_info(width: int = 64, height: int = 48, **options) -> SimpleNamespace:
    """A CameraInfo. Options: K, model, D, binning, roi (left, top, width, height), frame_id."""
    left, top, roi_width, roi_height = options.get("roi", (0, 0, 0, 0))
    across, down = options.get("binning", (0, 0))
    return SimpleNamespace(
        header=header(frame_id=options.get("frame_id", "camera")),
        width=width,
        height=height,
        k=np.asarray(options.get("K", (50.0, 0.0, 31.5, 0.0, 52.0, 23.5, 0.0, 0.0, 1.0)), dtype=np.float64),
        d=np.asarray(options.get("D", ()), dtype=np.float64),
        distortion_model=options.get("model", "plumb_bob"),
        binning_x=across,
        binning_y=down,
        roi=SimpleNamespace(x_offset=left, y_offset=top, width=roi_width, height=roi_height, do_rectify=False),
    )
