import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.io.imu import imu_batch, imu_sample, why_unusable
from tests.unit.io.messages import STAMP_NS, imu


def samples(rate: float = 200.0, accel=(0.0, 0.0, 9.81), count: int = 300):
    return [imu_sample(imu(STAMP_NS + round(i * 1e9 / rate), accel)) for i in range(count)]


def test_a_message_becomes_a_sample_and_samples_a_batch():
    batch = imu_batch([imu_sample(imu(STAMP_NS, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))])
    assert batch.stamps_ns.tolist() == [STAMP_NS]
    assert batch.accel.tolist() == [[1.0, 2.0, 3.0]]
    assert batch.gyro.tolist() == [[4.0, 5.0, 6.0]]
    assert len(imu_batch([]).stamps_ns) == 0


@pytest.mark.parametrize("norm", [8.1, 9.81, 11.4, 0.85, 1.0, 1.15])
@pytest.mark.parametrize("rate", [50.5, 100.0, 1000.0])
def test_a_stream_that_feels_gravity_often_enough_is_an_imu(norm, rate):
    assert why_unusable(samples(rate, (0.0, norm, 0.0))) == ""


@pytest.mark.parametrize("norm", [0.0, 0.7, 1.3, 7.9, 11.6, 980.0])
def test_a_stream_that_does_not_feel_gravity_is_none(norm):
    assert "which is gravity neither" in why_unusable(samples(200.0, (0.0, norm, 0.0)))


def test_slow_unknown_and_single_streams_are_none():
    assert "it runs at 49" in why_unusable(samples(49.0))
    assert "linear_acceleration_covariance[0] is -1" in why_unusable(samples(), is_unknown=True)
    assert "it runs at 0 Hz" in why_unusable(samples(count=1))
    assert "it runs at 0 Hz" in why_unusable([imu_sample(imu(STAMP_NS))] * 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e5])
def test_a_value_that_no_sensor_gives_is_refused_by_axis(value):
    with pytest.raises(InvalidInput, match="imu gyro z"):
        imu_sample(imu(STAMP_NS, gyro=(0.0, 0.0, value)))
    with pytest.raises(InvalidInput, match="imu accel x"):
        imu_sample(imu(STAMP_NS, (value, 0.0, 0.0)))


def test_a_malformed_stamp_is_refused():
    with pytest.raises(InvalidInput, match="stamp: expected a time after 1970"):
        imu_sample(imu(0))
