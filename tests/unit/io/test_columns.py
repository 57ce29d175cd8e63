import struct
import zipfile

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.io.columns import read_columns
from perception.io.ply import write_ply
from tests.unit.io.messages import sweep

POINTS = np.stack(list(sweep(50).values()), axis=1)
TIMES = np.arange(50, dtype=np.uint32) * 2_000_000


def coordinates(columns) -> np.ndarray:
    return np.stack([columns[name] for name in "xyz"], axis=1)


def pcd(data: bytes, kind: str, **changes: str) -> bytes:
    header = {
        "VERSION": "0.7",
        "FIELDS": "x y z t",
        "SIZE": "4 4 4 4",
        "TYPE": "F F F U",
        "COUNT": "1 1 1 1",
        "WIDTH": "50",
        "HEIGHT": "1",
        "VIEWPOINT": "0 0 0 1 0 0 0",
        "POINTS": "50",
        "DATA": kind,
        **changes,
    }
    return ("# .PCD v0.7\n" + "".join(f"{key} {value}\n" for key, value in header.items())).encode() + data


def table() -> np.ndarray:
    records = np.zeros(50, np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("t", "<u4")]))
    for index, name in enumerate("xyz"):
        records[name] = POINTS[:, index]
    records["t"] = TIMES
    return records


def text() -> bytes:
    return "".join(f"{x:.9g} {y:.9g} {z:.9g} {t}\n" for (x, y, z), t in zip(POINTS, TIMES)).encode()


def stored_lzf() -> bytes:
    """The table, one field after the other, as LZF literals."""
    raw = b"".join(table()[name].tobytes() for name in ("x", "y", "z", "t"))
    packed = b"".join(bytes([len(raw[i : i + 32]) - 1]) + raw[i : i + 32] for i in range(0, len(raw), 32))
    return struct.pack("<II", len(packed), len(raw)) + packed


