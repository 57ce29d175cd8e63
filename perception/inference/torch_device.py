"""Memory, a stream and graphs of an NVIDIA GPU by torch, for machines without cuda-python (`device_memory.Device`)."""

import numpy as np
import torch

from perception.inference.device_memory import Work


class TorchDevice:
    """A `Device` by torch."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self.stream = int(self._stream.cuda_stream)
        self._host: dict[int, torch.Tensor] = {}  # by address
        self._device: dict[int, torch.Tensor] = {}
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def pinned(self, num_bytes: int) -> np.ndarray:
        """As in `Device`."""
        tensor = torch.empty(num_bytes, dtype=torch.uint8, pin_memory=True)
        self._host[tensor.data_ptr()] = tensor
        return tensor.numpy()

    def allocate(self, num_bytes: int) -> int:
        """As in `Device`."""
        tensor = torch.empty(num_bytes, dtype=torch.uint8, device="cuda")
        self._device[tensor.data_ptr()] = tensor
        return tensor.data_ptr()

    def upload(self, address: int, source: np.ndarray) -> None:
        """As in `Device`."""
        with torch.cuda.stream(self._stream):
            self._device[address][: source.nbytes].copy_(self._pinned(source), non_blocking=True)

    def download(self, target: np.ndarray, address: int) -> None:
        """As in `Device`."""
        with torch.cuda.stream(self._stream):
            self._pinned(target).copy_(self._device[address][: target.nbytes], non_blocking=True)

    def captured(self, work: Work) -> Work:
        """As in `Device`."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            work()
        self._graphs.append(graph)

        def launch() -> None:
            with torch.cuda.stream(self._stream):
                graph.replay()

        return launch

    def wait(self) -> None:
        """As in `Device`."""
        self._stream.synchronize()

    def close(self) -> None:
        """As in `Device`."""
        self.wait()
        for held in (self._graphs, self._host, self._device):
            held.clear()

    def _pinned(self, array: np.ndarray) -> torch.Tensor:
        """The tensor over the memory of an array that lies at the beginning of one from `pinned`."""
        return self._host[array.ctypes.data][: array.nbytes]
