"""Stand-ins for TensorRT and for a GPU, with the attributes that each version has (shared/specs/dependencies.md).

The engine of these computes `images * 2` and the sum over everything, in the host's memory, so that what the adapter
does with shapes, addresses, streams and graphs can be seen without a GPU.
"""

import ctypes
import enum
from types import SimpleNamespace
from typing import Any

import numpy as np

VERSIONS = {
    "8.6": {"flags": ("EXPLICIT_BATCH",), "builder": ("FP16", "INT8", "TF32"), "monitor": False},
    "10.3": {"flags": ("EXPLICIT_BATCH", "STRONGLY_TYPED"), "builder": ("FP16", "INT8", "TF32"), "monitor": True},
    "11.4": {"flags": ("STRONGLY_TYPED",), "builder": ("TF32",), "monitor": True},
}


class Log(list):
    """What was done. While a graph is recorded work is kept for its launches instead."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: list | None = None
        self.contexts = 0

    def do(self, entry: tuple, work) -> None:
        if self.recorded is None:
            self.append(entry)
            work()
        else:
            self.recorded.append(work)


def library(version: str, log: Log | None = None, **changes: Any) -> SimpleNamespace:
    """A module like `tensorrt` of a version. What is done with it is written to `log`."""
    facts, log = VERSIONS[version], log if log is not None else Log()
    types = enum.Enum("DataType", ["FLOAT", "HALF", "INT32"])
    made = SimpleNamespace(
        __name__="tensorrt",
        __version__=f"{version}.0",
        ILogger=type("ILogger", (), {"INTERNAL_ERROR": 0, "ERROR": 1, "WARNING": 2, "INFO": 3}),
        NetworkDefinitionCreationFlag=enum.IntEnum("Flag", facts["flags"], start=0),
        BuilderFlag=enum.IntEnum("BuilderFlag", facts["builder"]),
        MemoryPoolType=enum.Enum("MemoryPoolType", ["WORKSPACE"]),
        TensorIOMode=enum.Enum("TensorIOMode", ["INPUT", "OUTPUT"]),
        DataType=types,
    )
    if version == "8.6":
        made.PreviewFeature = enum.Enum("PreviewFeature", ["PROFILE_SHARING_0806"])
    if facts["monitor"]:
        made.IProgressMonitor = type("IProgressMonitor", (), {})
    made.Builder = lambda logger: _Builder(made, log, logger, changes)
    made.OnnxParser = lambda network, logger: _Parser(changes)
    made.Runtime = lambda logger: _Runtime(made, log, logger)
    return made


class _Parser:
    def __init__(self, changes: dict) -> None:
        self.problems = changes.get("problems", [])
        self.num_errors = len(self.problems)

    def parse(self, data: bytes) -> bool:
        return not self.problems

    def get_error(self, row: int) -> SimpleNamespace:
        return SimpleNamespace(desc=lambda: self.problems[row])


class _Builder:
    def __init__(self, library, log, logger, changes) -> None:
        self.library, self.log, self.logger, self.changes = library, log, logger, changes

    def create_network(self, flags: int) -> SimpleNamespace:
        self.log.append(("network", flags))
        image = SimpleNamespace(name="images", shape=(-1, 3, -1, -1))
        return SimpleNamespace(num_inputs=1, get_input=lambda row: image)

    def create_builder_config(self) -> "_Config":
        return _Config(self.library, self.log)

    def create_optimization_profile(self) -> SimpleNamespace:
        return SimpleNamespace(set_shape=lambda *shapes: self.log.append(("profile", *shapes)))

    def build_serialized_network(self, network, config) -> bytearray | None:
        if self.changes.get("reason"):
            self.logger.log(1, self.changes["reason"])
            return None
        monitor = getattr(config, "progress_monitor", None)
        if monitor is not None:
            monitor.phase_start("build", None, 3)
            assert monitor.step_complete("build", 0)
            monitor.phase_finish("build")
        if config.cache is not None:
            config.cache.data += b"+"
        return bytearray(b"engine")


class _Config:
    def __init__(self, library, log) -> None:
        self.log, self.version, self.cache = log, library.__version__, None
        self.builder_optimization_level = 3
        if hasattr(library, "IProgressMonitor"):
            self.progress_monitor = None

    def set_memory_pool_limit(self, pool, num_bytes) -> None:
        self.log.append((pool.name, num_bytes))

    def set_flag(self, flag) -> None:
        self.log.append(("flag", flag.name))

    def set_preview_feature(self, feature, is_on: bool) -> None:
        self.log.append((feature.name, is_on))

    def add_optimization_profile(self, profile) -> None:
        self.log.append(("added",))

    def create_timing_cache(self, data: bytes) -> "_Cache":
        return _Cache(data)

    def set_timing_cache(self, cache, ignore_mismatch) -> bool:
        assert not ignore_mismatch
        is_mine = not cache.data or cache.data.startswith(self.version.encode())
        self.cache = cache if is_mine else None
        cache.data = cache.data or self.version.encode()
        return is_mine

    def get_timing_cache(self):
        return self.cache


class _Cache:
    def __init__(self, data: bytes) -> None:
        self.data = bytes(data)

    def serialize(self) -> bytes:
        return self.data


class _Runtime:
    def __init__(self, library, log, logger) -> None:
        self.library, self.log, self.logger = library, log, logger

    def deserialize_cuda_engine(self, data: bytes):
        if data != b"engine":
            self.logger.log(1, "magic tag does not match")
            return None
        return _Engine(self.library, self.log)


class _Engine:
    num_io_tensors = 3
    names = ("images", "doubled", "sums")

    def __init__(self, library, log) -> None:
        self.library, self.log = library, log

    def get_tensor_name(self, row: int) -> str:
        return self.names[row]

    def get_tensor_mode(self, name: str):
        modes = self.library.TensorIOMode
        return modes.INPUT if name == "images" else modes.OUTPUT

    def get_tensor_dtype(self, name: str):
        return self.library.DataType.FLOAT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1,) if name == "sums" else (-1, 3, -1, -1)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        return [(1, 3, 1, 1), (1, 3, 4, 4), (2, 3, 8, 8)]

    def create_execution_context(self) -> "_Context":
        self.log.contexts += 1
        return _Context(self.log)


class _Context:
    def __init__(self, log) -> None:
        self.log, self.shape, self.addresses = log, None, {}

    def set_input_shape(self, name: str, shape) -> bool:
        fits = all(low <= size <= high for low, size, high in zip((1, 3, 1, 1), shape, (2, 3, 8, 8)))
        if fits:
            self.shape = tuple(shape)
        return fits

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.shape[0],) if name == "sums" else self.shape

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        images, doubled, sums = (self._memory(name) for name in ("images", "doubled", "sums"))

        def work() -> None:
            doubled[...] = images * 2
            sums[...] = images.sum(axis=(1, 2, 3))

        self.log.do(("execute", stream, self.shape), work)
        return True

    def _memory(self, name: str) -> np.ndarray:
        shape = self.get_tensor_shape(name)
        size = int(np.prod(shape))
        return np.ctypeslib.as_array((ctypes.c_float * size).from_address(self.addresses[name])).reshape(shape)


class HostCuda:
    """The functions of cuda-python's runtime module, carried out in the host's memory. Keeps what is allocated."""

    cudaStreamNonBlocking = 1  # noqa: N815
    cudaMemcpyKind = enum.Enum("Kind", ["cudaMemcpyHostToDevice", "cudaMemcpyDeviceToHost"])  # noqa: N815
    cudaStreamCaptureMode = enum.Enum("Mode", ["cudaStreamCaptureModeThreadLocal"])  # noqa: N815

    def __init__(self, log: Log) -> None:
        self.log, self.held = log, {}
        self.fails: set[str] = set()

    def __getattr__(self, name: str):
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def call(*arguments):
            if name in self.fails:
                return (Problem.cudaErrorStreamCaptureUnsupported, None)
            result = getattr(self, f"_{name}")(*arguments)
            return (Problem.cudaSuccess,) if result is None else (Problem.cudaSuccess, result)

        return call

    def _allocate(self, num_bytes: int) -> int:
        memory = ctypes.create_string_buffer(num_bytes)
        self.held[ctypes.addressof(memory)] = memory
        return ctypes.addressof(memory)

    _cudaMalloc = _cudaMallocHost = _allocate  # noqa: N815

    def _free(self, address: int) -> None:
        del self.held[int(address)]

    _cudaFree = _cudaFreeHost = _free  # noqa: N815

    def _cudaStreamCreateWithFlags(self, flags: int) -> int:
        self.held["stream"] = True
        return 77

    def _cudaStreamDestroy(self, stream: int) -> None:
        del self.held["stream"]

    def _cudaStreamSynchronize(self, stream: int) -> None:
        self.log.append(("wait",))

    def _cudaMemcpyAsync(self, target: int, source: int, num_bytes: int, kind, stream: int) -> None:
        self.log.do((kind.name, num_bytes), lambda: ctypes.memmove(target, source, num_bytes))

    def _cudaStreamBeginCapture(self, stream: int, mode) -> None:
        self.log.recorded = []

    def _cudaStreamEndCapture(self, stream: int) -> tuple:
        graph, self.log.recorded = tuple(self.log.recorded), None
        self.log.append(("recorded", len(graph)))
        return graph

    def _cudaGraphInstantiateWithFlags(self, graph: tuple, flags: int) -> tuple:
        self.held[id(graph)] = graph
        return graph

    def _cudaGraphDestroy(self, graph: tuple) -> None:
        self.log.append(("destroyed",))

    def _cudaGraphExecDestroy(self, graph: tuple) -> None:
        del self.held[id(graph)]

    def _cudaGraphLaunch(self, graph: tuple, stream: int) -> None:
        self.log.append(("launch",))
        for work in graph:
            work()


class Problem(enum.IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorStreamCaptureUnsupported = 900  # noqa: N815
