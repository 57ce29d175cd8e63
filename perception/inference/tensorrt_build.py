"""From an ONNX file to a serialised TensorRT engine, with one code for 8.6, 10, 11 and TensorRT-RTX.

The library comes in as a module, and only what all versions share is used without asking. Precision is in the ONNX
file; where networks can be strongly typed they are, and older versions get the builder's flags instead.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perception.core.errors import ModelError
from perception.core.files import write_atomic
from perception.inference.engines import Profile

Progress = Callable[[int, int], None]  # done, total (0: unknown)
LOG = logging.getLogger(__name__)
GIB = 1 << 30
PRECISION_FLAGS = {"f32": (), "f16": ("FP16",), "int8": ("INT8",)}  # of versions without strong types
MAX_CACHE_BYTES = 1 << 28
PROFILE_SHARING = "PROFILE_SHARING_0806"  # 8.6: several contexts for one profile, as later versions always allow
WITHOUT_TIMING_CACHE = ("tensorrt_rtx",)  # kernels are chosen when the engine is loaded; its cache does nothing
MAX_ERRORS = 5  # of the parser, in a message


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a builder is told."""

    precision: str = "f32"  # of the ONNX file
    profiles: Mapping[str, Profile] = field(default_factory=dict)  # by input, for those with free axes
    workspace_bytes: int = GIB  # device memory that one layer may use
    optimisation: int | None = None  # 0 (fast build) to 5; None: the library's own
    timing_cache: Path | None = None  # measured kernels, kept from build to build


def build(library: Any, onnx: bytes, options: BuildOptions, progress: Progress = lambda done, total: None) -> bytes:
    """The serialised engine of an ONNX file; `library` is the module tensorrt or tensorrt_rtx.

    Raises `ModelError` with what the parser or the builder said.
    """
    name = f"{library.__name__} {library.__version__}"
    log = make_logger(library)
    builder = library.Builder(log)
    network = builder.create_network(_network_flags(library))
    parser = library.OnnxParser(network, log)
    if not parser.parse(onnx):
        raise ModelError(f"{name}: cannot parse the ONNX file ({_errors(parser)})")
    config = _configured(library, builder, network, options)
    monitor = _monitor(library, progress)
    if monitor is not None and hasattr(config, "progress_monitor"):
        config.progress_monitor = monitor
    cache = None if library.__name__ in WITHOUT_TIMING_CACHE else _timing_cache(config, options.timing_cache)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ModelError(
            f"{library.__name__} {library.__version__}: cannot build the engine ({log.last or 'no reason'})"
        )
    _keep(config, cache, options.timing_cache)
    return bytes(engine)


def make_logger(library: Any) -> Any:
    """A logger that passes the library's messages on to `logging`; `last` holds the last error."""

    class Logger(library.ILogger):
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            text = " ".join(str(message).split())
            if severity in (library.ILogger.INTERNAL_ERROR, library.ILogger.ERROR):
                self.last = text
                LOG.warning("%s: %s", library.__name__, text)
            elif severity == library.ILogger.WARNING:
                LOG.info("%s: %s", library.__name__, text)
            else:
                LOG.debug("%s: %s", library.__name__, text)

    return Logger()


def _is_strongly_typed(library: Any) -> bool:
    return hasattr(library.NetworkDefinitionCreationFlag, "STRONGLY_TYPED")


def _network_flags(library: Any) -> int:
    """Strong types where there are any; 8.6 needs to be told that the batch is an axis like others."""
    flags = library.NetworkDefinitionCreationFlag
    name = "STRONGLY_TYPED" if _is_strongly_typed(library) else "EXPLICIT_BATCH"
    flag = getattr(flags, name, None)
    return 0 if flag is None else 1 << int(flag)


def _configured(library: Any, builder: Any, network: Any, options: BuildOptions) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.optimisation is not None and hasattr(config, "builder_optimization_level"):
        config.builder_optimization_level = options.optimisation
    if not _is_strongly_typed(library):
        for name in PRECISION_FLAGS[options.precision]:
            flag = getattr(library.BuilderFlag, name, None)
            if flag is not None:
                config.set_flag(flag)
        sharing = getattr(getattr(library, "PreviewFeature", None), PROFILE_SHARING, None)
        if sharing is not None:
            config.set_preview_feature(sharing, True)
    profile = _profile(builder, network, options.profiles)
    if profile is not None:
        config.add_optimization_profile(profile)
    return config


def _profile(builder: Any, network: Any, profiles: Mapping[str, Profile]) -> Any:
    """The shapes of every input with free axes; None where all are fixed."""
    tensors = [network.get_input(row) for row in range(network.num_inputs)]
    free = [tensor.name for tensor in tensors if -1 in tuple(tensor.shape)]
    missing = [name for name in free if name not in profiles]
    if missing:
        raise ModelError(f"profiles: none for the input {missing[0]!r}, which has free axes; give its shapes")
    if not free:
        return None
    made = builder.create_optimization_profile()
    for name in free:
        shapes = profiles[name]
        made.set_shape(name, shapes.smallest, shapes.usual, shapes.largest)
    return made


def _monitor(library: Any, progress: Progress) -> Any:
    """A progress monitor where the version has them: counts the steps of all phases announced so far."""
    if not hasattr(library, "IProgressMonitor"):
        return None

    class Monitor(library.IProgressMonitor):
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)
            self._done, self._total = 0, 0
            self._left: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._left[phase_name] = num_steps
            self._total += num_steps
            progress(self._done, self._total)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._left[phase_name] = self._left.get(phase_name, 1) - 1
            self._done += 1
            progress(self._done, self._total)
            return True  # False would stop the builder

        def phase_finish(self, phase_name: str) -> None:
            self._done += max(0, self._left.pop(phase_name, 0))
            progress(self._done, self._total)

    return Monitor()


def _timing_cache(config: Any, path: Path | None) -> Any:
    """The cache of a file, or an empty one where that is missing or of another version; None where none is wanted."""
    if path is None or not hasattr(config, "create_timing_cache"):
        return None
    for data in (_cached(path), b""):
        cache = config.create_timing_cache(data)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return cache
        LOG.info("timing cache %s: is of another version or GPU; begun anew", path)
    return None


def _cached(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.stat().st_size <= MAX_CACHE_BYTES else b""
    except OSError:
        return b""


def _keep(config: Any, cache: Any, path: Path | None) -> None:
    if cache is None or path is None:
        return
    filled = config.get_timing_cache() or cache
    write_atomic(path, bytes(filled.serialize()))


def _errors(parser: Any) -> str:
    found = [parser.get_error(row) for row in range(min(parser.num_errors, MAX_ERRORS))]
    return "; ".join(" ".join(str(error.desc()).split()) for error in found) or "no reason given"
