from itertools import pairwise

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from perception.core.errors import ModelError
from perception.inference.detection_graph import with_decode, with_nms
from perception.inference.engines import Profile
from perception.inference.export import raw_graph
from perception.inference.model_card import PACKAGED, open_model
from perception.inference.precision import compressed, half
from perception.inference.quantization import calibrated, quantised
from perception.inference.tensorrt_build import BuildOptions, build
from tests.unit.inference import leyolos

SMALL = {"images": Profile(smallest=(1, 3, 64, 96), usual=(1, 3, 64, 96), largest=(1, 3, 64, 96))}
FREE = {"images": Profile(smallest=(1, 3, 32, 32), usual=(1, 3, 64, 96), largest=(2, 3, 96, 96))}


@pytest.fixture(scope="module")
def library():
    return pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed; it builds without a GPU")


def in_precision(graph, precision: str):
    match precision:
        case "f16":
            return half(graph)
        case "int8":
            return quantised(graph, calibrated(graph, [{"images": leyolos.images(1, 3, 64, 96)}]))
    return graph


def built(library, graph, precision: str, profiles=SMALL) -> bytes:
    return build(library, graph.SerializeToString(), BuildOptions(precision, profiles, optimisation=0))


@pytest.mark.parametrize(
    ("size", "precision"),
    [
        *((size, precision) for size in ("nano", "small") for precision in ("f32", "f16", "int8")),
        *(pytest.param("medium", precision, marks=pytest.mark.long) for precision in ("f32", "f16", "int8")),
        *(pytest.param("large", precision, marks=pytest.mark.long) for precision in ("f32", "f16", "int8")),
    ],
)
def test_every_size_is_parsed_and_built_in_every_precision(library, size, precision):
    assert len(built(library, in_precision(leyolos.graph(size), precision), precision)) > 1_000_000


@pytest.mark.parametrize("precision", ["f32", "f16", "int8"])
@pytest.mark.parametrize("card", sorted(PACKAGED.glob("*.json")), ids=lambda path: path.stem)
def test_every_packaged_network_is_parsed_and_built_in_every_precision(library, card, precision):
    model = open_model(str(card))
    sizes = {"batch": 1, "height": 64, "width": 96}
    shapes = {spec.name: tuple(sizes.get(axis, axis) for axis in spec.shape) for spec in model.card.inputs}
    graph = raw_graph(model)
    if precision == "f16":
        graph = half(graph)
    elif precision == "int8":
        inputs = {name: leyolos.images(*shape) for name, shape in shapes.items()}
        graph = quantised(graph, calibrated(graph, [inputs]))
    profiles = {name: Profile(smallest=shape, usual=shape, largest=shape) for name, shape in shapes.items()}
    assert len(built(library, graph, precision, profiles)) > 10_000


def test_shapes_stay_free_within_the_profile_and_the_network_may_end_with_the_decoding(library):
    assert built(library, with_decode(half(leyolos.graph())), "f16", FREE)


def test_weights_behind_casts_are_built_as_well(library):
    assert built(library, compressed(leyolos.graph()), "f32")


def test_the_suppression_is_parsed_but_tensorrt_rtx_has_no_layer_for_it(library):
    with pytest.raises(ModelError, match=r"cannot build the engine.*nonmaxsuppression"):
        built(library, with_nms(leyolos.graph(), 0.25, 0.7), "f32")


def test_building_tells_how_far_it_is(library):
    seen = []
    data = leyolos.graph().SerializeToString()
    build(library, data, BuildOptions("f32", SMALL), lambda done, total: seen.append((done, total)))
    assert seen
    assert seen[-1][0] == seen[-1][1] > 0
    assert all(before[0] <= after[0] for before, after in pairwise(seen))


def test_what_is_no_onnx_file_is_refused_with_the_words_of_the_parser(library):
    with pytest.raises(ModelError, match="cannot parse the ONNX file"):
        build(library, b"no onnx", BuildOptions())


def test_free_axes_without_a_profile_are_refused_by_name(library):
    with pytest.raises(ModelError, match=r"'images'.*free axes"):
        build(library, leyolos.graph().SerializeToString(), BuildOptions())
