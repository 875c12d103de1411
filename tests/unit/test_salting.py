"""A salted password is computed once, whoever asks for it, and a failure is not kept."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from argon2.exceptions import HashingError
from argon2.low_level import hash_secret_raw

from ionman.calls import salting


def test_all_who_ask_at_once_get_what_the_first_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    real, everybody = hash_secret_raw, threading.Barrier(8)

    def counted(*words: Any, **named: Any) -> bytes:
        computed.append(1)
        return real(*words, **named)

    monkeypatch.setattr(salting, "hash_secret_raw", counted)
    salt = os.urandom(16)

    def ask(_: int) -> bytes:
        everybody.wait(10)
        return salting.salted(b"password", salt, 1, 64)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(ask, range(8)))
    assert (len(found), len(computed)) == (1, 1)
    assert salting.salted(b"other", salt, 1, 64) not in found
    assert salting.salted(b"password", salt, 2, 64) not in found


def test_of_many_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(salting, "_known", {})
    for number in range(salting.KEPT + 5):
        salting.salted(b"password", number.to_bytes(16), 1, 8)
    assert len(salting._known) == salting.KEPT


def test_a_failure_is_not_kept() -> None:
    for _ in range(2):
        with pytest.raises(HashingError):
            salting.salted(b"password", b"short", 1, 8)