FILES = {
    "binary.pcd": pcd(table().tobytes(), "binary"),
    "ascii.pcd": pcd(text(), "ascii"),
    "compressed.pcd": pcd(stored_lzf(), "binary_compressed"),
    "ascii.ply": b"ply\nformat ascii 1.0\ncomment made by hand\nelement vertex 50\nproperty float x\nproperty float y\n"
    b"property float z\nproperty uint t\nelement face 1\nproperty list uchar int i\nend_header\n"
    + text()
    + b"3 0 1 2\n",
    "little.ply": b"ply\nformat binary_little_endian 1.0\nelement vertex 50\nproperty float x\nproperty float y\n"
    b"property float z\nproperty uint t\nend_header\n" + table().tobytes(),
    "big.ply": b"ply\nformat binary_big_endian 1.0\nelement vertex 50\nproperty float32 x\nproperty float32 y\n"
    b"property float32 z\nproperty uint32 t\nend_header\n" + table().byteswap().tobytes(),
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_gives_the_same_columns(tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    columns = read_columns(tmp_path / name)
    assert np.array_equal(coordinates(columns).astype(np.float32), POINTS)
    assert np.array_equal(columns["t"], TIMES)


def test_kitti_bin_is_four_floats_a_point(tmp_path):
    (tmp_path / "a.bin").write_bytes(np.column_stack([POINTS, TIMES]).astype("<f4").tobytes())
    assert np.array_equal(coordinates(read_columns(tmp_path / "a.bin")), POINTS)


@pytest.mark.parametrize("key", ["points", "xyz"])
def test_npz_gives_points_and_the_arrays_beside_them(tmp_path, key):
    np.savez(tmp_path / "a.npz", **{key: POINTS, "t": TIMES, "other": np.zeros(3), "name": np.array(["a"] * 50)})
    columns = read_columns(tmp_path / "a.npz")
    assert np.array_equal(coordinates(columns), POINTS)
    assert sorted(columns) == ["t", "x", "y", "z"]


def test_difference_coded_npz_is_summed_in_sixteen_bits(tmp_path):
    steps = np.round(POINTS.T * 200).astype(np.int16)
    np.savez_compressed(tmp_path / "a.npz", dxyz=np.diff(steps, axis=1, prepend=np.int16(0)))
    assert np.array_equal(coordinates(read_columns(tmp_path / "a.npz")), steps.T / np.float32(200))


def test_ply_that_we_write_we_read(tmp_path):
    intensity = np.arange(50, dtype=np.float32)
    write_ply(tmp_path / "a.ply", POINTS, intensity)
    columns = read_columns(tmp_path / "a.ply")
    assert np.array_equal(coordinates(columns), POINTS)
    assert np.array_equal(columns["intensity"], intensity)
    write_ply(tmp_path / "b.ply", POINTS[:0])
    assert len(read_columns(tmp_path / "b.ply")["x"]) == 0


def test_padding_fields_and_vectors_of_a_pcd_are_no_columns(tmp_path):
    raw = np.zeros(50, np.dtype([("x", "<f4", 3), ("pad", "u1", 4), ("n", "<f4", 2)]))
    raw["x"] = POINTS
    header = {"FIELDS": "x y z _ n", "SIZE": "4 4 4 1 4", "TYPE": "F F F U F", "COUNT": "1 1 1 4 2"}
    (tmp_path / "a.pcd").write_bytes(pcd(raw.tobytes(), "binary", **header))
    assert sorted(read_columns(tmp_path / "a.pcd")) == ["x", "y", "z"]


BROKEN = {
    "cut.pcd": (FILES["binary.pcd"][:-1], "has 799 bytes of data, 50 points need 800"),
    "cut_text.pcd": (FILES["ascii.pcd"][:-30], "50 points of 4 need 200"),
    "cut_packed.pcd": (FILES["compressed.pcd"][:-1], "the file was cut"),
    "bad_packed.pcd": (pcd(struct.pack("<II", 4, 800) + b"\xff" * 4, "binary_compressed"), "compressed data is broken"),
    "lying_packed.pcd": (pcd(struct.pack("<II", 0, 2**31), "binary_compressed"), "expected 800"),
    "words.pcd": (pcd(b"a " * 200, "ascii"), "could not convert"),
    "none.pcd": (b"hello", "is no PCD file"),
    "kind.pcd": (pcd(b"", "zip"), "DATA 'zip' is unknown"),
    "type.pcd": (pcd(b"", "binary", TYPE="F F F Q"), "field t has TYPE Q"),
    "sizes.pcd": (pcd(b"", "binary", SIZE="4 4"), "do not have the same number"),
    "many.pcd": (pcd(b"", "binary", POINTS="99999999999"), "POINTS is 99999999999"),
    "no_z.pcd": (pcd(table().tobytes(), "binary", FIELDS="x y w t"), "has no column z"),
    "cut.ply": (FILES["little.ply"][:-1], "has 799 bytes of data"),
    "none.ply": (b"hello", "is no PLY file"),
    "format.ply": (b"ply\nformat x 1.0\nend_header\n", "format x is unknown"),
    "faces.ply": (b"ply\nformat ascii 1.0\nelement face 1\nend_header\n", "expected 'element vertex N' first"),
    "list.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty list uchar int x\nend_header\n",
        "vertices have 'property list",
    ),
    "odd.bin": (b"\x00" * 17, "17 bytes are no whole number of points"),
    "none.npz": (b"hello", "is no archive of plain arrays"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name][0])
    with pytest.raises(InvalidInput, match=f"{name}: .*{BROKEN[name][1]}"):
        read_columns(tmp_path / name)


def test_arrays_with_python_objects_or_no_points_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", points=np.array([{}], dtype=object))
    np.savez(tmp_path / "b.npz", cloud=POINTS)
    np.savez(tmp_path / "c.npz", dxyz=np.zeros((3, 4)))
    for name, message in {
        "a": "no archive of plain arrays",
        "b": "expected points or xyz",
        "c": "expected .* int16",
    }.items():
        with pytest.raises(InvalidInput, match=message):
            read_columns(tmp_path / f"{name}.npz")


def test_an_archive_that_unpacks_to_more_than_the_limit_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("perception.io.columns.MAX_FILE", 10**6)
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("points.npy", "w") as file,
    ):
        for _ in range(3):
            file.write(bytes(10**6))
    with pytest.raises(InvalidInput, match="unpacks to 3000000 bytes"):
        read_columns(tmp_path / "a.npz")
