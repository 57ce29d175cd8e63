"""What a machine tells about itself, and what of it a container leaves."""

from pathlib import Path

import pytest

from perception.inference import hardware

INTEL = """processor : 0
vendor_id : GenuineIntel
cpu family : 6
model : 143
model name : Intel(R) Xeon(R) Platinum
stepping : 8
flags : fpu avx2 avx512_bf16 amx_bf16 amx_tile
"""
ARM = "processor : 0\nFeatures : fp asimd bf16\n"
CACHED = (hardware.cpu_flags, hardware.cpu_model, hardware.num_cores, hardware._fact)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Files that stand for those of Linux; nothing that was read before is remembered."""
    monkeypatch.setattr(hardware, "CPU_FACTS", tmp_path / "cpuinfo")
    monkeypatch.setattr(hardware, "CPU_QUOTA", tmp_path / "cpu.max")
    for function in CACHED:
        function.cache_clear()
    yield tmp_path
    for function in CACHED:
        function.cache_clear()


def test_flags_and_name_of_an_intel_cpu(machine: Path) -> None:
    (machine / "cpuinfo").write_text(INTEL)
    assert hardware.has_amx() and hardware.has_bf16()
    assert "avx2" in hardware.cpu_flags()
    assert hardware.cpu_model() == "Intel(R) Xeon(R) Platinum 6/143/8"


def test_an_arm_cpu_has_no_amx(machine: Path) -> None:
    (machine / "cpuinfo").write_text(ARM)
    assert hardware.cpu_flags() == {"fp", "asimd", "bf16"}
    assert not hardware.has_amx()
    assert hardware.has_bf16()
    assert hardware.cpu_model()


def test_a_machine_that_tells_nothing_has_a_name_and_no_flags(machine: Path) -> None:
    assert hardware.cpu_flags() == frozenset()
    assert not hardware.has_bf16()
    assert hardware.cpu_model()


@pytest.mark.parametrize(("quota", "cores"), [("150000 100000", 2), ("100000 100000", 1), ("50000 100000", 1)])
def test_a_container_leaves_what_its_quota_says(machine: Path, monkeypatch, quota: str, cores: int) -> None:
    import psutil

    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    (machine / "cpu.max").write_text(quota)
    assert hardware.num_cores() == cores


@pytest.mark.parametrize("quota", ["max 100000", "", "nonsense"])
def test_without_a_quota_all_physical_cores_count(machine: Path, monkeypatch, quota: str) -> None:
    import psutil

    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: 16)
    (machine / "cpu.max").write_text(quota)
    assert hardware.num_cores() == 8


def test_affinity_counts(machine: Path, monkeypatch) -> None:
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert hardware.num_cores() == 1
    assert hardware.threads(0) == 1
    assert hardware.threads(5) == 5
