"""Checks of the installation: pure functions from facts to findings. `machine.py` gathers the facts.

Why each matters is in the tested recipes: threads of several OpenMP runtimes, ROS wheels beside a sourced ROS, shared
memory of the middleware, libraries that wheels expect on the system.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from perception.doctor.findings import Finding, error, ok, warn

SUPPORTED_PYTHONS = ((3, 10), (3, 11), (3, 12))
MIN_SEGMENTS, GOOD_SEGMENTS = 3, 8  # shared-memory segments (one per process) that must, and should, fit
OPENCV_WHEELS = tuple(
    f"opencv-{part}" for part in ("python", "python-headless", "contrib-python", "contrib-python-headless")
)
EXTRA_USES = {
    "viz": "viewers (Open3D, Rerun, Foxglove)",
    "torch": "training and reference networks",
    "trt": "TensorRT engines on a machine without a GPU",
    "bench": "the peers of `perception bench`",
    "test": "the test suite",
    "colcon": "the test of the colcon build",
}
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Package:
    """One requirement of this project and what is there for it."""

    name: str
    wanted: str  # specifier, e.g. ">=2.2.6,<2.5"
    extra: str  # "" for the base
    installed: str | None
    fits: bool


@dataclass(frozen=True, slots=True)
class SharedMemory:
    """/dev/shm, where Fast DDS keeps one segment for each process."""

    size: int  # bytes
    free: int  # bytes
    segment: int  # bytes of one segment of our profile
    num_left: int = 0  # segments of Fast DDS that are there now


@dataclass(frozen=True, slots=True)
class InstallationFacts:
    """What `machine.probe` found."""

    python: tuple[int, int, int]
    executable: str
    cores: int
    memory: int  # bytes
    prefix: str = ""  # folder of the virtual environment
    packages: tuple[Package, ...] = ()
    distributions: Mapping[str, str] = field(default_factory=dict)  # name to version, of everything installed
    environment: Mapping[str, str] = field(default_factory=dict)
    shared_memory: SharedMemory | None = None  # None where there is no /dev/shm
    has_libusb: bool = True
    cache_folder: str = ""  # where compiled kernels go
    cache_is_writable: bool = True
    num_cached: int = 1  # compiled kernels found there
    ros_errors: Mapping[str, str] = field(default_factory=dict)  # ROS package to why it does not import, "" if it does


def check_installation(facts: InstallationFacts) -> list[Finding]:
    """All checks of the installation, in the order in which problems are best solved."""
    checks = (
        check_python,
        check_packages,
        check_opencv,
        check_gtsam,
        check_mixed_ros,
        check_other_wheels,
        check_ros_packages,
        check_ros_environment,
        check_threads,
        check_shared_memory,
        check_kernel_cache,
        check_libusb,
        check_extras,
    )
    return [finding for check in checks for finding in check(facts)]


def check_python(facts: InstallationFacts) -> list[Finding]:
    """The interpreter is one that is tested."""
    text = ".".join(map(str, facts.python))
    value = f"{text} at {facts.executable}, {facts.cores} cores, {facts.memory / 2**30:.1f} GiB memory"
    if facts.python[:2] in SUPPORTED_PYTHONS:
        return [ok("python", value)]
    return [warn("python", value, "make the environment again with a tested one: make setup PYTHON=python3.12")]


def check_packages(facts: InstallationFacts) -> list[Finding]:
    """Everything the base needs is there in a version that fits."""
    base = [package for package in facts.packages if not package.extra]
    if not base:
        return [warn("packages", "the requirements of this project are not known here", "pip install .")]
    missing = [package.name for package in base if package.installed is None]
    wrong = [f"{p.name} {p.installed} (wanted {p.wanted})" for p in base if p.installed is not None and not p.fits]
    found = []
    if missing:
        found.append(error("packages", f"missing: {', '.join(missing)}", "make setup, or pip install ."))
    if wrong:
        found.append(error("packages", f"unfit: {', '.join(wrong)}", "make setup, or pip install . again"))
    return found or [ok("packages", f"{len(base)} required packages fit")]


def check_opencv(facts: InstallationFacts) -> list[Finding]:
    """Only one of the OpenCV wheels is installed; all write to the same folder."""
    present = [name for name in OPENCV_WHEELS if name in facts.distributions]
    if len(present) < 2:
        return []
    remedy = f"pip uninstall -y {' '.join(present)} && pip install opencv-python-headless"
    return [error("opencv", f"{' and '.join(present)} overwrite each other's files", remedy)]


def check_gtsam(facts: InstallationFacts) -> list[Finding]:
    """GTSAM 4.2 was built for numpy 1."""
    gtsam, numpy = facts.distributions.get("gtsam", ""), facts.distributions.get("numpy", "")
    if not gtsam.startswith("4.2") or numpy.startswith("1."):
        return []
    return [error("gtsam", f"{gtsam} crashes with numpy {numpy}", "pip install 'gtsam>=4.3a1'")]


def check_mixed_ros(facts: InstallationFacts) -> list[Finding]:
    """Wheels of ROS and a ROS from apt are not mixed in one process."""
    wheels = _ros_wheels(facts)
    sourced = _sourced_ros(facts.environment)
    if wheels and sourced:
        remedy = "use one of them: open a shell without `source /opt/ros/...`, or pip uninstall the ros-* wheels"
        value = f"{len(wheels)} ros-* wheels beside the ROS at {sourced}: their libraries mix at random"
        return [error("ros: one source", value, remedy)]
    if wheels:
        return [ok("ros: one source", f"wheels, rclpy {wheels.get('ros-rclpy', 'missing')}")]
    if sourced:
        return [ok("ros: one source", f"{sourced} ({facts.environment.get('ROS_DISTRO', 'unknown distribution')})")]
    return [_no_ros()]


def check_other_wheels(facts: InstallationFacts) -> list[Finding]:
    """The ROS libraries of the wheels are those of this environment: child processes inherit the search path."""
    folders = facts.environment.get("LD_LIBRARY_PATH", "").split(":")
    others = [f for f in folders if "/site-packages/ros_" in f and not f.startswith(facts.prefix.rstrip("/") + "/")]
    if not _ros_wheels(facts) or not others:
        return []
    remedy = "start it from a new shell, or unset LD_LIBRARY_PATH and _ROS_WHEELS_BOOTSTRAP_COMPLETE before"
    return [error("ros: one environment", f"libraries of another one come first: {others[0]}", remedy)]


def check_ros_packages(facts: InstallationFacts) -> list[Finding]:
    """The wheels are of one distribution, and rclpy and the messages can be imported."""
    found = []
    pinned = [p for p in facts.packages if p.extra == "ros" and p.name.startswith("ros-")]
    wrong = [f"{p.name} {p.installed} (wanted {p.wanted})" for p in pinned if p.installed is not None and not p.fits]
    if wrong and not _sourced_ros(facts.environment):
        value = f"wheels of another distribution: {', '.join(wrong)}"
        found.append(error("ros: versions", value, "make setup; each ros-* name must be pinned"))
    if not _ros_wheels(facts) and not _sourced_ros(facts.environment):
        return found
    for name, reason in facts.ros_errors.items():
        if reason:
            found.append(error(f"ros: import {name}", reason, _ros_remedy(name, bool(_ros_wheels(facts)))))
    if facts.ros_errors and not any(facts.ros_errors.values()):
        found.append(ok("ros: imports", ", ".join(facts.ros_errors)))
    return found


def check_ros_environment(facts: InstallationFacts) -> list[Finding]:
    """Variables of ROS that make it slow, deaf or unable to start."""
    variables, found = facts.environment, []
    if variables.get("ROS_PYTHON_CHECK_FIELDS") == "1":
        value = "1: filling one image or cloud takes 0.4 s"
        found.append(warn("ros: ROS_PYTHON_CHECK_FIELDS", value, "unset ROS_PYTHON_CHECK_FIELDS"))
    if variables.get("ROS_SECURITY_ENABLE", "").lower() == "true" and _ros_wheels(facts):
        value = "true, but the Fast DDS of the wheels is built without security: nodes will not start"
        found.append(error("ros: ROS_SECURITY_ENABLE", value, "unset it, or use a ROS from apt"))
    if variables.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "OFF":
        value = "OFF: processes do not find each other"
        found.append(warn("ros: discovery", value, "set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST"))
    middleware = variables.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if middleware != "rmw_fastrtps_cpp":
        value = f"{middleware}: our shared-memory profile is for rmw_fastrtps_cpp only"
        found.append(warn("ros: middleware", value, "unset RMW_IMPLEMENTATION, or see that large clouds arrive"))
    profile = variables.get("FASTRTPS_DEFAULT_PROFILES_FILE") or variables.get("FASTDDS_DEFAULT_PROFILES_FILE")
    if profile:
        value = f"{profile} takes the place of our profile"
        remedy = "its shared-memory segment must hold a whole cloud (16 MB or more); unset it to use ours"
        found.append(warn("ros: profile", value, remedy))
    return found


def check_threads(facts: InstallationFacts) -> list[Finding]:
    """Variables of the threading libraries that crash a process or starve it."""
    variables, found = facts.environment, []
    layer = variables.get("NUMBA_THREADING_LAYER", "omp")
    if layer == "workqueue":
        value = "workqueue kills the process when two threads enter a parallel kernel"
        found.append(error("threads: NUMBA_THREADING_LAYER", value, "unset NUMBA_THREADING_LAYER, or set it to omp"))
    elif layer != "omp":
        value = f"{layer}: depends on the order of imports"
        found.append(warn("threads: NUMBA_THREADING_LAYER", value, "unset NUMBA_THREADING_LAYER, or set it to omp"))
    if variables.get("OMP_WAIT_POLICY", "PASSIVE").upper() != "PASSIVE":
        value = f"{variables['OMP_WAIT_POLICY']}: idle pools spin, short kernels take up to 80 times longer"
        found.append(error("threads: OMP_WAIT_POLICY", value, "unset OMP_WAIT_POLICY, or set it to PASSIVE"))
    if variables.get("OMP_PROC_BIND", "false").lower() not in ("", "false"):
        value = f"{variables['OMP_PROC_BIND']}: the first library takes core 0, all others then see one core only"
        found.append(error("threads: OMP_PROC_BIND", value, "unset OMP_PROC_BIND"))
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        number = variables.get(name, "").split(",")[0]
        if number and not (number.isdecimal() and 0 < int(number) <= facts.cores):
            value = f"{variables[name]} on {facts.cores} cores"
            found.append(warn(f"threads: {name}", value, f"unset {name}, or set it to 1 ... {facts.cores}"))
    return found or [ok("threads", f"numba on {layer}, waiting threads sleep")]


def check_shared_memory(facts: InstallationFacts) -> list[Finding]:
    """Every process on the graph finds room for its segment; without it large messages are lost."""
    memory = facts.shared_memory
    if memory is None:
        value = "is not there: large messages go over UDP and most are lost"
        return [error("/dev/shm", value, "mount a tmpfs on /dev/shm")]
    room = f"{memory.free / MIB:.0f} of {memory.size / MIB:.0f} MiB free"
    value = f"{room}, {memory.segment / MIB:.0f} MiB for each process"
    if memory.free >= GOOD_SEGMENTS * memory.segment:
        return [ok("/dev/shm", value)]
    if memory.size >= GOOD_SEGMENTS * memory.segment and memory.num_left:
        remedy = f"stop what uses it; killed processes left some of the {memory.num_left} segments: fastdds shm clean"
    else:
        remedy = "start the container with --shm-size=1g or --ipc=host; on a host: mount -o remount,size=1g /dev/shm"
    level = error if memory.free < MIN_SEGMENTS * memory.segment else warn
    return [level("/dev/shm", f"{value}: room for {memory.free // memory.segment} processes", remedy)]


def check_kernel_cache(facts: InstallationFacts) -> list[Finding]:
    """Compiled kernels can be kept, and were made ahead."""
    if not facts.cache_is_writable:
        value = f"{facts.cache_folder} cannot be written: every start compiles for a minute"
        return [error("kernel cache", value, "set NUMBA_CACHE_DIR to a folder that can be written")]
    if facts.num_cached == 0:
        value = f"{facts.cache_folder} is empty: the first start compiles for a minute"
        return [warn("kernel cache", value, "python -m perception.compile")]
    return [ok("kernel cache", f"{facts.num_cached} compiled kernels in {facts.cache_folder}")]


def check_libusb(facts: InstallationFacts) -> list[Finding]:
    """Open3D's wheel wants a library of the system."""
    if not {"open3d", "open3d-cpu"} & set(facts.distributions):
        return []
    if facts.has_libusb or "libusb-package" in facts.distributions:
        return [ok("open3d: libusb", "there")]
    remedy = "pip install libusb-package, or apt-get install libusb-1.0-0"
    return [error("open3d: libusb", "libusb-1.0 is missing: `import open3d` fails", remedy)]


