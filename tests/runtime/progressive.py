"""A caller that asks for progressive results, message by message, so that a test sees each as it comes."""

import asyncio
import ssl
import threading
from typing import Any

import cbor2
from websockets.asyncio.client import ClientConnection, connect

from ionman.calls.login import Account, login
from tests.crossbar import Crossbar
from tests.runtime.author import PATIENCE

HELLO, WELCOME, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR, CALL, RESULT = 1, 2, 4, 5, 6, 8, 48, 50


class ProgressiveCall(threading.Thread):
    """One call by alice: `progress` as it arrives, then `answer` or `error` (its URI)."""

    def __init__(self, router: Crossbar, uri: str, argv: Any) -> None:
        super().__init__()
        self._router, self._uri, self._argv = router, uri, argv
        self.progress: list[Any] = []
        self.answer: Any = None
        self.error = ""
        self.start()

    def run(self) -> None:
        asyncio.run(self._call())

    async def _call(self) -> None:
        context = ssl.create_default_context(cafile=str(self._router.ca))
        address = f"wss://{self._router.address}/ws"
        async with connect(address, ssl=context, subprotocols=["wamp.2.cbor"]) as websocket:  # type: ignore[list-item]
            account = Account(self._router.realm, "alice", self._router.users["alice"])
            proof = login(account)
            roles = {"caller": {"features": {"progressive_call_results": True}}}
            hello = {"roles": roles, "authid": "alice", "authmethods": [proof.method], "authextra": proof.extra()}
            await websocket.send(cbor2.dumps([HELLO, account.realm, hello]))
            challenge = await _received(websocket)
            await websocket.send(cbor2.dumps([AUTHENTICATE, proof.answer(challenge[2]), {}]))
            assert (await _received(websocket))[0] == WELCOME
            await websocket.send(cbor2.dumps([CALL, 1, {"receive_progress": True}, self._uri, [self._argv]]))
            while not self._taken(await _received(websocket)):
                pass
            await websocket.send(cbor2.dumps([GOODBYE, {}, "wamp.close.close_realm"]))

    def _taken(self, message: list[Any]) -> bool:
        """Take one message; whether it was the last."""
        if message[0] == ERROR:
            self.error = message[4]
            return True
        value = message[3][0] if len(message) > 3 else None
        if message[2].get("progress"):
            self.progress.append(value)
            return False
        self.answer = value
        return True


async def _received(websocket: ClientConnection) -> list[Any]:
    """The next message, within `PATIENCE` s."""
    data = await asyncio.wait_for(websocket.recv(decode=False), PATIENCE)
    message: list[Any] = cbor2.loads(data)
    return message
