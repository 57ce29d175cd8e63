import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perception.core.errors import InvalidInput
from perception.doctor.findings import Finding, error, exit_code, ok, table, to_json, verdict, warn
from perception.doctor.installation import InstallationFacts, Package, SharedMemory, check_installation
from perception.doctor.machine import kernel_cache, probe, requirement_lines

MIB = 2**20
NUMPY = Package("numpy", ">=2.2.6,<2.5", "", "2.4.6", True)
GOOD = InstallationFacts(
    python=(3, 11, 7),
    executable="/venv/bin/python",
    cores=4,
    memory=8 * 2**30,
    prefix="/venv",
    packages=(NUMPY, Package("ros-rclpy", "==7.1.6", "ros", "7.1.6", True)),
    distributions={"numpy": "2.4.6", "ros-rclpy": "7.1.6", "gtsam": "4.3.0", "opencv-python-headless": "5.0.0.93"},
    environment={"NUMBA_THREADING_LAYER": "omp", "OMP_WAIT_POLICY": "PASSIVE"},
    shared_memory=SharedMemory(1024 * MIB, 1000 * MIB, 32 * MIB),
    ros_errors={"rclpy": "", "tf2_msgs": ""},
)


def with_variables(**variables: str) -> InstallationFacts:
    return replace(GOOD, environment={**GOOD.environment, **variables})


def with_distributions(**versions: str) -> InstallationFacts:
    return replace(GOOD, distributions={**GOOD.distributions, **{k.replace("_", "-"): v for k, v in versions.items()}})


def with_memory(size: int, free: int, num_left: int = 0) -> InstallationFacts:
    return replace(GOOD, shared_memory=SharedMemory(size * MIB, free * MIB, 32 * MIB, num_left))


WITHOUT_WHEELS = replace(GOOD, distributions={"numpy": "2.4.6"})
CASES = {  # what is wrong: facts, level, check, words of value or remedy
    "python": (replace(GOOD, python=(3, 9, 2)), "warn", "python", "PYTHON=python3.12"),
    "unknown requirements": (replace(GOOD, packages=()), "warn", "packages", "pip install"),
    "missing package": (
        replace(GOOD, packages=(replace(NUMPY, installed=None, fits=False),)),
        "error",
        "packages",
        "numpy",
    ),
    "wrong version": (
        replace(GOOD, packages=(replace(NUMPY, installed="1.26.4", fits=False),)),
        "error",
        "packages",
        "numpy 1.26.4 (wanted >=2.2.6,<2.5)",
    ),
    "two opencv": (with_distributions(opencv_python="5.0.0.93"), "error", "opencv", "pip uninstall"),
    "old gtsam": (with_distributions(gtsam="4.2"), "error", "gtsam", "crashes with numpy 2.4.6"),
    "mixed ros": (with_variables(AMENT_PREFIX_PATH="/opt/ros/humble"), "error", "ros: one source", "/opt/ros/humble"),
    "mixed ros by path": (with_variables(LD_LIBRARY_PATH="/x:/opt/ros/jazzy/lib"), "error", "ros: one source", "jazzy"),
    "other environment": (
        with_variables(LD_LIBRARY_PATH="/old/lib/python3.11/site-packages/ros_rcl.libs:/venv/lib"),
        "error",
        "ros: one environment",
        "/old/lib",
    ),
    "no ros": (WITHOUT_WHEELS, "warn", "ros: one source", "replay"),
    "kilted wheel": (
        replace(GOOD, packages=(NUMPY, Package("ros-rclpy", "==7.1.6", "ros", "9.1.2", False))),
        "error",
        "ros: versions",
        "ros-rclpy 9.1.2 (wanted ==7.1.6)",
    ),
    "no tf2_msgs": (
        replace(GOOD, ros_errors={"tf2_msgs": "No module named 'tf2_msgs'"}),
        "error",
        "ros: import tf2_msgs",
        "g++",
    ),
    "no tf2_msgs with apt": (
        replace(
            WITHOUT_WHEELS,
            environment={"AMENT_PREFIX_PATH": "/opt/ros/humble"},
            ros_errors={"tf2_msgs": "No module named 'tf2_msgs'"},
        ),
        "error",
        "ros: import tf2_msgs",
        "apt-get install ros-$ROS_DISTRO-tf2-msgs",
    ),
    "checked fields": (with_variables(ROS_PYTHON_CHECK_FIELDS="1"), "warn", "ros: ROS_PYTHON_CHECK_FIELDS", "unset"),
    "security": (with_variables(ROS_SECURITY_ENABLE="true"), "error", "ros: ROS_SECURITY_ENABLE", "without security"),
    "no discovery": (with_variables(ROS_AUTOMATIC_DISCOVERY_RANGE="OFF"), "warn", "ros: discovery", "LOCALHOST"),
    "other middleware": (
        with_variables(RMW_IMPLEMENTATION="rmw_cyclonedds_cpp"),
        "warn",
        "ros: middleware",
        "cyclonedds",
    ),
    "own profile": (with_variables(FASTRTPS_DEFAULT_PROFILES_FILE="/x.xml"), "warn", "ros: profile", "/x.xml"),
    "workqueue": (with_variables(NUMBA_THREADING_LAYER="workqueue"), "error", "threads: NUMBA_THREADING_LAYER", "omp"),
    "tbb": (with_variables(NUMBA_THREADING_LAYER="tbb"), "warn", "threads: NUMBA_THREADING_LAYER", "order of imports"),
    "active wait": (with_variables(OMP_WAIT_POLICY="ACTIVE"), "error", "threads: OMP_WAIT_POLICY", "PASSIVE"),
    "bound threads": (with_variables(OMP_PROC_BIND="close"), "error", "threads: OMP_PROC_BIND", "unset OMP_PROC_BIND"),
    "too many threads": (with_variables(OMP_NUM_THREADS="64"), "warn", "threads: OMP_NUM_THREADS", "64 on 4 cores"),
    "thread words": (with_variables(NUMBA_NUM_THREADS="all"), "warn", "threads: NUMBA_NUM_THREADS", "all on 4 cores"),
    "no shm": (replace(GOOD, shared_memory=None), "error", "/dev/shm", "tmpfs"),
    "container shm": (with_memory(64, 64), "error", "/dev/shm", "--shm-size=1g"),
    "tight shm": (with_memory(200, 200), "warn", "/dev/shm", "room for 6 processes"),
    "left segments": (with_memory(1024, 40, num_left=30), "error", "/dev/shm", "fastdds shm clean"),
    "locked cache": (replace(GOOD, cache_is_writable=False), "error", "kernel cache", "NUMBA_CACHE_DIR"),
    "empty cache": (replace(GOOD, num_cached=0), "warn", "kernel cache", "python -m perception.compile"),
    "no libusb": (
        replace(with_distributions(open3d="0.20.0"), has_libusb=False),
        "error",
        "open3d: libusb",
        "libusb-package",
    ),
}


