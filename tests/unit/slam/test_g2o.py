"""g2o files: what is read, what is written back, and how a broken line is refused."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.core.geometry import exp_so3, transform
from slam.graph.factors import Between, information_of
from slam.graph.g2o import read_g2o, write_g2o

PLANAR = """VERTEX_SE2 0 0 0 0
VERTEX_SE2 1 1 0.5 1.5707963267948966

EDGE_SE2 0 1 1.0 0.5 1.5707963267948966 4 1 0.5 9 0.25 16
EDGE_SE2 3 0 1.0 0.5 0 4 0 0 9 0 16
FIX 0
"""
SPACE = "EDGE_SE3:QUAT 0 1 1 2 3 0 0 0 1.5 " + " ".join("1" if i == j else "0" for i in range(6) for j in range(i, 6))


def written(tmp_path, text):
    path = tmp_path / "graph.g2o"
    path.write_text(text)
    return path


def test_a_graph_of_the_plane_is_lifted_to_space_without_a_change_of_its_information(tmp_path):
    graph = read_g2o(written(tmp_path, PLANAR))
    assert graph.is_planar and graph.fixed == (0,) and graph.ids() == [0, 1, 3]
    assert np.allclose(graph.poses[1], transform(exp_so3(np.array([0, 0, np.pi / 2])), np.array([1, 0.5, 0])))
    edge = graph.edges[0]
    plane = np.array([[4, 1, 0.5], [1, 9, 0.25], [0.5, 0.25, 16]])
    assert np.array_equal(edge.information[np.ix_((0, 1, 5), (0, 1, 5))], plane)
    assert not edge.information[np.ix_((0, 1, 5), (2, 3, 4))].any()
    assert [edge.kind for edge in graph.edges] == ["odometry", "loop"]


def test_a_quaternion_of_another_length_is_made_unit(tmp_path):
    graph = read_g2o(written(tmp_path, SPACE))
    assert np.array_equal(graph.edges[0].T_from_to, transform(np.eye(3), np.array([1.0, 2.0, 3.0])))
    assert not graph.is_planar


def test_what_is_written_is_read_back_to_the_last_digit(tmp_path):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    T = [transform(exp_so3(rng.normal(size=3)), rng.normal(size=3) * 100.0) for _ in range(3)]
    edges = [Between(0, 7, T[2], root @ root.T + np.eye(6), "loop"), Between(7, 8, T[1], information_of(0.1, 0.01))]
    path = tmp_path / "out.g2o"
    write_g2o(path, [0, 7], np.stack(T[:2]), edges)
    graph = read_g2o(path)
    assert list(graph.poses) == [0, 7]
    assert np.abs(np.stack(list(graph.poses.values())) - np.stack(T[:2])).max() < 1e-12
    for edge, back in zip(edges, graph.edges, strict=True):
        assert (edge.from_id, edge.to_id, edge.kind) == (back.from_id, back.to_id, back.kind)
        assert np.abs(edge.T_from_to - back.T_from_to).max() < 1e-12
        assert np.allclose(edge.information, back.information, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("EDGE_SE2 0 1 1 2 3 1 0 0 1 0", 1, "I33"),
        ("# a comment\nEDGE_SE2 0 1 1 2 nan 1 0 0 1 0 1", 2, "theta"),
        ("EDGE_SE2 0 x 1 2 3 1 0 0 1 0 1", 1, "to"),
        ("VERTEX_SE3:QUAT 0 0 0 0 0 0 0 0", 1, "qx qy qz qw"),
        ("VERTEX_SE2 0 0 0 0\nVERTEX_SE2 0 0 0 0", 2, "vertex 0"),
        ("EDGE_SE2 0 1 1 2 3 -1 0 0 1 0 1", 1, "information"),
        ("EDGE_SE2 4 4 1 2 3 1 0 0 1 0 1", 1, "to_id"),
        ("EDGE_SE2 0 1 1 2 3 1 0 0 1 0 1 7", 1, "more"),
        ("EDGE_BEARING 0 1 1", 1, "EDGE_BEARING"),
        ("VERTEX_SE2 -1 0 0 0", 1, "id"),
    ],
)
def test_a_broken_line_is_refused_by_file_line_and_field(tmp_path, text, line, field):
    path = written(tmp_path, text)
    with pytest.raises(InvalidInput, match=rf"graph\.g2o:{line}: .*{field}"):
        read_g2o(path)


def test_an_empty_or_binary_file_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="neither vertices nor edges"):
        read_g2o(written(tmp_path, "\n# nothing\n"))
    (tmp_path / "binary.g2o").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        read_g2o(tmp_path / "binary.g2o")
