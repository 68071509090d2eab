#!python
"""The script of this name in amazon_kclpy, for whoever calls it."""

from shardwise.command import main

main()
