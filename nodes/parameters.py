"""ROS parameters made from the fields of the configuration: same names, ranges, sentences and validation."""

import array
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from perception.core.config import FieldInfo, changed, fields, nested, validated
from perception.core.errors import ConfigError
from perception.pipeline.config import PerceptionConfig

LARGEST_FLOAT, LARGEST_INT = 1.7976931348623157e308, 2**63 - 1  # a ROS range needs both ends
OF_ROS = ("use_sim_time", "qos_overrides.", "start_type_description_service")
SCALARS = {
    bool: Parameter.Type.BOOL,
    int: Parameter.Type.INTEGER,
    float: Parameter.Type.DOUBLE,
    str: Parameter.Type.STRING,
}
ARRAYS = {
    bool: Parameter.Type.BOOL_ARRAY,
    int: Parameter.Type.INTEGER_ARRAY,
    float: Parameter.Type.DOUBLE_ARRAY,
    str: Parameter.Type.STRING_ARRAY,
}


class ConfigParameters:
    """The groups `groups` of the configuration as parameters of `node`, which was made to declare all overrides.

    Raises `ConfigError` with all wrong or unknown parameters at once. `config` is the current configuration; a change
    at run time is validated as a whole and either taken or refused with the reason. `on_change` is called afterwards.
    """

    def __init__(self, node: Node, groups: Iterable[str], extras: Iterable[str] = (), on_change: Any = None) -> None:
        self.node = node
        groups = tuple(groups)
        self.fields = {f.path: f for f in fields(PerceptionConfig) if f.path.split(".")[0] in groups}
        self.config = self._declare(tuple(extras))
        self.on_change = on_change
        node.add_pre_set_parameters_callback(self._with_types)
        node.add_on_set_parameters_callback(self._validate)
        node.add_post_set_parameters_callback(self._take)

    def _declare(self, extras: tuple[str, ...]) -> PerceptionConfig:
        given = {name: plain(parameter.value) for name, parameter in self.node.get_parameters_by_prefix("").items()}
        ours = {name: value for name, value in given.items() if name not in extras and not name.startswith(OF_ROS)}
        config = validated(PerceptionConfig, nested(ours))
        unused = sorted(set(ours) - set(self.fields))
        if unused:
            raise ConfigError(f"{', '.join(unused)}: belongs to no stage of node {self.node.get_name()!r}")
        for path, field in self.fields.items():
            if path in given:
                self.node.undeclare_parameter(path)
            self.node.declare_parameter(path, kind_of(field), descriptor_of(field), ignore_override=True)
            self.node.set_parameters([parameter_of(field, value_at(config, path))])
        return config

    def _with_types(self, parameters: list[Parameter]) -> list[Parameter]:
        """Whole numbers where a real one is meant, and empty lists, arrive with the wrong type."""
        return [self._with_type(parameter) for parameter in parameters]

    def _with_type(self, parameter: Parameter) -> Parameter:
        field = self.fields.get(parameter.name)
        if field is None:
            return parameter
        kind = kind_of(field)
        value = parameter.value
        if kind is Parameter.Type.DOUBLE and type(value) is int:
            return Parameter(parameter.name, kind, float(value))
        if kind not in ARRAYS.values() or not isinstance(value, (list, tuple, array.array)):
            return parameter
        values = [float(v) if kind is Parameter.Type.DOUBLE_ARRAY and type(v) is int else v for v in value]
        try:
            return Parameter(parameter.name, kind, values)
        except ValueError:
            return parameter  # of a type that the declaration refuses with its own sentence

    def _changed(self, parameters: list[Parameter]) -> PerceptionConfig | None:
        ours = {p.name: plain(p.value) for p in parameters if p.name in self.fields}
        return changed(self.config, ours) if ours else None

    def _validate(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            self._changed(parameters)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take(self, parameters: list[Parameter]) -> None:
        config = self._changed(parameters)
        if config is not None and config != self.config:
            self.config = config
            if self.on_change is not None:
                self.on_change(config)


def plain(value: Any) -> Any:
    """The value of a parameter as the configuration takes it: arrays as tuples."""
    return value if isinstance(value, (str, bool, int, float, dict, type(None))) else tuple(value)


def value_at(config: PerceptionConfig, path: str) -> Any:
    """The field of `config` with the dotted name `path`."""
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


def kind_of(field: FieldInfo) -> Parameter.Type:
    """The ROS type that holds a field. Raises `TypeError` for one that ROS cannot hold."""
    annotation = _without_none(field.annotation)
    if get_origin(annotation) is Literal:
        return SCALARS[type(get_args(annotation)[0])]
    if get_origin(annotation) in (tuple, list):
        return ARRAYS[get_args(annotation)[0]]
    if annotation not in SCALARS:
        raise TypeError(f"{field.path}: {annotation} has no ROS parameter type")
    return SCALARS[annotation]


def parameter_of(field: FieldInfo, value: Any) -> Parameter:
    """A field's value as a ROS parameter."""
    return Parameter(field.path, kind_of(field), list(value) if isinstance(value, (tuple, list)) else value)


def descriptor_of(field: FieldInfo) -> ParameterDescriptor:
    """Sentence, range and choices of a field."""
    descriptor = ParameterDescriptor(name=field.path, description=field.description)
    if get_origin(field.annotation) is Literal:
        descriptor.additional_constraints = "one of " + ", ".join(map(str, get_args(field.annotation)))
    low, high = field.minimum, field.maximum
    if low is None and high is None:
        return descriptor
    kind = kind_of(field)
    if kind is Parameter.Type.INTEGER:
        low, high = -LARGEST_INT if low is None else int(low), LARGEST_INT if high is None else int(high)
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    elif kind is Parameter.Type.DOUBLE:
        low, high = -LARGEST_FLOAT if low is None else float(low), LARGEST_FLOAT if high is None else float(high)
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation
