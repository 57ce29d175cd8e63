"""Light and weather of a recording: where the sun stands, how bright and which colour everything that shines is.

Radiances are relative: the automatic exposure is part of these numbers, a white wall in full light is about 1.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from perception.world.config import WorldConfig

WEATHER_STREAM = 6  # random stream of a seed
Kind = Literal["day", "dusk", "night", "rain", "fog"]
KINDS: tuple[Kind, ...] = ("day", "dusk", "night", "rain", "fog")
SHARES = (0.4, 0.15, 0.15, 0.18, 0.12)  # of the kinds where the seed decides


@dataclass(frozen=True, slots=True, eq=False)
class Weather:
    """The light of one recording. Colours are linear RGB (3,) float64."""

    kind: Kind
    sun: np.ndarray  # (3,) unit vector to the sun (at night: the moon), z up
    sun_color: np.ndarray  # of a white surface that faces the sun
    zenith_color: np.ndarray  # of the sky
    horizon_color: np.ndarray  # of the sky away from the sun, and of the haze
    glow_color: np.ndarray  # added around the sun, near the horizon
    cloudiness: float  # 0 to 1
    haze: float  # 1/m
    wetness: float  # 0 to 1
    darkness: float  # 0: day; 1: lamps, windows and headlights shine
    gain: float  # of the sensor, over that by day; makes noise
    shutter: float  # times as long an exposure as by day


def draw_weather(config: WorldConfig) -> Weather:
    """The weather of a recording; `random` and the details are decided by the seed."""
    rng = np.random.default_rng([config.seed, WEATHER_STREAM])
    drawn = KINDS[int(rng.choice(len(KINDS), p=SHARES))]
    kind = drawn if config.weather == "random" else config.weather
    azimuth = rng.uniform(0.0, 2.0 * np.pi)
    match kind:
        case "day":
            return _day(azimuth, rng)
        case "dusk":
            return _dusk(azimuth, rng)
        case "night":
            return _night(azimuth, rng)
        case "rain":
            return _overcast("rain", azimuth, rng)
    return _overcast("fog", azimuth, rng)


def _day(azimuth: float, rng: np.random.Generator) -> Weather:
    elevation = np.radians(rng.uniform(22.0, 60.0))
    warmth = np.clip((np.radians(45.0) - elevation) / np.radians(30.0), 0.0, 1.0)
    sun_color = 2.2 * np.array([1.0, 0.93 - 0.07 * warmth, 0.82 - 0.2 * warmth])
    return Weather(
        "day", _towards(azimuth, elevation), sun_color, np.array([0.20, 0.38, 0.80]), np.array([0.72, 0.86, 1.0]),
        np.array([0.5, 0.42, 0.3]), rng.uniform(0.15, 0.6), rng.uniform(0.0006, 0.002), 0.0, 0.0, 1.0, 1.0,
    )  # fmt: skip


def _dusk(azimuth: float, rng: np.random.Generator) -> Weather:
    elevation = np.radians(rng.uniform(4.0, 11.0))
    return Weather(
        "dusk", _towards(azimuth, elevation), np.array([1.9, 1.02, 0.46]), np.array([0.13, 0.19, 0.42]),
        np.array([0.52, 0.44, 0.50]), np.array([1.5, 0.62, 0.18]), rng.uniform(0.3, 0.7), rng.uniform(0.001, 0.003),
        0.0, 0.6, 4.0, 1.5,
    )  # fmt: skip


def _night(azimuth: float, rng: np.random.Generator) -> Weather:
    elevation = np.radians(rng.uniform(30.0, 60.0))
    return Weather(
        "night", _towards(azimuth, elevation), np.array([0.04, 0.05, 0.075]), np.array([0.009, 0.014, 0.034]),
        np.array([0.06, 0.05, 0.054]), np.array([0.02, 0.02, 0.02]), rng.uniform(0.1, 0.7),
        rng.uniform(0.001, 0.002), float(rng.random() < 0.3) * 0.6, 1.0, 9.0, 2.0,
    )  # fmt: skip


def _overcast(kind: Kind, azimuth: float, rng: np.random.Generator) -> Weather:
    elevation = np.radians(rng.uniform(30.0, 55.0))
    is_rain = kind == "rain"
    haze = rng.uniform(0.0015, 0.004) if is_rain else rng.uniform(0.014, 0.04)
    light = rng.uniform(0.62, 0.8) if is_rain else rng.uniform(0.7, 0.85)
    grey = np.array([0.80, 0.86, 0.94]) if is_rain else np.array([0.88, 0.90, 0.93])
    return Weather(
        kind, _towards(azimuth, elevation), light * np.array([0.16, 0.155, 0.15]), 1.05 * light * grey,
        0.86 * light * grey, np.zeros(3), 1.0, haze, float(is_rain) * rng.uniform(0.7, 1.0), 0.35, 2.0, 1.2,
    )  # fmt: skip


def _towards(azimuth: float, elevation: float) -> np.ndarray:
    return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
