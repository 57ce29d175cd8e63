import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rclpy.exceptions import ParameterNotDeclaredException
from rclpy.parameter import Parameter

from nodes.odometry_node import OdometryNode
from perception.core.config import fields
from perception.core.errors import ConfigError
from perception.pipeline.config import PerceptionConfig

GAP, LATE = "odometry.time.max_gap", "odometry.time.max_late"


@pytest.fixture
def node(robot):
    node = OdometryNode()
    yield node
    node.destroy_node()


def test_every_field_of_the_groups_is_a_parameter_with_its_default_sentence_and_range(node):
    for field in fields(PerceptionConfig):
        if field.path.split(".")[0] not in ("input", "publish", "odometry"):
            continue
        descriptor = node.describe_parameter(field.path)
        assert descriptor.description == field.description
        value = node.get_parameter(field.path).value if field.default is not None else None
        assert (tuple(value) if isinstance(field.default, tuple) else value) == field.default
        if field.minimum is not None and descriptor.floating_point_range:
            assert descriptor.floating_point_range[0].from_value == field.minimum


def test_value_out_of_range_is_refused_with_the_reason_and_nothing_changes(node):
    before = node.config
    result = node.set_parameters([Parameter(GAP, value=1e6)])[0]
    assert not result.successful
    assert "range" in result.reason
    assert node.config == before
    assert node.get_parameter(GAP).value == before.odometry.time.max_gap


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "fast", True, [1.0]])
def test_value_that_is_no_number_is_refused(node, value):
    before = node.config
    result = node.set_parameters([Parameter(GAP, value=value)])[0]
    assert not result.successful
    assert result.reason
    assert node.config == before


def test_unknown_choice_is_refused_with_the_choices(node):
    result = node.set_parameters([Parameter("odometry.time.on_gap", value="panic")])[0]
    assert not result.successful
    assert "on_gap" in result.reason
    assert "'reset'" in result.reason


def test_one_wrong_value_refuses_the_whole_set(node):
    result = node.set_parameters_atomically([Parameter(GAP, value=2.0), Parameter(LATE, value=-1.0)])
    assert not result.successful
    assert node.config.odometry.time.max_gap == node.get_parameter(GAP).value == 1.0


def test_whole_number_is_taken_for_a_real_one(node):
    assert node.set_parameters([Parameter(GAP, value=3)])[0].successful
    assert node.config.odometry.time.max_gap == 3.0
    assert node.get_parameter(GAP).value == 3.0


def test_list_of_whole_numbers_and_the_empty_list_are_taken(node):
    name = "input.T_base_lidar"
    assert node.set_parameters([Parameter(name, value=[0, 0, 1, 0, 0, 0, 1])])[0].successful
    assert node.config.input.T_base_lidar == (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    assert node.set_parameters([Parameter(name, value=[])])[0].successful
    assert node.config.input.T_base_lidar == ()


def test_unknown_parameter_cannot_be_set(node):
    with pytest.raises(ParameterNotDeclaredException):
        node.set_parameters([Parameter("odometry.voxelsize", value=1.0)])


def test_parameters_given_at_the_start_are_taken_and_wrong_ones_are_named_together(robot):
    node = OdometryNode(parameter_overrides=[Parameter(GAP, value=4), Parameter("autostart", value=False)])
    assert node.config.odometry.time.max_gap == 4.0
    node.destroy_node()
    wrong = [Parameter(GAP, value=-1.0), Parameter("odometry.voxelsize", value=1.0)]
    with pytest.raises(ConfigError, match=r"max_gap.*voxelsize|voxelsize.*max_gap"):
        OdometryNode(parameter_overrides=wrong)


VALUES = st.one_of(
    st.booleans(), st.integers(-(2**62), 2**62), st.floats(), st.text(max_size=5), st.lists(st.floats(), max_size=8)
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_sets_are_taken_or_refused_as_a_whole(node, data):
    names = sorted(node.parameters.fields)
    chosen = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    before = node.config
    result = node.set_parameters_atomically([Parameter(name, value=data.draw(VALUES)) for name in chosen])
    if result.successful:
        PerceptionConfig.model_validate(node.config.model_dump())
    else:
        assert result.reason
        assert node.config == before
