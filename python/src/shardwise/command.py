"""The command line of `amazon_kclpy_helper.py`, which prints how to start the daemon."""

import argparse
import os
import shlex
import sys

from shardwise.binary import BinaryNotFound, find_binary

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample.properties")


def main():
    parser = _parser()
    options = parser.parse_args()
    if options.print_classpath:
        _note("the class path is empty, no jars are needed.")
        print()
    elif options.print_command:
        if not (options.properties or options.sample):
            # Nothing on stdout: a shell would run the usage that back-ticks have put there.
            parser.error("--print_command needs --properties FILE, or --sample")
        _print_command(options)
    else:
        parser.print_usage()


def _print_command(options):
    properties = SAMPLE if options.sample else options.properties
    if options.sample and options.properties:
        _note("--properties ignored, the sample's file is used.")
    ignored = [f"--{name}" for name in ("java", "classpath") if name in options]
    if ignored:
        _note(f"{' and '.join(ignored)} ignored, no Java is needed.")
    try:
        words = [find_binary(), "daemon", "--properties-file", properties]
    except BinaryNotFound as error:
        sys.exit(f"ERROR: {error}")
    if options.log_configuration is not None:
        words += ["--log-configuration", options.log_configuration]
    print(shlex.join(words))


def _note(text):
    # Stdout is the command.
    print(f"Note: {text}", file=sys.stderr)


def _parser():
    parser = argparse.ArgumentParser(
        description="Prints the command that runs an application written for amazon_kclpy.",
    )
    parser.add_argument("--print_command", action="store_true",
                        help="print the command that starts the daemon; needs --properties")
    parser.add_argument("--print_classpath", action="store_true",
                        help="print the class path, which is empty")
    parser.add_argument("-p", "--properties", "--props", "--prop", metavar="FILE",
                        help="properties file of the application")
    parser.add_argument("--sample", "--sample-props", "--use-sample-properties",
                        action="store_true",
                        help="use the properties file of amazon_kclpy's sample")
    parser.add_argument("-l", "--log-configuration", metavar="FILE",
                        help="logging configuration, passed on to the daemon")
    # Where `$(which java)` found nothing, no value is left.
    parser.add_argument("-j", "--java", nargs="?", default=argparse.SUPPRESS, metavar="PATH",
                        help="ignored: no Java is needed")
    parser.add_argument("-c", "--classpath", "--path", nargs="?", default=argparse.SUPPRESS,
                        metavar="PATH", help="ignored: no jars are needed")
    return parser
