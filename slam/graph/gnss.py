"""Satellite fixes as factors: geodetic positions in a local level frame, gated by what the receiver says of them.

WGS 84; east, north, up about the first fix that is used. Where that frame lies in the map, the graph estimates.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import apply
from slam.graph.config import GnssConfig
from slam.graph.factors import Position, check_finite

SEMI_MAJOR = 6378137.0  # m
ECCENTRICITY_2 = 6.69437999014e-3  # squared
MAX_ALTITUDE = 1e5  # m


@dataclass(frozen=True, slots=True, eq=False)
class GnssFix:
    """One fix of a receiver, as `sensor_msgs/NavSatFix` has it."""

    stamp_ns: int
    latitude: float  # deg
    longitude: float  # deg
    altitude: float  # m over the ellipsoid
    covariance: np.ndarray | None  # (3, 3) float64, m^2, east north up; None: the receiver does not say
    has_fix: bool = True

    def __post_init__(self) -> None:
        values = np.array([self.latitude, self.longitude, self.altitude])
        limits = np.array([90.0, 360.0, MAX_ALTITUDE])
        if self.has_fix and not (np.isfinite(values).all() and (np.abs(values) <= limits).all()):
            raise InvalidInput(f"fix: latitude, longitude, altitude are {values.tolist()}; it is no place on Earth")
        if self.covariance is not None:
            check_finite("covariance", self.covariance, (3, 3))


@dataclass(frozen=True, slots=True, eq=False)
class LevelFrame:
    """East, north, up about a place on Earth."""

    origin: np.ndarray  # (3,) float64, m, from the centre of the Earth
    R_enu_ecef: np.ndarray  # (3, 3) float64

    @classmethod
    def at(cls, latitude: float, longitude: float, altitude: float) -> "LevelFrame":
        """The frame about a place (deg, deg, m)."""
        phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
        east = [-np.sin(lam), np.cos(lam), 0.0]
        north = [-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)]
        up = [np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)]
        return cls(ecef(latitude, longitude, altitude), np.array([east, north, up]))

    def enu(self, latitude: float, longitude: float, altitude: float) -> np.ndarray:
        """Position (3,) m of a place (deg, deg, m)."""
        return self.R_enu_ecef @ (ecef(latitude, longitude, altitude) - self.origin)


def ecef(latitude: float, longitude: float, altitude: float) -> np.ndarray:
    """Position (3,) m from the centre of the Earth of a place (deg, deg, m)."""
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    normal = SEMI_MAJOR / np.sqrt(1.0 - ECCENTRICITY_2 * np.sin(phi) ** 2)
    flat = (normal + altitude) * np.cos(phi)
    return np.array(
        [flat * np.cos(lam), flat * np.sin(lam), (normal * (1.0 - ECCENTRICITY_2) + altitude) * np.sin(phi)]
    )


@dataclass(slots=True)
class GnssFactors:
    """Turns fixes into factors, and counts why others are left out."""

    config: GnssConfig
    p_base_antenna: np.ndarray = field(default_factory=lambda: np.zeros(3))  # (3,) float64, m
    frame: LevelFrame | None = None  # about the first fix that was used
    counts: Counter[str] = field(default_factory=Counter)

    def factor(self, fix: GnssFix, keyframe_id: int, T_keyframe_base: np.ndarray) -> Position | None:
        """The factor of a fix; None, and counted, where it is not good enough.

        `T_keyframe_base` (4, 4): the base at the time of the fix, seen from the keyframe by the odometry. So a fix
        need not come at the time of a keyframe.
        """
        reason = self.reason_against(fix)
        self.counts[reason or "used"] += 1
        if reason or fix.covariance is None:
            return None
        if self.frame is None:
            self.frame = LevelFrame.at(fix.latitude, fix.longitude, fix.altitude)
        p_enu = self.frame.enu(fix.latitude, fix.longitude, fix.altitude)
        arm = apply(T_keyframe_base, self.p_base_antenna[None])[0]
        return Position(keyframe_id, p_enu, self._information(fix.covariance), arm)

    def reason_against(self, fix: GnssFix) -> str | None:
        """Why a fix is left out; None where it is good."""
        if not fix.has_fix:
            return "no fix"
        if fix.covariance is None:
            return "covariance unknown"
        variances = np.diag(fix.covariance)
        if variances.min() < 0.0 or variances.max() == 0.0:
            return "covariance not valid"
        if float(np.sqrt(variances[:2].max())) > self.config.max_deviation:
            return "covariance too large"
        return None

    def _information(self, covariance: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
        return (vectors / np.maximum(values, self.config.min_deviation**2)) @ vectors.T