def test_a_good_installation_has_nothing_to_complain_about():
    findings = check_installation(GOOD)
    assert {finding.level for finding in findings} == {"ok"}
    assert exit_code(findings) == 0


@pytest.mark.parametrize("case", CASES)
def test_each_wrong_fact_is_the_only_finding_and_names_its_remedy(case: str):
    facts, level, check, words = CASES[case]
    bad = [finding for finding in check_installation(facts) if finding.level != "ok"]
    assert [(finding.level, finding.check) for finding in bad] == [(level, check)]
    assert words in bad[0].value + bad[0].remedy
    assert bad[0].remedy


def test_a_sourced_ros_alone_is_fine():
    facts = replace(WITHOUT_WHEELS, environment={"AMENT_PREFIX_PATH": "/opt/ros/jazzy", "ROS_DISTRO": "jazzy"})
    assert exit_code(check_installation(facts)) == 0
    assert any("/opt/ros/jazzy (jazzy)" in finding.value for finding in check_installation(facts))


def test_libusb_from_its_wheel_is_enough_for_open3d():
    facts = replace(with_distributions(open3d_cpu="0.20.0", libusb_package="1.0.30"), has_libusb=False)
    assert exit_code(check_installation(facts)) == 0


def test_a_missing_extra_names_its_install_command_and_is_no_fault():
    facts = replace(GOOD, packages=(NUMPY, Package("open3d-cpu", "==0.20.0", "viz", None, False)))
    found = next(finding for finding in check_installation(facts) if finding.check == "extra: viz")
    assert (found.level, found.remedy) == ("ok", "pip install -e '.[viz]' in the source tree")
    assert "open3d-cpu" in found.value


def test_a_finding_that_is_not_ok_must_name_a_remedy():
    with pytest.raises(InvalidInput, match="remedy"):
        Finding("warn", "x", "y")


def test_exit_code_and_verdict_count_errors():
    findings = [ok("a", "1"), warn("b", "2", "do"), error("c", "3", "do"), error("d", "4", "do")]
    assert verdict(findings) == "4 checks: 2 errors, 1 warnings"
    assert (exit_code(findings), exit_code(findings[:2])) == (1, 0)
    assert to_json(findings)[1] == {"level": "warn", "check": "b", "value": "2", "remedy": "do"}


def test_names_that_look_like_markup_are_shown_as_they_are():
    from rich.console import Console

    console = Console(width=100)
    with console.capture() as shown:
        console.print(table("bag", [error("[red]topic[/red]", "[link=x]", "[bold]remove[/bold]")]))
    text = shown.get()
    assert all(words in text for words in ("[red]topic[/red]", "[link=x]", "[bold]remove[/bold]"))


def test_facts_of_this_machine_can_be_gathered_and_judged():
    facts = probe()
    assert facts.cores > 0
    assert any(package.name == "numpy" and package.installed for package in facts.packages)
    assert all(finding.value for finding in check_installation(facts))


def test_requirements_carry_their_extra():
    lines = list(requirement_lines())
    assert any(line.startswith("numpy") and "extra" not in line for line in lines)
    assert any(line.startswith("ros-rclpy") and "extra" in line and "ros" in line for line in lines)


def test_compiled_kernels_are_counted_for_this_python_only(tmp_path: Path):
    tag = f"py{sys.version_info.major}{sys.version_info.minor}"
    for name in (f"kernels.match-1.{tag}.nbi", f"kernels.match-1.{tag}.1.nbc", "kernels.match-1.py27.nbi"):
        (tmp_path / name).touch()
    assert kernel_cache({"NUMBA_CACHE_DIR": str(tmp_path)}) == (tmp_path, 1)
