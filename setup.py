"""Packaging for pip and colcon. Dependencies have one home: requirements/*.in."""

from pathlib import Path

from setuptools import find_packages, setup

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"  # resolved: colcon builds through symbolic links


def requirements(name):
    lines = (line.partition("  #")[0].strip() for line in (REQUIREMENTS / f"{name}.in").read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def files(pattern):
    return sorted(str(path) for path in Path().glob(pattern))


setup(
    name="perception",
    version="0.1.0",
    description="LiDAR-inertial odometry, maps, objects and lines in images for robots, with or without ROS 2",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(
        include=["perception", "perception.*", "slam", "slam.*", "nodes", "nodes.*"],
        exclude=["perception.ros_interfaces*"],
    ),
    package_data={
        "perception": [
            "presets/*.yaml",
            "models/*",
            "resource/*",
            "evaluation/templates/*",
            "view/templates/*",
            "ros_interfaces/interfaces/vision_msgs/msg/*.msg",
        ],
        "nodes": ["profiles/*.xml"],
    },
    data_files=[
        ("share/ament_index/resource_index/packages", ["perception/resource/perception"]),
        ("share/perception", ["package.xml"]),
        ("share/perception/launch", files("launch/*.launch.py")),
        ("share/perception/rviz", files("launch/rviz/*.rviz")),
        ("share/perception/config", files("perception/presets/*.yaml")),
        ("lib/perception", files("nodes/scripts/*_node")),
    ],
    entry_points={
        "console_scripts": [
            "perception = perception.cli:main",
            *(f"{Path(path).stem} = nodes.{Path(path).stem}:main" for path in files("nodes/*_node.py")),
        ]
    },
    install_requires=requirements("base"),
    extras_require={path.stem: requirements(path.stem) for path in REQUIREMENTS.glob("*.in") if path.stem != "base"},
    zip_safe=False,
)
