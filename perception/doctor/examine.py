"""`perception doctor`: which parts are examined, and in which order."""

from pathlib import Path

from perception.core.errors import ConfigError
from perception.doctor.findings import Finding
from perception.io.config import InputConfig

RECORDING_SECONDS, LIVE_SECONDS = 60.0, 5.0  # looked at, unless told otherwise


def examine(recording: Path | None, live: bool, seconds: float | None, config: InputConfig) -> dict[str, list[Finding]]:
    """Findings by part: the installation always, then the recording or the live graph. Raises `ConfigError`."""
    if live and recording is not None:
        raise ConfigError(f"--live: looks at the running graph, not at {recording}; give one of them")
    findings = {"installation": _installation()}
    if recording is not None:
        findings[str(recording)] = _recording(recording, seconds or RECORDING_SECONDS, config)
    if live:
        findings["live graph"] = _live(seconds or LIVE_SECONDS, config)
    return findings


def _installation() -> list[Finding]:
    from perception.doctor.installation import check_installation
    from perception.doctor.machine import probe

    return check_installation(probe())


def _recording(path: Path, seconds: float, config: InputConfig) -> list[Finding]:
    from perception.doctor.inspection import look
    from perception.doctor.recording import check_recording
    from perception.progress import progress

    with progress("look") as update:
        facts = look(path, config, seconds, update)
    return check_recording(facts)


def _live(seconds: float, config: InputConfig) -> list[Finding]:
    from nodes.doctor import watch_graph
    from perception.doctor.live import check_live
    from perception.progress import progress

    with progress("listen") as update:
        facts = watch_graph(seconds, config, update)
    return check_live(facts)
