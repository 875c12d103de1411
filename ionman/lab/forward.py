"""A door into the lab: `python -m ionman.lab.forward FD NAMESPACE ADDRESS PORT`.

FD is a socket that already listens on 127.0.0.1 of this machine and stays there; the process then enters the lab's
network, so that each connection it makes is made inside.
"""

import asyncio
import socket
import sys

from ionman.lab import kernel, network

_CHUNK = 65536


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until the end, then pass the end on; a connection that was reset ends the other."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.transport.abort()


async def serve(listener: socket.socket, address: str, port: int) -> None:
    """Pass each connection to `listener` on to `address`, for ever."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.wait_for(asyncio.open_connection(address, port), 10)
        except OSError:  # refused or no such host: the caller sees the connection end, as from the host itself
            writer.transport.abort()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        for each in (back, writer):
            each.close()

    async with await asyncio.start_server(accepted, sock=listener) as server:
        await server.serve_forever()


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1:`port` (0: any free one); raises `OSError` when the port is taken."""
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


def main(descriptor: str, namespace: str, address: str, port: str) -> None:
    """Forward until killed."""
    listener = socket.socket(fileno=int(descriptor))
    kernel.enter_network(network.path(namespace))
    asyncio.run(serve(listener, address, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:5])
