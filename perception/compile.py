"""`python -m perception.compile`: compile every Numba kernel into the cache, ahead of the first scan.

A module that holds kernels has a function `warm_up()` that calls each of them once with the types used at run time.
Numba keeps the result beside the sources or, where those are read-only, in the user's cache folder; NUMBA_CACHE_DIR
names another one.
"""

import ast
import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("perception", "slam")


def kernel_modules() -> Iterator[str]:
    """Names of the modules that define `warm_up`; none of them is imported."""
    for name in PACKAGES:
        for folder in importlib.import_module(name).__path__:
            for path in sorted(Path(folder).rglob("*.py")):
                if _defines_warm_up(path):
                    yield ".".join((name, *path.relative_to(folder).with_suffix("").parts))


def drop_cached() -> None:
    """Remove the machine code cached beside the sources for this Python.

    Numba notices a change of the kernel's own file, not of a kernel that it calls in another one.
    """
    tag = f".py{sys.version_info.major}{sys.version_info.minor}."
    for name in PACKAGES:
        for folder in importlib.import_module(name).__path__:
            for path in Path(folder).glob("**/__pycache__/*.nb[ci]"):
                if tag in path.name:
                    path.unlink(missing_ok=True)


def compile_all() -> Iterator[tuple[str, float]]:
    """Compile module after module anew; yields the name and the seconds of each. Errors of a kernel pass through."""
    drop_cached()
    for name in kernel_modules():
        start = time.perf_counter()
        importlib.import_module(name).warm_up()
        yield name, time.perf_counter() - start


def _defines_warm_up(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "warm_up" for node in tree.body)


def main() -> None:
    """Compile and say what took how long."""
    for name, seconds in compile_all():
        sys.stdout.write(f"    {name}: {seconds:.1f} s\n")


if __name__ == "__main__":
    main()
