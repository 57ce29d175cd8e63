"""Ports of mapping: fixes, wheels and what people ask for come in; the map and the place in it go out."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistStamped, TwistWithCovarianceStamped
from nav_msgs.msg import OccupancyGrid, Odometry
from nav_msgs.msg import Path as PathMessage
from nav_msgs.srv import LoadMap, SetMap
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import NavSatFix
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from nodes import map_messages, qos
from nodes.ports import InputPort, OutputPort
from nodes.services import LateService, Questions
from perception.core.errors import InvalidInput
from perception.core.health import OK, Health, Level
from perception.core.types import OdometryUpdate, SensorRig
from perception.io.aids import fix_reader, wheel_reader
from perception.mapping.types import CommandKind, MapCommand, MapOdom, MapPath

if TYPE_CHECKING:
    from nodes.base import PipelineNode

TWISTS = {kind.__name__: kind for kind in (Odometry, TwistStamped, TwistWithCovarianceStamped)}
STREAM = "map_command"
EXPIRE_PERIOD = 0.5  # s between two looks at questions that wait
MAX_DRAWN = 1000  # keyframes as markers; a message of more holds up everything else for tens of milliseconds
NO_ANSWER = (
    "mapping has not answered in {:g} s: it waits for the sensors, or works on; what was asked may still be done"
)
NO_FOLDER = "save_folder is empty; set this parameter of the node to the folder of the copy"
NO_POSE_ONLY = "map: a map cannot be handed over here; leave it empty to set the pose, and load a map with load_map"


class _AidPort(InputPort):
    """A sensor without which mapping goes on: its silence is told and fails nothing."""

    def health(self, now_ns: int) -> Health:
        """DEGRADED at most."""
        found = super().health(now_ns)
        return Health(min(found.level, Level.DEGRADED), found.reason)


class FixPort(_AidPort):
    """Satellite fixes."""

    def __init__(self, node: "PipelineNode") -> None:
        config = node.config.input
        self._read = fix_reader(config, config.base_frame, node.transforms.buffer)
        super().__init__(node, "fix", config.gnss_topic, NavSatFix, qos.FIX_DEPTH)

    def translate(self, message: NavSatFix) -> list[Any]:
        """The fix in a message."""
        return [self._read(message)]


class WheelPort(_AidPort):
    """Twists of the wheels."""

    def __init__(self, node: "PipelineNode") -> None:
        config = node.config.input
        self._read = wheel_reader(config, config.base_frame, node.transforms.buffer)
        super().__init__(node, "wheels", config.wheel_topic, TWISTS[config.wheel_message], qos.WHEEL_DEPTH)

    def translate(self, message: Any) -> list[Any]:
        """The twist in a message."""
        return [self._read(message)]


class CommandPort(InputPort):
    """What people ask for: services of the node, and the topic on which RViz says where the robot is.

    Standard services are used, so that nothing has to be generated; what they cannot say goes to the log and to the
    diagnostics: a `LoadMap` answers with a code and a `SetMap` with yes or no.
    """

    def __init__(self, node: "PipelineNode") -> None:
        super().__init__(node, STREAM, "initialpose", PoseWithCovarianceStamped, qos.COMMAND_DEPTH)
        if not node.has_parameter("save_folder"):
            node.declare_parameter("save_folder", "")
        self._questions = Questions()
        trigger = partial(LateService, node, Trigger)
        self._services = [
            trigger("~/save_map", self._save),
            trigger("~/relocalize", self._relocalize),
            LateService(node, LoadMap, "~/load_map", self._load),
            LateService(node, SetMap, "~/set_pose", self._set_pose),
        ]
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(EXPIRE_PERIOD, self._expire, clock=clock)

    def health(self, now_ns: int) -> Health:
        """Nobody has to ask for anything."""
        return OK

    def facts(self) -> dict[str, object]:
        """The last answer."""
        return {"answer": self._questions.newest} if self._questions.newest else {}

    def stop(self) -> None:
        """What waits for an answer gets none any more."""
        self._questions.end("the node was deactivated")

    def destroy(self) -> None:
        """Take topic and services back."""
        super().destroy()
        self.node.destroy_timer(self._timer)
        for service in self._services:
            service.destroy()

    def _receive(self, message: PoseWithCovarianceStamped) -> None:
        """A pose from a tool; without a stamp it is one all the same."""
        self._ask_pose(self.subscription.topic_name, message, lambda is_done, text: None)

    def _save(self, request: Trigger.Request, response: Trigger.Response, send: Callable[[Any], None]) -> None:
        folder = self.node.get_parameter("save_folder").value
        done = partial(_tell, response, send)
        if folder:
            self._ask("save_map", "save", folder, done)
        else:
            self._refuse("save_map", NO_FOLDER, done)

    def _relocalize(self, request: Trigger.Request, response: Trigger.Response, send: Callable[[Any], None]) -> None:
        self._ask("relocalize", "relocalize", None, partial(_tell, response, send))

    def _load(self, request: LoadMap.Request, response: LoadMap.Response, send: Callable[[Any], None]) -> None:
        def done(is_done: bool, text: str) -> None:
            response.result = load_result(is_done, folder)
            send(response)

        folder = ""
        try:
            folder = folder_of(request.map_url)
        except InvalidInput as error:
            self._refuse("load_map", str(error), done)
            return
        self._ask("load_map", "load", folder, done)

    def _set_pose(self, request: SetMap.Request, response: SetMap.Response, send: Callable[[Any], None]) -> None:
        def done(is_done: bool, text: str) -> None:
            response.success = is_done
            send(response)

        if len(request.map.data):
            self._refuse("set_pose", NO_POSE_ONLY, done)
            return
        self._ask_pose("set_pose", request.initial_pose, done)

    def _ask_pose(self, name: str, message: PoseWithCovarianceStamped, done: Callable[[bool, str], None]) -> None:
        try:
            T_map_base = map_messages.pose_from(message, self.node.config.publish.map_frame)
        except InvalidInput as error:
            self._refuse(name, str(error), done)
            return
        self._ask(name, "set_pose", T_map_base, done)

    def _refuse(self, name: str, reason: str, done: Callable[[bool, str], None]) -> None:
        self._questions.ask(name, 0, self._told(name, done)).answer(False, reason)

    def _ask(
        self, name: str, kind: CommandKind, argument: str | np.ndarray | None, done: Callable[[bool, str], None]
    ) -> None:
        """Hand a command to mapping, whose thread answers."""
        if not self.node.is_active:
            self._refuse(name, "the node is not active", done)
            return
        now_ns = time.monotonic_ns()
        deadline_ns = now_ns + round(self.node.config.publish.answer_wait * 1e9)
        question = self._questions.ask(name, deadline_ns, self._told(name, done))
        self.node.take(self.stream, MapCommand(kind, argument, question.answer), now_ns)

    def _told(self, name: str, done: Callable[[bool, str], None]) -> Callable[[bool, str], None]:
        logger = self.node.get_logger()
        self.monitor.note(time.monotonic_ns())

        def told(is_done: bool, text: str) -> None:
            if is_done:
                logger.info(f"{name}: {text}")
            else:
                self.monitor.refuse(InvalidInput(text))
                logger.error(f"{name} refused: {text}")
            done(is_done, text)

        return told

    def _expire(self) -> None:
        self._questions.expire(time.monotonic_ns(), NO_ANSWER.format(self.node.config.publish.answer_wait))


class MapOutput(OutputPort):
    """Publishes the place of `odom` in the map, the map itself, and how it is held together."""

    def __init__(self, node: "PipelineNode") -> None:
        self.node = node
        self.pose = node.create_lifecycle_publisher(PoseWithCovarianceStamped, "pose", qos.result())
        self.path = node.create_lifecycle_publisher(PathMessage, "map_path", qos.latched())
        self.grid = node.create_lifecycle_publisher(OccupancyGrid, "map", qos.latched())
        self.loops = node.create_lifecycle_publisher(MarkerArray, "loops", qos.latched())
        self._place = OdomPlace()

    def start(self, rig: SensorRig) -> None:
        """Mapping begins anew: where `odom` lies is not known."""
        self._place.forget()

    def publish(self, stream: str, item: Any) -> None:
        """What odometry and mapping say, each in its own thread."""
        frame = self.node.config.publish.map_frame
        match stream:
            case "odometry":
                self._send_place(item)
            case "odometry_reset":
                self._place.forget()
            case "map_odom":
                self._place.take(item)
                if item is not None:
                    self.pose.publish(map_messages.pose_to(item, frame))
            case "map_path":
                self._publish_path(item, frame)
            case "map_grid":
                self.grid.publish(map_messages.grid_to(item, frame, self.node.config.publish.max_grid_cells))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (self.pose, self.path, self.grid, self.loops):
            self.node.destroy_lifecycle_publisher(publisher)

    def _publish_path(self, path: MapPath, frame: str) -> None:
        self.path.publish(map_messages.map_path_to_bytes(path, frame))
        self.loops.publish(map_messages.markers_to(path, frame, MAX_DRAWN))

    def _send_place(self, update: OdometryUpdate) -> None:
        """`map -> odom` with the stamp of `odom -> base`, so that both can be looked up for the same instant."""
        config, stamp_ns = self.node.config.publish, update.odometry.stamp_ns
        T_map_odom = self._place.at(stamp_ns, config.map_hold_ns)
        if T_map_odom is not None and config.tf:
            self.node.transforms.send(stamp_ns, config.map_frame, config.odom_frame, T_map_odom)


class OdomPlace:
    """Where `odom` lies in the map, as mapping said last; it may work on something longer than one scan takes."""

    def __init__(self) -> None:
        self._known: MapOdom | None = None
        self._first_ns: int | None = None  # stamp of the first odometry since its last start

    def forget(self) -> None:
        """The odometry begins at another origin, or mapping with another map."""
        self._known = self._first_ns = None

    def take(self, item: MapOdom | None) -> None:
        """What mapping says, which may be faster than the publishing of the same scan; None: it does not know."""
        self._known = item

    def at(self, stamp_ns: int, hold_ns: int) -> np.ndarray | None:
        """`T_map_odom` (4, 4) for the odometry at `stamp_ns`; None where mapping has said nothing for `hold_ns`.

        Mapping may still say something of the odometry before, which lies before this one, or, where the clock was
        moved back, after it.
        """
        known, first_ns = self._known, self._first_ns
        if first_ns is None:
            first_ns = self._first_ns = stamp_ns
        if known is None or not first_ns <= known.stamp_ns <= stamp_ns <= known.stamp_ns + hold_ns:
            return None
        return known.T_map_odom


def folder_of(map_url: str) -> str:
    """The folder that a URL or a plain path names. Raises `InvalidInput`."""
    try:
        url = urlparse(map_url)
    except ValueError as error:
        raise InvalidInput(f"map_url: {map_url!r} is no URL ({error}); give a path or file://") from None
    return unquote(url.path) if url.scheme == "file" else map_url


def load_result(is_done: bool, folder: str) -> int:
    """The code of an answer to `LoadMap`."""
    if is_done:
        return LoadMap.Response.RESULT_SUCCESS
    try:
        is_there = Path(folder).is_dir()
    except OSError:  # it may not be looked at, or its name is too long
        is_there = False
    return LoadMap.Response.RESULT_INVALID_MAP_DATA if is_there else LoadMap.Response.RESULT_MAP_DOES_NOT_EXIST


def _tell(response: Trigger.Response, send: Callable[[Any], None], is_done: bool, text: str) -> None:
    response.success, response.message = is_done, text
    send(response)
