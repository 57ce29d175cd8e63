"""From the weather to the numbers that shading works with."""

from typing import NamedTuple

import numpy as np

from perception.world.render.weather import Weather

GROUND_ALBEDO = np.array([0.26, 0.25, 0.23])  # of what light bounces off, linear
STREET_COLOR, ROOM_COLOR = np.array([1.0, 0.80, 0.54]), np.array([1.0, 0.94, 0.84])  # of lamps
ADAPTATION = 0.85  # of the exposure to the place; 1: everything equally bright
MAX_GAIN = 14.0
CANYON = 0.45  # share of the sky from which on the exposure is that of the open
ROOM_LIGHT = 0.03  # that windows and walls scatter
LAMP_WEIGHT = 1.6
NIGHT_GLOW = 0.25  # light that a street at night is expected to have
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
    room: float  # light from all sides where there is no sky
    haze: float  # 1/m
    wetness: float
    darkness: float
    exposure: float


def light_of(weather: Weather, exposure: float, openness: float = 1.0) -> Light:
    """The light of a weather for one exposure (a factor) of a camera that sees a share `openness` of the sky."""
    sky = ZENITH_SHARE * weather.zenith_color + (1.0 - ZENITH_SHARE) * weather.horizon_color
    bounce = GROUND_ALBEDO * (sky + max(float(weather.sun[2]), 0.0) * weather.sun_color)
    return Light(
        _triple(weather.sun),
        _triple(weather.sun_color),
        _triple(sky),
        _triple(bounce),
        _triple(ROOM_COLOR + (STREET_COLOR - ROOM_COLOR) * min(3.0 * openness, 1.0)),
        _triple(weather.horizon_color),
        _triple(weather.glow_color),
        ROOM_LIGHT,
        float(weather.haze) * min(1.5 * openness, 1.0),
        float(weather.wetness),
        float(weather.darkness),
        float(exposure),
    )


def exposure_at(weather: Weather, sky: float, lamps: float) -> float:
    """Factor of the automatic exposure where a camera sees a share `sky` of the sky and `lamps` light around it.

    1 in the open: the radiances of a weather are chosen so. Slow, as both change slowly along a way.
    """
    out_of_doors = _luminance(weather, 1.0) + NIGHT_GLOW * weather.darkness
    here = _luminance(weather, sky) + LAMP_WEIGHT * (lamps + ROOM_LIGHT * max(1.0 - sky, 0.0))
    return float(np.clip((out_of_doors / here) ** ADAPTATION, 1.0, MAX_GAIN))


def _luminance(weather: Weather, sky: float) -> float:
    dome = 0.5 * float((weather.zenith_color + weather.horizon_color).mean())
    return min(sky / CANYON, 1.0) * (dome + 0.6 * max(float(weather.sun[2]), 0.0) * float(weather.sun_color.mean()))


def _triple(color: np.ndarray) -> tuple[float, float, float]:
    return float(color[0]), float(color[1]), float(color[2])
