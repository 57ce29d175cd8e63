"""The node around stages of the pipeline: lifecycle, parameters, inboxes, diagnostics. It translates and counts.

Callbacks run in the executor's thread and hand over at once; each stage works in a thread of its own. The stages of
one node give their items to each other by reference.
"""

import re
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from nodes import diagnostics, messages, qos
from nodes.description import SHARED_GROUPS
from nodes.parameters import ConfigParameters
from nodes.stage_thread import StageThread
from nodes.streams import INPUTS, OUTPUTS
from nodes.transforms import Transforms, rig_from
from perception.core.errors import PerceptionError
from perception.core.health import Health, Level, worst
from perception.core.types import SensorRig
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL, live_streams
from perception.pipeline.spec import Pipeline, Stage, Worker

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
RESET = "starting again at the origin; a map in a folder stays, and the place in it is sought"
EXTRAS = ("autostart", "save_folder")  # parameters that are not of the configuration
HEALTH_PERIOD, DIAGNOSTICS_PERIOD_NS = 0.1, 1_000_000_000  # s: a change is told at once; ns: all is told this often


class PipelineNode(LifecycleNode):
    """Lifecycle node that runs the stages `stage_names` of the pipeline.

    `configure` warms up the kernels and opens the topics, `activate` starts the stages, `deactivate` ends them and
    forgets their state. A stage begins when the places of its sensors are known; until then its input waits.
    """

    default_name: ClassVar[str]
    stage_names: ClassVar[tuple[str, ...]]
    published: ClassVar[tuple[str, ...] | None] = None  # streams that become topics; None: all that have ports

    def __init__(self, pipeline: Pipeline = FULL, parameter_overrides: Sequence[Parameter] = ()) -> None:
        super().__init__(
            self.default_name,
            automatically_declare_parameters_from_overrides=True,
            parameter_overrides=list(parameter_overrides),
        )
        if not self.has_parameter("autostart"):
            self.declare_parameter("autostart", True)
        self._described = pipeline.only(self.stage_names)
        try:
            groups = (*SHARED_GROUPS, *self.stage_names)
            self.parameters = ConfigParameters(self, groups, extras=EXTRAS, on_change=self._reconfigure)
        except PerceptionError:
            self.destroy_node()
            raise
        self._taken = self.config
        self.pipeline = self.chosen()
        self.is_active = False
        self.threads: dict[str, StageThread] = {}
        self._inputs: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._first_scan_ns: int | None = None
        self._told: tuple[tuple[Level, str], int] = ((Level.OK, ""), 0)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.result())
        self._reset_service = self.create_service(Trigger, "~/reset", self._reset)
        self._timer = self.create_timer(HEALTH_PERIOD, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def config(self) -> PerceptionConfig:
        """The configuration in force."""
        return self.parameters.config

    def chosen(self) -> Pipeline:
        """The stages that run: what the configuration wants of those that the sensors can feed."""
        return self._described.enabled(self.config).fed_by(self.streams())

    def streams(self) -> tuple[str, ...]:
        """Streams that the sensors give; stages that want others do not run."""
        return live_streams(self.config)

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache. Seconds to a minute the first time, then nothing."""
        start = time.monotonic()
        for stage in self.pipeline.stages:
            stage.warm_up()
        self.get_logger().debug(f"kernels ready after {time.monotonic() - start:.1f} s")

    def autostart(self) -> bool:
        """Configure and activate when the parameter says so; False when that failed."""
        if not self.get_parameter("autostart").value:
            return True
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Compile the kernels, then open the topics."""
        return self._guarded(self._configure, super().on_configure, state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the stages."""
        return self._guarded(self._activate, super().on_activate, state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the stages; their state is forgotten."""
        return self._guarded(self._deactivate, super().on_deactivate, state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close the topics."""
        return self._guarded(self._cleanup, super().on_cleanup, state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End whatever runs."""
        return self._guarded(self._shutdown, super().on_shutdown, state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """A transition failed: back to unconfigured, from where it can be tried again."""
        return self._guarded(self._shutdown, super().on_error, state)

    def take(self, stream: str, item: Any, now_ns: int) -> None:
        """An item of `stream` that arrived at `now_ns` (monotonic): to every stage that reads it."""
        if stream == "scan" and self._first_scan_ns is None:
            self._first_scan_ns = now_ns
        for port in self._outputs.values():
            port.hear(stream, item)
        for thread in self.threads.values():
            if thread.stage.takes(stream) and thread.put(stream, item, now_ns) and not thread.is_latest:
                self.get_logger().warning(
                    f"stage {thread.stage.name} is too slow or waits: {thread.inbox.num_dropped} items dropped so far",
                    throttle_duration_sec=5.0,
                )

    def is_wanted(self, stream: str, topic: str) -> bool:
        """True while a stage has to work on the items of `stream` that come on `topic`."""
        return any(self._has_work(stage, topic) for stage in self.pipeline.stages if stage.takes(stream))

    def source_of(self, item: Any) -> str:
        """The topic that an item of a camera came from; empty when no topic has its frame."""
        return next((port.subscription.topic_name for port in self._inputs.values() if port.gives(item)), "")

    def wake_stages(self) -> None:
        """What a stage may wait for has changed."""
        for thread in self.threads.values():
            thread.wake()

    def _has_work(self, stage: Stage, topic: str) -> bool:
        """False where nobody listens to what `stage`, or one behind it, makes of the items that come on `topic`."""
        if not stage.on_demand:
            return True
        if any(port.is_wanted(topic) for name, port in self._outputs.items() if name in stage.writes):
            return True
        behind = (other for other in self.pipeline.stages if set(other.reads).intersection(stage.writes))
        return any(self._has_work(other, topic) for other in behind)

    def _configure(self) -> None:
        self.pipeline = self.chosen()
        self.warm_up()
        self.transforms = Transforms(self, self.wake_stages)
        written = {stream for stage in self.pipeline.stages for stream in stage.writes}
        if self.published is not None:
            written.intersection_update(self.published)
        wanted = set(self.pipeline.inputs())
        if self.config.input.imu == "off":
            wanted.discard("imu")
        makes = [make for name, make in INPUTS.items() if name in wanted]
        self._inputs = {name: port for make in makes for name, port in make(self).items()}
        self._outputs = {name: make(self) for name, make in OUTPUTS.items() if name in written}

    def _activate(self) -> None:
        self._first_scan_ns = None
        for port in self._inputs.values():
            port.start()
        for stage in self.pipeline.stages:
            thread = StageThread(stage, self._maker(stage), self._deliver)
            self.threads[stage.name] = thread
            thread.start()
        self.is_active = True

    def _deactivate(self) -> None:
        self.is_active = False
        for port in self._inputs.values():
            port.stop()
        for name, thread in self.threads.items():
            if not thread.stop():
                self.get_logger().error(f"stage {name} did not end in time")
        self.threads.clear()

    def _cleanup(self) -> None:
        for port in (*self._inputs.values(), *self._outputs.values()):
            port.destroy()
        if self._outputs or self._inputs:
            self.transforms.destroy()
        self._inputs, self._outputs = {}, {}

    def _shutdown(self) -> None:
        self._deactivate()
        self._cleanup()

    def _guarded(self, step: Callable[[], None], then: Any, state: LifecycleState) -> TransitionCallbackReturn:
        """Run one transition; what goes wrong is logged, for rclpy itself would swallow it."""
        try:
            step()
        except PerceptionError as error:
            self.get_logger().error(str(error))
            return FAILURE
        except Exception:
            self.get_logger().error(traceback.format_exc())
            return TransitionCallbackReturn.ERROR
        return then(state)

    def _maker(self, stage: Stage) -> Callable[[], Worker | None]:
        def maker() -> Worker | None:
            if not stage.needs_rig:
                return stage.make(self.config, None)
            rig = self._rig()
            if rig is None:
                return None
            for name, port in self._outputs.items():
                if name in stage.writes:
                    port.start(rig)
            self.get_logger().info(
                f"sensors: LiDAR {rig.lidar_frame!r}, IMU {rig.imu_frame!r}, body {rig.base_frame!r}"
            )
            return stage.make(self.config, rig)

        return maker

    def _rig(self) -> SensorRig | None:
        """Where the sensors sit; None while the streams are awaited. Raises `MissingTransform`."""
        lidar_frame, imu = self._inputs["scan"].frame_id, self._inputs.get("imu")
        if lidar_frame is None or self._first_scan_ns is None:
            return None
        if imu is not None and imu.frame_id is None:
            waited = (time.monotonic_ns() - self._first_scan_ns) / 1e9
            if self.config.input.imu == "required" or waited < self.config.publish.imu_wait:
                return None
            self.get_logger().warning(
                f"nothing came on {imu.monitor.topic} for {waited:.1f} s: going on without an IMU; "
                "start the IMU first, or set input.imu to 'required' to wait for it",
                throttle_duration_sec=5.0,
            )
        return rig_from(self.transforms.buffer, self.config.input, lidar_frame, imu.frame_id if imu else None)

    def _deliver(self, stream: str, item: Any) -> None:
        """An output of a stage, in its thread: to the topics, and to the stages behind that somebody wants to work.

        For these, the item arrived when the message did of which it was made.
        """
        readers = [thread for thread in self.threads.values() if thread.stage.takes(stream)]
        if readers:
            topic = self.source_of(item)
            writer = next((thread for thread in self.threads.values() if stream in thread.stage.writes), None)
            arrival_ns = (writer.arrival_ns if writer is not None else None) or time.monotonic_ns()
            for thread in readers:
                if self._has_work(thread.stage, topic):
                    thread.put(stream, item, arrival_ns)
        for port in self._outputs.values():
            port.publish(stream, item)

    def _reconfigure(self, config: PerceptionConfig) -> None:
        before, self._taken = self._taken, config
        groups = {name for name in type(config).model_fields if getattr(config, name) != getattr(before, name)}
        concerned = [name for name in self.threads if groups.intersection((*SHARED_GROUPS, name))]
        for name in concerned:
            self.get_logger().warning(f"the configuration has changed: stage {name} starts again with it")
        self._restart([self.threads[name] for name in concerned])

    def _restart(self, threads: list[StageThread]) -> None:
        """One after the other, in the order of the data flow: nothing old reaches a stage that is new."""

        def go_on() -> None:
            if threads:
                threads.pop(0).restart(then=go_on)

        go_on()

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._restart(list(self.threads.values()))
        response.success = self.is_active
        response.message = RESET if self.is_active else "the node is not active"
        return response

    def _report(self) -> None:
        now_ns = time.monotonic_ns()
        health = self._health(now_ns)
        told, due_ns = self._told
        news = (health.level, re.sub(r"[\d.]+", "", health.reason))  # a number that goes on is no news
        if news == told and now_ns < due_ns:
            return
        self._told = (news, now_ns + DIAGNOSTICS_PERIOD_NS)
        stamp_ns = self.get_clock().now().nanoseconds
        name = self.get_fully_qualified_name().lstrip("/")
        values = diagnostics.facts(now_ns, self._inputs, self.threads)
        self._diagnostics.publish(messages.diagnostics_to(stamp_ns, name, health, values))

    def _health(self, now_ns: int) -> Health:
        if not self.is_active:
            return Health(Level.DEGRADED, "the node is not active")
        health = diagnostics.health(now_ns, self._inputs, self.threads)
        health = worst(health, *(port.health() for port in self._outputs.values()))
        return health if self.transforms.is_available else worst(health, diagnostics.NO_TF)
