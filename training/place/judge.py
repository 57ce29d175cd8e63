"""Judge place networks beside polar heights: python training/place/judge.py [--real FOLDER] MODEL...

On held-out generated worlds, there and back (recall of the nearest within 5 m), and on recorded keyframes (within 3 m),
with the alignment of images of the same place. Models are names or paths of cards.
"""

import sys
from functools import partial
from pathlib import Path

import click
import numpy as np

from perception.evaluation.places import PlaceScores
from perception.place.config import DescriptorConfig
from perception.place.descriptors import open_place_network
from perception.place.places import Place, PlaceConfig, PlaceDescriber, compare
from perception.training.place_evaluation import (
    RADIUS,
    REAL_RADIUS,
    Drive,
    by_network,
    by_polar_heights,
    described,
    recorded_keyframes,
    reranked,
    scores_of,
    there_and_back,
)

ROUTES = ("district", "campus", "office")
FIRST_SEED, SPACING, KEYFRAMES = 1_000_000, 4.0, 100
NEAR = 10.0  # m between two images that are aligned
RIGHT_SHIFT, RIGHT_TURN = 0.5, 1.0  # m, deg
WRONG_SHIFT, WRONG_TURN = 2.0, 5.0  # m, deg: of an alignment that is not only imprecise


@click.command()
@click.argument("models", nargs=-1)
@click.option("--real", type=click.Path(path_type=Path, exists=True), help="Folder of keyframes with odom_poses.txt.")
def main(models: tuple[str, ...], real: Path | None) -> None:
    """Print a line per method and data."""
    held_out = [there_and_back(route, FIRST_SEED + k, SPACING, KEYFRAMES) for k, route in enumerate(ROUTES)]
    sets = [("held out", held_out, RADIUS)] + ([(real.name, [recorded_keyframes(real)], REAL_RADIUS)] if real else [])
    for name, drives, radius in sets:
        tell("polar heights", name, scores_of(drives, by_polar_heights, radius))
    for model in models:
        config = PlaceConfig(network=DescriptorConfig(model=model))
        describer = PlaceDescriber(config, open_place_network(config.network, config.bev.side))
        for name, drives, radius in sets:
            places = [described(drive, describer) for drive in drives]
            known = {id(drive): found for drive, found in zip(drives, places)}
            tell(model, name, scores_of(drives, partial(similarity, known), radius))
            tell(
                f"{model}, images compared,", name, scores_of(drives, partial(compared, known, config, radius), radius)
            )
            right, wrong, num = alignments(drives, places, config)
            click.echo(f"{model} {name}: of {num} pairs of near images {right} aligned, {wrong} wrongly")


def similarity(known: dict[int, list[Place]], drive: Drive) -> np.ndarray:
    """Of the places of a drive."""
    return by_network(known[id(drive)])


def compared(known: dict[int, list[Place]], config: PlaceConfig, radius: float, drive: Drive) -> np.ndarray:
    """Of the places of a drive, after their images have been aligned."""
    return reranked(drive, known[id(drive)], config, config.index.candidates, radius)


def alignments(drives: list[Drive], places: list[list[Place]], config: PlaceConfig) -> tuple[int, int, int]:
    """How many queries are aligned with their nearest place rightly, how many grossly wrongly, and of how many."""
    right = wrong = num = 0
    for drive, found in zip(drives, places):
        distances = np.linalg.norm(drive.poses[:, None, :2] - drive.poses[None, :, :2], axis=2)
        distances[~drive.eligible] = np.inf
        for query in np.flatnonzero(distances.min(axis=1) < NEAR):
            reference = int(distances[query].argmin())
            planar = compare(found[query].landmarks, found[reference].landmarks, config).planar
            num += 1
            if planar.is_accepted:
                shift, turn = apart(planar.shift, planar.yaw, drive.poses[query], drive.poses[reference])
                right += shift < RIGHT_SHIFT and turn < RIGHT_TURN
                wrong += shift > WRONG_SHIFT or turn > WRONG_TURN
    return right, wrong, num


def apart(shift: np.ndarray, yaw: float, query: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Distance (m) and angle (deg) between an alignment and the truth."""
    cosine, sine = np.cos(reference[2]), np.sin(reference[2])
    want = np.array([[cosine, sine], [-sine, cosine]]) @ (query[:2] - reference[:2])
    turn = np.angle(np.exp(1j * (yaw - query[2] + reference[2])))
    return float(np.linalg.norm(shift - want)), float(abs(np.degrees(turn)))


def tell(method: str, data: str, scores: PlaceScores) -> None:
    """One line."""
    low, high = scores.interval
    recall = f"recall@1 {scores.recall_at_1:.3f} ({low:.3f} to {high:.3f}) of {scores.num_queries}"
    click.echo(f"{method} {data}: {recall}, recall at precision 1 {scores.recall_at_full_precision:.3f}")


if __name__ == "__main__":
    sys.exit(main())
