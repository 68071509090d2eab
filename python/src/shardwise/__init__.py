"""The Kinesis Client Library without Java: where this package has put its daemon."""

from shardwise.binary import BinaryNotFound, find_binary

__all__ = ["BinaryNotFound", "find_binary"]
