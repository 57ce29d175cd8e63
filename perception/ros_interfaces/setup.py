"""Builds tf2_msgs and vision_msgs with the generators of the ROS wheels, each into one extension module.

Source of the recipe: the rosidl command line generators' Python classes, called directly. All type supports of a
package are linked into the module that rclpy imports; dispatch.c finds them there.
"""

import hashlib
import importlib.util
import os
import re
import shutil
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

PACKAGES = ("tf2_msgs", "vision_msgs")  # what others need comes first
NEEDED = ("builtin_interfaces", "service_msgs", "unique_identifier_msgs", "action_msgs", "std_msgs", "geometry_msgs")
KINDS = ("msg", "srv", "action")
SUPPORTS = ("fastrtps_c", "introspection_c")  # rmw_fastrtps_cpp asks for both
RUNTIME = (
    "rosidl_runtime_c",
    "rosidl_typesupport_c",
    *(f"rosidl_typesupport_{name}" for name in ("fastrtps_c", "fastrtps_cpp", "introspection_c")),
    "fastcdr",
    "rcutils",
)
HERE = Path(__file__).resolve().parent
SOURCES, GENERATED = HERE / "interfaces", HERE / "build" / "generated"


def ros_prefix() -> Path:
    """Where the ROS wheels lie: the environment's prefix, or the overlay of an isolated build."""
    return Path(importlib.util.find_spec("rosidl_generator_c").origin).resolve().parents[4]


def interface_files(package: str) -> list[Path]:
    return [path for kind in KINDS for path in sorted((SOURCES / package / kind).glob(f"*.{kind}"))]


def generate() -> None:
    """Generate the code of all packages, unless that of the same definitions is already there."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for package in PACKAGES:
        for path in interface_files(package):
            digest.update(path.name.encode() + path.read_bytes())
    done = GENERATED / digest.hexdigest()
    if done.exists():
        return
    shutil.rmtree(GENERATED, ignore_errors=True)
    os.environ["AMENT_PREFIX_PATH"] = str(ros_prefix())  # the generators find their templates through it
    for package in PACKAGES:
        generate_package(package)
    done.touch()


def generate_package(package: str) -> None:
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_c.cli import GenerateCTypesupport
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    share = GENERATED / "share"
    includes = [str(ros_prefix() / "share"), str(share)]
    definitions = convert_to_idl(package, share / package)
    supports = [f"rosidl_typesupport_{name}" for name in SUPPORTS]
    hashes = HashTypeDescription("hash").generate_type_hashes(package, definitions, includes, share / package)
    GenerateC("c").generate(package, definitions, includes, GENERATED / "c" / package, type_description_files=hashes)
    for folder, generator in {
        "py": GeneratePython("py", typesupport_implementations=["rosidl_typesupport_c"]),
        "dispatch": GenerateCTypesupport("c", typesupport_implementations=supports),
        "fastrtps": GenerateFastRTPSCTypesupport("fastrtps"),
        "introspection": GenerateIntrospectionCTypesupport("introspection"),
    }.items():
        generator.generate(package, definitions, includes, GENERATED / folder / package)
    (GENERATED / "py" / package / "__init__.py").touch()


def convert_to_idl(package: str, target: Path) -> list[str]:
    """The IDL files of a package, in the `folder:file` form that the generators take."""
    from rosidl_adapter import convert_to_idl as convert

    definitions = []
    for path in interface_files(package):
        (target / path.parent.name).mkdir(parents=True, exist_ok=True)
        convert(SOURCES / package, package, path.relative_to(SOURCES / package), target)
        definitions.append(f"{target}:{path.parent.name}/{path.stem}.idl")
    return definitions


class BuildInterfaces(build_ext):
    """Fills in sources and libraries, which are known only after generation and only where the wheels are."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = True
        for extension in self.extensions:
            self.complete(extension)

    def complete(self, extension: Extension) -> None:
        import numpy

        prefix = ros_prefix()
        headers = [path for path in (prefix / "include", *(prefix / "include").iterdir()) if path.is_dir()]
        extension.sources = ["dispatch.c", *sources_of(extension.name.split(".")[0])]
        extension.include_dirs = [str(path) for path in (*headers, *sorted(GENERATED.iterdir())) if path.is_dir()]
        extension.include_dirs.append(numpy.get_include())
        extension.library_dirs, extension.libraries = [str(prefix / "lib")], libraries(prefix / "lib")
        extension.extra_link_args = ["-Wl,-rpath,$ORIGIN/../../..", "-Wl,--as-needed"]
        extension.extra_compile_args = ["-O1", "-g0", "-w"] + [
            f"-Drosidl_typesupport_c__get_{kind}_typesupport_handle_function=perception_{kind}_dispatch"
            for kind in ("message", "service")
        ]


def sources_of(package: str) -> list[str]:
    """C and C++ files of one module: those of the package and of the sibling packages that its fields use."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in interface_files(package))
    used = [other for other in PACKAGES if other == package or re.search(rf"\b{other}/", text)]
    files = [
        path
        for folder in ("py", "c", "dispatch", "fastrtps", "introspection")
        for other in used
        for path in (GENERATED / folder / other).rglob("*.c*")
        if ".ep." not in path.name  # the entry points of the module itself are taken once, below
    ]
    files += (GENERATED / "py" / package).glob("_*_s.ep.rosidl_typesupport_c.c")
    return sorted(str(path.relative_to(HERE)) for path in files)


def libraries(folder: Path) -> list[str]:
    suffixes = ("generator_py", "generator_c", "typesupport_c", *(f"typesupport_{name}" for name in SUPPORTS))
    names = [f"{package}__rosidl_{suffix}" for package in NEEDED for suffix in suffixes]
    return [name for name in names if (folder / f"lib{name}.so").exists()] + list(RUNTIME)


def python_packages() -> dict[str, str]:
    """Import name of every package, and the folder its code is generated into."""
    folders = {}
    for package in PACKAGES:
        folders[package] = f"build/generated/py/{package}"
        for kind in KINDS:
            if (SOURCES / package / kind).is_dir():
                folders[f"{package}.{kind}"] = f"build/generated/py/{package}/{kind}"
    return folders


def shared_files() -> list[tuple[str, list[str]]]:
    """The definitions and the ament index entries, as tools look for them."""
    files = []
    for package in PACKAGES:
        names = [f"{path.parent.name}/{path.name}" for path in interface_files(package)]
        for index, content in (("packages", ""), ("rosidl_interfaces", "\n".join(names))):
            entry = GENERATED / "index" / index / package
            entry.parent.mkdir(parents=True, exist_ok=True)
            entry.write_text(content, encoding="utf-8")
            files.append((f"share/ament_index/resource_index/{index}", [str(entry.relative_to(HERE))]))
        files.extend(
            (f"share/{package}/{path.parent.name}", [str(path.relative_to(HERE))]) for path in interface_files(package)
        )
    return files


if importlib.util.find_spec("rosidl_generator_c") is not None:  # absent while a build asks for metadata alone
    generate()

setup(
    name="perception-ros-interfaces",
    version="0.1.0",
    description="tf2_msgs and vision_msgs for machines without a ROS installation",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=list(python_packages()),
    package_dir=python_packages(),
    data_files=shared_files(),
    ext_modules=[Extension(f"{name}.{name}_s__rosidl_typesupport_c", ["dispatch.c"]) for name in PACKAGES],
    cmdclass={"build_ext": BuildInterfaces},
    install_requires=["ros-std-msgs==5.3.6", "ros-geometry-msgs==5.3.6", "ros-action-msgs==2.0.3"],
    zip_safe=False,
)
