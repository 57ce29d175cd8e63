"""What this machine can compute with: its cores, the instructions of its CPU, and whether it has an NVIDIA GPU."""

import functools
import os
import platform
from pathlib import Path

CPU_FACTS = Path("/proc/cpuinfo")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of the container this process runs in
GPU_DEVICES = ("nvidiactl", "dxg", "nvhost-gpu", "nvgpu")  # in /dev: desktops and servers, WSL, Jetsons
AMX = "amx_bf16"
BF16 = frozenset((AMX, "avx512_bf16", "bf16"))  # the last: ARM


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Instruction sets of the CPU as Linux names them; empty where it does not tell."""
    line = _fact("flags") or _fact("Features")
    return frozenset(line.split())


@functools.cache
def cpu_model() -> str:
    """Name of the CPU, with what tells it from others of that name."""
    name = _fact("model name") or platform.processor() or platform.machine()
    numbers = "/".join(_fact(field) for field in ("cpu family", "model", "stepping") if _fact(field))
    return f"{name} {numbers}".strip()


def has_amx() -> bool:
    """Whether the CPU multiplies matrices of bfloat16 in its own unit, where it pays."""
    return AMX in cpu_flags()


def has_bf16() -> bool:
    """Whether the CPU computes with bfloat16 at all."""
    return bool(BF16 & cpu_flags())


def has_gpu_device() -> bool:
    """Whether a driver shows an NVIDIA GPU; whether it works is told by the probe in a child process."""
    return any(Path("/dev", name).exists() for name in GPU_DEVICES)


@functools.cache
def num_cores() -> int:
    """Physical cores that this process may use: of the machine, its affinity and its container."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or allowed
    return max(1, min(physical, allowed, _quota()))


def threads(wanted: int) -> int:
    """The number of threads for a budget; 0 means all physical cores."""
    return wanted or num_cores()


def _quota() -> int:
    """Cores that the container grants, rounded up."""
    try:
        quota, period = CPU_QUOTA.read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # no container, or "max"
        return os.cpu_count() or 1


@functools.cache
def _fact(field: str) -> str:
    try:
        lines = CPU_FACTS.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field)
    return next(found, "")
