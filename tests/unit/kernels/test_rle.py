import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.kernels import rle

unhurried = settings(deadline=None)  # the first call of a kernel compiles it

SIDES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
MASKS = hnp.arrays(np.bool_, SIDES)
MAPS = hnp.arrays(np.int32, SIDES, elements=st.integers(0, 4))
COUNTS = st.lists(st.integers(0, 2**31), max_size=12)


def test_the_code_of_a_small_mask_is_the_one_counted_by_hand():
    mask = np.array([[0, 1, 1], [0, 1, 0]], dtype=bool)  # by columns: 0 0 1 1 1 0
    assert rle.encode(mask).tolist() == [2, 3, 1]
    assert rle.encode(~mask).tolist() == [0, 2, 3, 1]


@unhurried
@given(MASKS)
def test_a_mask_comes_back_from_its_counts(mask):
    assert np.array_equal(rle.decode(rle.encode(mask), *mask.shape), mask)


@unhurried
@given(MAPS)
def test_codes_of_all_instances_at_once_are_those_of_each_mask(instances):
    ids = np.array([3, 1, 9, 2, 7], dtype=np.int32)
    for number, counts in zip(ids, rle.encode_instances(instances, ids)):
        assert np.array_equal(counts, rle.encode(instances == number))


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (1, 1), (256, 704)])
def test_codes_of_empty_and_full_maps_agree(shape):
    ids = np.array([1, 2], dtype=np.int32)
    for value in (0, 1):
        instances = np.full(shape, value, dtype=np.int32)
        for number, counts in zip(ids, rle.encode_instances(instances, ids)):
            assert np.array_equal(counts, rle.encode(instances == number))
    assert rle.encode_instances(np.ones(shape, dtype=np.int32), ids[:0]) == []


@unhurried
@given(COUNTS)
def test_compressed_counts_are_those_of_the_plain_form_and_come_back(counts):
    code = rle.compress(np.array(counts, dtype=np.int64))
    assert code == rle.compress_reference(np.array(counts, dtype=np.int64))
    assert rle.decompress(code).tolist() == rle.decompress_reference(code) == counts


@unhurried
@given(st.text(st.characters(min_codepoint=32, max_codepoint=130), max_size=30))
def test_any_text_is_refused_or_read_as_the_plain_form_reads_it(code):
    counts, want = rle.decompress(code), rle.decompress_reference(code)
    assert (counts is None) == (want is None)
    assert counts is None or counts.tolist() == want


def test_counts_that_do_not_fill_the_mask_are_refused():
    assert rle.decode(np.array([3, 2]), 2, 3) is None
    assert rle.decode(np.array([8, -2]), 2, 3) is None
    assert rle.decode(np.array([2**62, 2**62, 2**62, 2**62]), 2, 3) is None


@unhurried
@given(MASKS)
def test_pycocotools_writes_and_reads_the_same_codes(mask):
    judge = pytest.importorskip("pycocotools.mask")
    code = judge.encode(np.asfortranarray(mask, dtype=np.uint8))
    ours = rle.compress(rle.encode(mask))
    assert ours == code["counts"].decode("ascii")
    assert np.array_equal(judge.decode({"size": list(mask.shape), "counts": ours}), mask)


def test_pycocotools_agrees_on_long_runs_and_noise():
    judge = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for mask in (rng.random((300, 500)) < 0.5, np.zeros((1080, 1920), bool), np.arange(480)[:, None] < np.arange(640)):
        code = judge.encode(np.asfortranarray(mask, dtype=np.uint8))
        assert rle.compress(rle.encode(mask)) == code["counts"].decode("ascii")
