"""Memory, streams and graphs of an NVIDIA GPU for a runtime that owns its buffers: by cuda-python, else by torch.

Only a process whose probe succeeded (`tensorrt.probe`) may make one of these.
"""

import ctypes
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from perception.core.errors import MissingDependency, ModelError

INSTALL = "a GPU runtime needs cuda-python (pip install cuda-python) or torch built for CUDA"
Work = Callable[[], None]


class Device(Protocol):
    """One stream of one GPU, with the memory that belongs to it. Everything is queued on the stream, in order."""

    stream: int  # handle for the library that runs the network

    def pinned(self, num_bytes: int) -> np.ndarray:
        """Host memory (num_bytes,) uint8 that the GPU reads and writes directly."""
        ...

    def allocate(self, num_bytes: int) -> int:
        """Address of memory on the GPU."""
        ...

    def upload(self, address: int, source: np.ndarray) -> None:
        """Queue a copy from pinned host memory (N,) uint8 to the GPU."""
        ...

    def download(self, target: np.ndarray, address: int) -> None:
        """Queue a copy from the GPU to pinned host memory (N,) uint8."""
        ...

    def captured(self, work: Work) -> Work:
        """What `work` queues, recorded without running it, as one launch."""
        ...

    def wait(self) -> None:
        """Until everything queued is done."""
        ...

    def close(self) -> None:
        """Free everything; may be called twice."""
        ...


def make_device() -> Device:
    """A stream of the current GPU. Raises `MissingDependency`, `ModelError`."""
    library = cuda_python()
    if library is not None:
        return CudaDevice(library)
    try:
        from perception.inference.torch_device import TorchDevice
    except ImportError:
        raise MissingDependency(INSTALL) from None
    return TorchDevice()


def cuda_python() -> ModuleType | None:
    """The runtime library of cuda-python under its new or its old name."""
    try:
        from cuda.bindings import runtime
    except ImportError:
        try:
            from cuda import cudart as runtime
        except ImportError:
            return None
    return runtime


class CudaDevice:
    """A `Device` by cuda-python; `library` is its module of the CUDA runtime."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._host: list[Any] = []
        self._device: list[int] = []
        self._graphs: list[Any] = []
        self._stream = self._call("cudaStreamCreateWithFlags", library.cudaStreamNonBlocking)
        self.stream = int(self._stream)

    def pinned(self, num_bytes: int) -> np.ndarray:
        """As in `Device`."""
        address = self._call("cudaMallocHost", num_bytes)
        self._host.append(address)
        return np.ctypeslib.as_array((ctypes.c_uint8 * num_bytes).from_address(int(address)))

    def allocate(self, num_bytes: int) -> int:
        """As in `Device`."""
        address = self._call("cudaMalloc", num_bytes)
        self._device.append(address)
        return int(address)

    def upload(self, address: int, source: np.ndarray) -> None:
        """As in `Device`."""
        kind = self._library.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, source.ctypes.data, source.nbytes, kind, self._stream)

    def download(self, target: np.ndarray, address: int) -> None:
        """As in `Device`."""
        kind = self._library.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", target.ctypes.data, address, target.nbytes, kind, self._stream)

    def captured(self, work: Work) -> Work:
        """As in `Device`."""
        self._call("cudaStreamBeginCapture", self._stream, self._mode())
        try:
            work()
        finally:
            graph = self._call("cudaStreamEndCapture", self._stream)
        launchable = self._call("cudaGraphInstantiateWithFlags", graph, 0)
        self._graphs.append(launchable)
        self._call("cudaGraphDestroy", graph)
        return lambda: self._call("cudaGraphLaunch", launchable, self._stream)

    def wait(self) -> None:
        """As in `Device`."""
        self._call("cudaStreamSynchronize", self._stream)

    def close(self) -> None:
        """As in `Device`."""
        if self._stream is None:
            return
        self.wait()
        for name, handles in (
            ("cudaGraphExecDestroy", self._graphs),
            ("cudaFreeHost", self._host),
            ("cudaFree", self._device),
        ):
            while handles:
                self._call(name, handles.pop())
        self._call("cudaStreamDestroy", self._stream)
        self._stream = None

    def _mode(self) -> Any:
        return self._library.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal

    def _call(self, name: str, *arguments: Any) -> Any:
        """The result of a function of the CUDA runtime. Raises `ModelError` with its name for the error."""
        error, *results = getattr(self._library, name)(*arguments)
        if int(error) != 0:
            raise ModelError(f"GPU: {name} failed with {getattr(error, 'name', error)}")
        return results[0] if results else None
