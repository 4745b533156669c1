"""ROS parameters from the configuration dataclasses, and back.

The dataclasses are the only source: names, types, defaults, texts and ranges are read from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from gemdepth_ros.errors import ConfigError
from gemdepth_ros.pipeline.config import PipelineConfig
from gemdepth_ros.ranges import ABOVE_ZERO
from gemdepth_ros.ros.config_fields import ConfigField, build_config, coerced, config_fields
from gemdepth_ros.ros.node_config import NodeConfig

FIELDS = (*config_fields(NodeConfig), *config_fields(PipelineConfig))
BY_NAME = {field.name: field for field in FIELDS}
LARGEST_INTEGER = 2**63 - 1
WEIGHTS, NO_WEIGHTS = 'network.weights', 'none'  # `none`, as on the command line: random ones
FOREIGN = ('qos_overrides.', 'use_sim_time', 'start_type_description_service')


class NodeParameters:
    """The node's parameters: declared, checked, and read into the configuration."""

    def __init__(self, node: Node, configured: Callable[[], bool]) -> None:
        """Declare the parameters on ``node``.

        Args:
            node: where they are declared.
            configured: whether the values have been used, so that a change comes too late.

        Raises:
            ConfigError: a given value has the wrong type or is out of range.
        """
        self._node = node
        self._configured = configured
        for field in FIELDS:
            _declare(node, field)
        self._warn_of_unknown()
        self.node_config = NodeConfig()
        node.add_on_set_parameters_callback(self._on_change)

    def read(self) -> tuple[NodeConfig, PipelineConfig]:
        """Return the configuration of this moment.

        Raises:
            ConfigError: a value is out of range or contradicts another one.
        """
        values = self._values({})
        self.node_config = build_config(NodeConfig, values)
        return self.node_config, build_config(PipelineConfig, values)

    def _on_change(self, parameters: Iterable[Parameter]) -> SetParametersResult:
        """Accept a change that takes effect; refuse every other one with the reason."""
        changes = {p.name: p.value for p in parameters if p.name in BY_NAME}
        if not changes:  # rclpy's own, such as those of QoS overrides
            return SetParametersResult(successful=True)
        try:
            if self._configured():
                self._change_now(changes)
            else:
                # One by one, as `ros2 param load` sets them: values that belong together fit
                # only when all are there, so `read` compares them.
                for name, value in changes.items():
                    _check_alone(BY_NAME[name], value)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _change_now(self, changes: Mapping[str, Any]) -> None:
        """Put changes into effect while the other values are in use.

        Raises:
            ConfigError: a value is impossible, contradicts another one, or comes too late.
        """
        before, values = self._values({}), self._values(changes)
        fixed = [name for name in changes if not BY_NAME[name].live]
        late = [name for name in fixed if not _same(before[name], values[name])]
        if late:
            raise ConfigError(
                f'{", ".join(late)} is read while configuring: clean the node up first'
            )
        node_config = build_config(NodeConfig, values)
        build_config(PipelineConfig, values)
        self.node_config = node_config

    def _values(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return all values by name, with the changes made."""
        now = {field.name: self._node.get_parameter(field.name).value for field in FIELDS}
        values = {field.name: coerced(field, {**now, **changes}[field.name]) for field in FIELDS}
        if values[WEIGHTS] == NO_WEIGHTS:
            values[WEIGHTS] = ''
        return values

    def _warn_of_unknown(self) -> None:
        """Name the given parameters that nobody declared; rclpy ignores them in silence."""
        given = getattr(self._node, '_parameter_overrides', {})  # rclpy has no public way
        for name in given:
            if self._node.has_parameter(name) or name.startswith(FOREIGN):
                continue
            near = [f.name for f in FIELDS if f.name.rsplit('.', 1)[-1] == name.rsplit('.', 1)[-1]]
            hint = f'; did you mean {" or ".join(near)}?' if near else ''
            self._node.get_logger().warning(f'unknown parameter {name!r} is ignored{hint}')


def _check_alone(field: ConfigField, value: Any) -> None:
    """Check what can be said of a value without the others: type, choices and range.

    Raises:
        ConfigError: it is none that the field can have.
    """
    value = coerced(field, value)
    if field.choices and value not in field.choices:
        raise ConfigError(f'{field.name} must be one of {", ".join(field.choices)}, got {value!r}')
    unknown = value != value and field.default != field.default
    if field.minimum is None or unknown:
        return
    high = math.inf if field.maximum is None else field.maximum
    if not field.minimum <= value <= high:
        raise ConfigError(f'{field.name} must be {_limits(field.minimum, high)}, got {value}')


def _limits(low: float, high: float) -> str:
    text = 'above 0' if low == ABOVE_ZERO else f'at least {low:g}'
    return text if high == math.inf else f'{text} and at most {high:g}'


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))  # NaN is the default of what nobody knows


def _declare(node: Node, field: ConfigField) -> None:
    try:
        node.declare_parameter(field.name, field.default, descriptor(field))
    except ParameterException as error:
        raise ConfigError(f'parameter {field.name}: {error}') from None


def descriptor(field: ConfigField) -> Any:
    """Return what ``ros2 param describe`` shows, a rcl_interfaces/ParameterDescriptor."""
    notes = [f'one of: {", ".join(field.choices)}'] if field.choices else []
    unknown = field.default != field.default  # NaN, which no range of rclpy admits
    if unknown and field.minimum is not None:
        notes.append(f'nan, or {_limits(field.minimum, math.inf)}')
    notes += [] if field.live else ['read while configuring']
    result = ParameterDescriptor(description=field.help, additional_constraints='; '.join(notes))
    # Types that YAML confuses (30 and 30.0, true and 'true') are sorted out by `coerced`.
    result.dynamic_typing = field.kind is float or 'true' in field.choices
    if field.minimum is None or unknown:
        return result
    if field.kind is int:
        high = LARGEST_INTEGER if field.maximum is None else int(field.maximum)
        result.integer_range = [IntegerRange(from_value=int(field.minimum), to_value=high, step=1)]
    else:
        top = math.inf if field.maximum is None else float(field.maximum)
        result.floating_point_range = [
            FloatingPointRange(from_value=float(field.minimum), to_value=top, step=0.0)
        ]
    return result
