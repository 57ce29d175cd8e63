"""Checks of a running ROS graph: pure functions from facts to findings. `nodes/doctor.py` gathers the facts."""

from collections.abc import Iterable
from dataclasses import dataclass

from perception.core.types import SensorRig
from perception.doctor.findings import Finding, error, ok, warn
from perception.doctor.sensors import check_clocks, check_cloud, check_gravity_direction, check_imu
from perception.doctor.streams import CloudFacts, ImuFacts, StreamFacts

CLOCK_WARN, CLOCK_ERROR = 0.5, 5.0  # s between a stamp and the clock of the graph
MAX_MESSAGE = 16 * 2**20  # bytes that one message may have in our middleware profile
LEVELS = {1: warn, 2: error, 3: error}  # of diagnostic_msgs/DiagnosticStatus


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One publisher or subscription of a node."""

    topic: str
    type: str
    node: str
    is_publisher: bool
    is_reliable: bool
    is_latched: bool  # transient local


@dataclass(frozen=True, slots=True)
class Status:
    """One state that a node reports on /diagnostics."""

    name: str
    level: int  # 0 ok, 1 warning, 2 error, 3 stale
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class LiveFacts:
    """What was seen of a graph."""

    seconds: float
    domain: str  # ROS_DOMAIN_ID
    nodes: tuple[str, ...] = ()  # full names, without our own
    endpoints: tuple[Endpoint, ...] = ()
    clouds: tuple[CloudFacts, ...] = ()
    imus: tuple[ImuFacts, ...] = ()
    largest_cloud: int = 0  # bytes
    edges: tuple[tuple[str, str], ...] = ()  # of /tf_static
    rig_error: str = ""  # why the places of the sensors are not known
    rig: SensorRig | None = None
    has_sim_clock: bool = False  # /clock is published; delays are against it
    statuses: tuple[Status, ...] = ()


def sources(endpoints: Iterable[Endpoint], kind: str) -> set[str]:
    """Topics of the type `kind` that come from a driver: some publisher of it subscribes to no topic of that type.

    What an odometry or a filter publishes is made from the sensor's topic and is not judged as a sensor.
    """
    endpoints = list(endpoints)
    processors = {e.node for e in endpoints if e.type == kind and not e.is_publisher}
    return {e.topic for e in endpoints if e.type == kind and e.is_publisher and e.node not in processors}


def check_live(facts: LiveFacts) -> list[Finding]:
    """All checks of a live graph."""
    if not facts.nodes and not facts.endpoints:
        remedy = "start the drivers; compare ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE and the user of both shells"
        return [error("graph", f"nobody else is heard in domain {facts.domain} within {facts.seconds:g} s", remedy)]
    found = [ok("graph", f"domain {facts.domain}: {', '.join(facts.nodes) or 'nodes without names'}")]
    found += [*check_topics(facts), *check_qos(facts.endpoints), *check_publishers(facts.endpoints)]
    for cloud in facts.clouds:
        found += [*check_cloud(cloud), *check_delay(cloud.stream, facts.has_sim_clock)]
    for imu in facts.imus:
        found += [*check_imu(imu), *check_delay(imu.stream, facts.has_sim_clock)]
    if facts.largest_cloud > MAX_MESSAGE:
        value = f"{facts.largest_cloud / 2**20:.0f} MiB, more than the {MAX_MESSAGE // 2**20} MiB of a message"
        found.append(error("size of clouds", value, "publish fewer fields, or raise maxMessageSize in nodes/profiles"))
    if len(facts.clouds) == 1 and len(facts.imus) == 1:
        found += check_clocks(facts.clouds[0].stream, facts.imus[0].stream)
    return [*found, *check_places(facts), *check_statuses(facts.statuses)]


def check_topics(facts: LiveFacts) -> list[Finding]:
    """There are clouds and IMU samples, one topic of each, and each topic has one type."""
    found = []
    types: dict[str, set[str]] = {}
    for endpoint in facts.endpoints:
        types.setdefault(endpoint.topic, set()).add(endpoint.type)
    for topic, several in sorted(types.items()):
        if len(several) > 1:
            value = f"has the types {' and '.join(sorted(several))}"
            found.append(error(f"{topic}: type", value, "rename one of the two topics; they never connect"))
    if not facts.clouds:
        found.append(
            error("lidar", "no topic has sensor_msgs/msg/PointCloud2", "start the driver, with Cartesian output")
        )
    if not facts.imus:
        found.append(warn("imu", "no topic has sensor_msgs/msg/Imu", "start it; without one turns are followed worse"))
    streams = {"lidar": [cloud.stream for cloud in facts.clouds], "imu": [imu.stream for imu in facts.imus]}
    for sensor, candidates in streams.items():
        if len(candidates) > 1:
            names = ", ".join(stream.topic for stream in candidates)
            found.append(warn(sensor, f"several topics: {names}", f"choose one: input.{sensor}_topic"))
    return found


def check_qos(endpoints: Iterable[Endpoint]) -> list[Finding]:
    """Every subscription can get what the publishers of its topic offer."""
    endpoints = list(endpoints)
    found = []
    for reader in (endpoint for endpoint in endpoints if not endpoint.is_publisher):
        writers = [e for e in endpoints if e.is_publisher and e.topic == reader.topic]
        for writer in writers:
            wants = [
                name
                for name, asked, offered in (
                    ("reliable", reader.is_reliable, writer.is_reliable),
                    ("transient local", reader.is_latched, writer.is_latched),
                )
                if asked and not offered
            ]
            if wants:
                value = f"{reader.node} wants {' and '.join(wants)}, {writer.node} does not offer it: nothing arrives"
                remedy = "let the subscription ask for less (best effort, volatile), or the publisher offer more"
                found.append(error(f"{reader.topic}: QoS", value, remedy))
    return found


def check_publishers(endpoints: Iterable[Endpoint]) -> list[Finding]:
    """Sensor topics and odometry have one publisher each."""
    shared = ("tf2_msgs/msg/TFMessage", "diagnostic_msgs/msg/DiagnosticArray", "rcl_interfaces/msg/ParameterEvent")
    by_topic: dict[str, list[str]] = {}
    for endpoint in endpoints:
        if endpoint.is_publisher and endpoint.type not in shared and endpoint.topic != "/rosout":
            by_topic.setdefault(endpoint.topic, []).append(endpoint.node)
    return [
        warn(f"{topic}: publishers", f"{len(names)}: {', '.join(sorted(names))}", "stop all but one, or rename a topic")
        for topic, names in sorted(by_topic.items())
        if len(names) > 1
    ]


def check_delay(stream: StreamFacts, has_sim_clock: bool) -> list[Finding]:
    """Stamps agree with the clock that the nodes use."""
    if stream.delay is None:
        return []
    check, late = f"{stream.topic}: clock", stream.delay
    clock = "/clock" if has_sim_clock else "the clock of this computer"
    value = f"arrives {abs(late) * 1e3:.0f} ms {'after' if late >= 0 else 'before'} its stamp, by {clock}"
    if abs(late) <= CLOCK_WARN:
        return [ok(check, value)]
    if has_sim_clock:
        remedy = "a recording is played beside live drivers: stop one of them"
    else:
        remedy = "synchronise the clocks (chrony, PTP); for a recording play /clock and set use_sim_time"
    return [(error if abs(late) > CLOCK_ERROR else warn)(check, value, remedy)]


def check_places(facts: LiveFacts) -> list[Finding]:
    """The places of the sensors are known, and gravity points down."""
    if facts.rig_error:
        return [error("transforms", facts.rig_error, "publish them on /tf_static (robot_state_publisher), latched")]
    if facts.rig is None:
        return []
    listed = ", ".join(f"{parent} -> {child}" for parent, child in facts.edges) or "none"
    found = [ok("transforms", f"{listed}; base {facts.rig.base_frame}")]
    if facts.rig.T_base_imu is not None and len(facts.imus) == 1:
        found += check_gravity_direction(facts.imus[0], facts.rig.T_base_imu[:3, :3])
    return found


def check_statuses(statuses: Iterable[Status]) -> list[Finding]:
    """What the nodes say about themselves."""
    found = []
    for status in statuses:
        check, value = f"diagnostics: {status.name}", status.message or "no message"
        judge = LEVELS.get(status.level)
        found.append(judge(check, value, "see /diagnostics and the log of this node") if judge else ok(check, value))
    return found
