"""From the weather to the numbers that shading works with."""

from typing import NamedTuple

import numpy as np

from perception.world.render.weather import Weather

GROUND_ALBEDO = np.array([0.26, 0.25, 0.23])  # of what light bounces off, linear
LAMP_COLOR = np.array([1.0, 0.82, 0.58])
ZENITH_SHARE = 0.5  # of the dome's mean colour; the rest is the horizon


class Light(NamedTuple):
    """Radiances are linear RGB; what falls on a surface is divided by pi, so that white reflects just that."""

    sun: tuple[float, float, float]  # unit vector
    sun_color: tuple[float, float, float]
    sky_color: tuple[float, float, float]  # mean of the dome
    bounce_color: tuple[float, float, float]  # from the ground
    lamp_color: tuple[float, float, float]
    haze_color: tuple[float, float, float]
    glow_color: tuple[float, float, float]  # of the haze towards the sun
    haze: float  # 1/m
    wetness: float
    darkness: float
    exposure: float


def light_of(weather: Weather, exposure: float) -> Light:
    """The light of a weather for one exposure (a factor)."""
    sky = ZENITH_SHARE * weather.zenith_color + (1.0 - ZENITH_SHARE) * weather.horizon_color
    bounce = GROUND_ALBEDO * (sky + max(float(weather.sun[2]), 0.0) * weather.sun_color)
    return Light(
        _triple(weather.sun),
        _triple(weather.sun_color),
        _triple(sky),
        _triple(bounce),
        _triple(LAMP_COLOR),
        _triple(weather.horizon_color),
        _triple(weather.glow_color),
        float(weather.haze),
        float(weather.wetness),
        float(weather.darkness),
        float(exposure),
    )


def _triple(color: np.ndarray) -> tuple[float, float, float]:
    return float(color[0]), float(color[1]), float(color[2])
