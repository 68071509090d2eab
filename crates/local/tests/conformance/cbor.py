"""CBOR as Java's SDK writes and reads it: by hand, as libraries take tag 1 for seconds, and Java for
milliseconds."""

import struct

INDEFINITE, BREAK = 31, 0xFF
FLOATS = {25: ">e", 26: ">f", 27: ">d"}
SIMPLE = {20: False, 21: True, 22: None, 23: None}
TIME = 1


class Time(int):
    """Milliseconds since the epoch."""


def encode(value):
    """The bytes of a value: maps and lists without a length, as Jackson writes them."""
    match value:
        case Time():
            return head(6, TIME) + head(0, value)
        case int():
            return head(0, value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            text = value.encode()
            return head(3, len(text)) + text
        case list():
            return b"\x9f" + b"".join(map(encode, value)) + b"\xff"
        case dict():
            entries = (encode(name) + encode(field) for name, field in value.items())
            return b"\xbf" + b"".join(entries) + b"\xff"
    raise TypeError(f"{value!r}")


def head(major, number):
    for info, size, layout in (24, 1 << 8, ">B"), (25, 1 << 16, ">H"), (26, 1 << 32, ">I"):
        if number < 24:
            return bytes([major << 5 | number])
        if number < size:
            return bytes([major << 5 | info]) + struct.pack(layout, number)
    return bytes([major << 5 | 27]) + struct.pack(">Q", number)


def decode(data):
    """The one value that the bytes are; a time is one only if it is a whole number."""
    value, rest = item(data)
    assert not rest, f"{len(rest)} bytes follow"
    return value


def item(data):
    assert data, "the bytes end too early"
    major, info, rest = data[0] >> 5, data[0] & 31, data[1:]
    if major == 7 and info in FLOATS:
        layout = FLOATS[info]
        size = struct.calcsize(layout)
        return struct.unpack(layout, rest[:size])[0], rest[size:]
    if major == 7:
        return SIMPLE[info], rest
    count, rest = (None, rest) if info == INDEFINITE else number(info, rest)
    if major in (0, 1):
        return (-1 - count if major else count), rest
    if major in (2, 3) and count is not None:
        assert len(rest) >= count, "the bytes end too early"
        return (rest[:count].decode() if major == 3 else rest[:count]), rest[count:]
    if major == 6:
        value, rest = item(rest)
        return (Time(value) if count == TIME and isinstance(value, int) else value), rest
    items, rest = several(rest, count if major != 5 or count is None else 2 * count)
    if major == 5:
        return dict(zip(items[::2], items[1::2])), rest
    return (items if major == 4 else ("" if major == 3 else b"").join(items)), rest


def number(info, rest):
    if info < 24:
        return info, rest
    size = 1 << info - 24
    return int.from_bytes(rest[:size], "big"), rest[size:]


def several(rest, count):
    items = []
    while count != len(items):
        if count is None and rest[:1] == bytes([BREAK]):
            return items, rest[1:]
        value, rest = item(rest)
        items.append(value)
    return items, rest