def check_extras(facts: InstallationFacts) -> list[Finding]:
    """Optional parts, and how to get those that are not there."""
    found = []
    for extra in sorted({package.extra for package in facts.packages} - {"", "ros"}):
        members = [package for package in facts.packages if package.extra == extra]
        missing = [package.name for package in members if package.installed is None]
        value = f"{EXTRA_USES.get(extra, 'optional')}: {'without ' + ', '.join(missing) if missing else 'installed'}"
        hint = f"pip install -e '.[{extra}]' in the source tree" if missing else ""
        found.append(ok(f"extra: {extra}", value, hint))
    return found


def _ros_wheels(facts: InstallationFacts) -> dict[str, str]:
    return {name: version for name, version in facts.distributions.items() if name.startswith("ros-")}


def _sourced_ros(variables: Mapping[str, str]) -> str:
    """Folder of the ROS that is sourced in this shell; empty where there is none."""
    for name in ("AMENT_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH"):
        for folder in variables.get(name, "").split(":"):
            if folder.startswith("/opt/ros/"):
                return "/".join(folder.split("/")[:4])
    return ""


def _no_ros() -> Finding:
    remedy = "make setup (wheels), or source /opt/ros/<distribution>/setup.bash and install the package with colcon"
    return warn("ros: one source", "no ROS: replay, evaluate and synth work; run, play and nodes do not", remedy)


def _ros_remedy(name: str, has_wheels: bool) -> str:
    if not has_wheels:
        return f"apt-get install ros-$ROS_DISTRO-{name.replace('_', '-')}"
    if name in ("tf2_msgs", "vision_msgs"):
        return "apt-get install g++ python3-dev, then make setup (it builds them from our definitions)"
    return "make setup"
