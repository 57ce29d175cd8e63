"""A recording as an MCAP file that Foxglove opens as it is, and the same served live on this machine."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from perception.core.errors import InvalidInput, MissingDependency
from perception.core.files import atomic_file
from perception.core.stamps import NS_PER_S
from perception.view.overlays import Overlays
from perception.view.stream import Message, Schema, Source

CHUNK = 2 * 2**20  # bytes
HOST, PORT = "127.0.0.1", 8765  # what Foxglove offers when one opens a connection
MAX_WAIT = 1.0  # s, a longer silence of the recording is cut short


def drawn(source: Source, overlays: Overlays, update: Callable[[int, int], None]) -> Iterator[Message]:
    """Every message of a recording, each followed by what is drawn from it. A bad one draws nothing and is counted."""
    for done, message in enumerate(source.messages(), start=1):
        yield message
        try:
            yield from overlays.of(message)
        except InvalidInput as error:
            source.losses.add(str(error))
        update(done, source.num_messages)


def write_mcap(path: Path, messages: Iterator[Message]) -> int:
    """Write messages as MCAP (zstd) and return how many there were. The file appears when it is complete."""
    from mcap.writer import CompressionType, Writer

    count = 0
    with atomic_file(path) as file:
        writer = Writer(file, chunk_size=CHUNK, compression=CompressionType.ZSTD)
        writer.start(profile="ros2", library="perception")
        schemas: dict[Schema, int] = {}
        channels: dict[tuple[str, Schema], int] = {}
        for message in messages:
            schema, key = message.schema, (message.topic, message.schema)
            if schema not in schemas:
                schemas[schema] = writer.register_schema(schema.name, schema.encoding, schema.definition.encode())
            if key not in channels:
                channels[key] = writer.register_channel(message.topic, schema.message_encoding, schemas[schema])
            writer.add_message(channels[key], message.time_ns, message.data, message.time_ns)
            count += 1
        writer.finish()
    return count


def serve(make_messages: Callable[[], Iterator[Message]], say: Callable[[str], None], port: int = PORT) -> None:
    """Play messages in real time to Foxglove on this machine, over and over, until Ctrl-C.

    Raises `MissingDependency` without the extra `viz`, `InvalidInput` where the port is taken.
    """
    try:
        import foxglove
    except ImportError:
        raise MissingDependency("--live needs foxglove-sdk: pip install 'perception[viz]'") from None
    try:
        server = foxglove.start_server(name="perception", host=HOST, port=port)
    except RuntimeError as error:
        raise InvalidInput(f"--port {port}: cannot be served on {HOST} ({error}); choose another port") from None
    say(f"serving on ws://{HOST}:{server.port}: open Foxglove, Open connection; Ctrl-C ends it")
    channels: dict[tuple[str, Schema], Any] = {}
    try:
        while True:
            _play(make_messages(), channels)
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


def _play(messages: Iterator[Message], channels: dict[tuple[str, Schema], Any]) -> None:
    """Once through a recording at its own pace."""
    import foxglove

    previous_ns, due = None, time.monotonic()
    for message in messages:
        key = (message.topic, message.schema)
        if key not in channels:
            schema = message.schema
            described = foxglove.Schema(name=schema.name, encoding=schema.encoding, data=schema.definition.encode())
            channels[key] = foxglove.Channel(message.topic, schema=described, message_encoding=schema.message_encoding)
        if previous_ns is not None:
            due += min(max(message.time_ns - previous_ns, 0) / NS_PER_S, MAX_WAIT)
            time.sleep(max(0.0, due - time.monotonic()))
        previous_ns = message.time_ns
        channels[key].log(message.data, log_time=message.time_ns)
