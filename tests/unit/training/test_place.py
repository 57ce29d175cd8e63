import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from perception.core.errors import ConfigError, InvalidInput  # noqa: E402
from perception.networks.rein import Rein, load_rein  # noqa: E402
from perception.networks.rein_graph import ReinConfig  # noqa: E402
from perception.place.bev_image import bev_image  # noqa: E402
from perception.training.place import (  # noqa: E402
    PlaceTrainingConfig,
    contrast,
    losses,
    make_batch,
    start_pooling,
    train_places,
)
from perception.training.place_worlds import (  # noqa: E402
    PlaceViews,
    PlaceWorldsConfig,
    read_views,
    see_world,
    write_views,
)
from tests.unit.place.scenes import pose, seen, yard  # noqa: E402

TINY = PlaceTrainingConfig(
    network=ReinConfig(width=8, blocks=(1, 1), num_clusters=4),
    steps=4, batch=4, worlds=2, finish_share=0.5, finish_batch=2, spots=16,
    checkpoint_every=2, record_every=2, threads=1,
)  # fmt: skip


def views(seed, num_places=5):
    """Places that are yards of their own, each seen twice."""
    rng = np.random.default_rng(seed)
    clouds, poses = [], []
    for k in range(2 * num_places):
        x, y, yaw = rng.uniform(-2, 2), rng.uniform(-2, 2), rng.uniform(-3, 3)
        clouds.append(seen(yard(100 * seed + k // 2), pose(x, y, 1.5, yaw), seed=k))
        poses.append((x, y, yaw))
    return PlaceViews(clouds, np.array(poses), np.arange(2 * num_places) // 2, f"yards-{seed}")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "worlds"
    folder.mkdir()
    for seed in (1, 2):
        write_views(views(seed), folder / f"yards-{seed}.npz")
    return folder


def test_stored_views_are_read_back_to_a_centimetre(data):
    want, have = views(1), read_views(data / "yards-1.npz")
    assert (len(have), have.name) == (10, "yards-1")
    for a, b in zip(want.clouds, have.clouds):
        np.testing.assert_allclose(a, b, atol=0.0051)
    np.testing.assert_array_equal(want.poses, have.poses)
    (data / "cut.npz").write_bytes((data / "yards-1.npz").read_bytes()[:5000])
    with pytest.raises(InvalidInput, match="cut"):
        read_views(data / "cut.npz")


def test_spots_of_both_views_are_the_same_in_the_world():
    world = views(3)
    batch = make_batch([world], PlaceTrainingConfig(batch=4, spots=40, resolution=0.4), 0)
    lit = []
    side = batch.images.shape[-1]
    for which in (0, 1):
        at = ((batch.spots[which].numpy() + 1) * 0.5 * (side - 1)).round().astype(int)
        for pair in range(4):
            image = batch.images[4 * which + pair, 0].numpy()
            near = [
                image[max(0, v - 1) : v + 2, max(0, u - 1) : u + 2].max(initial=0) > 0
                for (u, v), ok in zip(at[pair], batch.is_seen[pair].numpy())
                if ok
            ]
            lit.append(np.mean(near))
    assert min(lit) > 0.9


def test_a_batch_follows_from_seed_and_step():
    worlds = [views(1), views(2)]
    first, second, third = (make_batch(worlds, TINY, step) for step in (1, 1, 2))
    torch.testing.assert_close(first.images, second.images, rtol=0, atol=0)
    assert first.images.shape == (8, 1, 101, 101)
    assert third.images.shape == (4, 1, 201, 201)  # the finish: fewer and finer ones


def test_the_loss_falls_when_the_same_batch_is_learned():
    torch.manual_seed(0)
    network, batch = Rein(TINY.network), make_batch([views(1), views(2)], TINY, 0)
    start_pooling(network, batch.images)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    history = []
    for _ in range(12):
        network.train()
        terms = losses(network, batch, TINY)
        optimiser.zero_grad()
        sum(terms.values()).backward()
        optimiser.step()
        history.append(float(sum(terms.values()).detach()))
    assert np.mean(history[-2:]) < 0.8 * history[0]


def test_contrast_is_small_for_equal_and_large_for_exchanged_vectors():
    vectors = torch.eye(4)
    assert contrast(vectors, vectors, 0.1) < 1e-3
    assert contrast(vectors, vectors.roll(1, 0), 0.1) > 5


class Interrupted(Exception):
    pass


def test_an_interrupted_run_goes_on_with_the_same_bits(data, tmp_path):
    def stop(step, _):
        if step == 3:  # one step after the checkpoint
            raise Interrupted

    whole = train_places([data], tmp_path / "whole", TINY)
    with pytest.raises(Interrupted):
        train_places([data], tmp_path / "parts", TINY, stop)
    again = train_places([data], tmp_path / "parts", TINY)
    first, second = load_rein(whole.weights), load_rein(again.weights)
    assert first.config == second.config == TINY.network
    for a, b in zip(first.state_dict().values(), second.state_dict().values()):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert (tmp_path / "parts" / "curves.csv").read_text().count("\n") == 3


def test_a_run_of_another_network_is_not_gone_on_with(data, tmp_path):
    train_places([data], tmp_path, TINY.model_copy(update={"steps": 2}))
    with pytest.raises(ConfigError, match="network"):
        other = TINY.model_copy(update={"network": ReinConfig(width=16, blocks=(1, 1), num_clusters=4)})
        train_places([data], tmp_path, other)


def test_a_folder_without_places_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"no \.npz"):
        train_places([tmp_path], tmp_path / "out", TINY)


@pytest.mark.long
def test_places_of_a_generated_world_are_seen_several_times_and_repeat():
    config = PlaceWorldsConfig(max_places=3, views=2)
    first, second = (see_world(config, "office", 5) for _ in range(2))
    assert len(first) == 6
    for a, b in zip(first.clouds, second.clouds):
        np.testing.assert_array_equal(a, b)
    image = bev_image(first.clouds[0], TINY.bev_at(0))
    assert (image > 0).sum() > 100
    np.testing.assert_array_equal(first.places, [0, 0, 1, 1, 2, 2])
