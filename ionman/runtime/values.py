"""What counts as JSON-shaped: what a method may be sent and may return, whatever the wire could carry besides.

CBOR carries bytes, dates, NaN and keys that are no strings as well; a method should not meet them, nor a browser.
"""

import math
from typing import Any

DEPTH = 100  # levels of nesting: no honest value comes near, and recursion elsewhere stays safe
MESSAGE_BYTES = 1 << 20  # a router's max_message_size, unless it is configured: beyond it, it closes the connection
ANY = 1 << 62  # octets: for what has come through a router, and so is not too large
SURROUNDING = 1 << 16  # octets: room for what a message has beside the value
ITEM_BYTES = 9  # at most, for what CBOR puts before each item, or for a number: RFC 8949, 3
LIMIT = 1 << 64  # whole numbers beyond 64 bits become something else on the wire


def problem(value: Any, where: str, most: int = MESSAGE_BYTES) -> str:
    """Why `value` is not JSON-shaped, naming the place below `where` (`result.items[3]`), or an empty string.

    `most` is the size in octets of a message that a router takes.
    """
    waiting: list[tuple[Any, str, int]] = [(value, where, 0)]
    size = 0
    while waiting:
        item, place, depth = waiting.pop()
        size += ITEM_BYTES + _length(item)
        if size > most - SURROUNDING:
            return f"{where} is larger than {most - SURROUNDING} octets, more than a router takes (max_message_size)"
        if depth > DEPTH:
            return f"{where} is nested deeper than {DEPTH} levels, or contains itself"
        if isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str) or _scalar(key):
                    return f"{place} has the key {key!r:.60}: keys are strings"
                size += ITEM_BYTES + _length(key)
                waiting.append((inner, f"{place}.{key}"[:200], depth + 1))
        elif isinstance(item, list | tuple):
            waiting.extend((inner, f"{place}[{at}]", depth + 1) for at, inner in enumerate(item))
        elif wrong := _scalar(item):
            return f"{place} is {wrong}"
    return ""


def _length(item: Any) -> int:
    """Bytes of a string's text, 0 for anything else."""
    if not isinstance(item, str):
        return 0
    return len(item) if item.isascii() else len(item.encode("utf-8", "surrogatepass"))


def _scalar(item: Any) -> str:
    """What is wrong with a value that is no container, or an empty string."""
    if item is None or isinstance(item, bool):
        return ""
    if isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError:
            return "a string with half a surrogate pair, which is no text"
        return ""
    if isinstance(item, int):
        return "" if -LIMIT // 2 <= item < LIMIT else "a number of more than 64 bits; send it as a string"
    if isinstance(item, float):
        return "" if math.isfinite(item) else f"{item}, which JSON has no word for"
    return f"of type {type(item).__name__}, which JSON has no form for"
