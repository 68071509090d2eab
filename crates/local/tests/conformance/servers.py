"""Starts the implementations, each on free ports, and makes clients for them.

The environment says where they are: SHARDWISE_BIN and SHARDWISE_SERVE, the binary and the example
`serve` of ours; CONFORMANCE_NPM, the folder in which npm has installed the others. moto is a module
of the Python that runs this.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config

LISTENS_WITHIN_S = 30
# An implementation that does not answer at all deviates; none needs as long as this.
ANSWERS_WITHIN_S = 5
# More than all cases together make.
SHARDS_MAX = 5000
# How long streams and tables stay in between states where that is to be seen.
SLOW_MS = 1500


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def npm(*path):
    return Path(os.environ["CONFORMANCE_NPM"], "node_modules", *path)


class Server:
    """A process that serves one or both services, and its URLs by service."""

    def __init__(self, command, urls=None, **environment):
        self.clients = {}
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if urls is None else self.log,
            stderr=self.log,
            cwd=environment.pop("cwd", None),
            env={**os.environ, **environment},
        )
        # Ours print where they listen.
        self.urls = self.told() if urls is None else urls
        for url in self.urls.values():
            self.wait_for(int(url.rsplit(":", 1)[1]))

    def wait_for(self, port):
        deadline = time.monotonic() + LISTENS_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"no listener: {self.said()}") from None
                time.sleep(0.05)

    def told(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"no endpoints: {self.said()}")
        return json.loads(line)

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def stop(self):
        # By force: kinesis-local takes its time over being asked.
        self.process.kill()
        self.process.wait()


def shardwise(variant):
    local = [os.environ["SHARDWISE_BIN"], "local", "--kinesis-port", "0", "--dynamodb-port", "0"]
    serve = os.environ["SHARDWISE_SERVE"]
    lives = ["iterator-lifetime-ms=1000", "next-token-lifetime-ms=1000", "retention-ms=2000"]
    lives.append("subscription-lifetime-ms=1000")
    steps = ("creating", "updating", "deleting", "registering")
    slow = [f"{step}-ms={SLOW_MS}" for step in steps]
    commands = {
        "plain": local,
        "short": [serve, *lives],
        "slow": [serve, *slow],
        "limited": [*local, "--service-limits"],
    }
    return Server(commands[variant])


def kinesis_local(variant):
    plain = free_port()
    duration = f"{SLOW_MS if variant == 'slow' else 5}ms"
    steps = ("CREATE_STREAM", "DELETE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT")
    steps += ("REGISTER_STREAM_CONSUMER", "DEREGISTER_STREAM_CONSUMER")
    return Server(
        ["node", npm("kinesis-local", "main.js")],
        {"kinesis": f"http://127.0.0.1:{plain}"},
        # It looks for its certificate beside itself only if it is started there.
        cwd=npm("kinesis-local"),
        KINESIS_MOCK_PLAIN_PORT=str(plain),
        KINESIS_MOCK_TLS_PORT=str(free_port()),
        SHARD_LIMIT=str(SHARDS_MAX),
        LOG_LEVEL="ERROR",
        **{f"{step}_DURATION": duration for step in steps},
    )


def kinesalite(variant):
    port, ms = free_port(), str(SLOW_MS if variant == "slow" else 5)
    steps = ["--createStreamMs", ms, "--deleteStreamMs", ms, "--updateStreamMs", ms]
    steps += ["--shardLimit", str(SHARDS_MAX)]
    command = ["node", npm("kinesalite", "cli.js"), "--port", str(port), *steps]
    return Server(command, {"kinesis": f"http://127.0.0.1:{port}"})


def dynalite(variant):
    port, ms = free_port(), str(SLOW_MS if variant == "slow" else 5)
    steps = ["--createTableMs", ms, "--deleteTableMs", ms, "--updateTableMs", ms]
    command = ["node", npm("dynalite", "cli.js"), "--port", str(port), *steps]
    return Server(command, {"dynamodb": f"http://127.0.0.1:{port}"})


def moto(_variant):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return Server(command, {"kinesis": url, "dynamodb": url})


STARTS = {
    "shardwise": shardwise,
    "kinesis-local": kinesis_local,
    "kinesalite": kinesalite,
    "dynalite": dynalite,
    "moto": moto,
}


class Fleet:
    """The servers running, each started when first asked for, and again if a case has ended it."""

    def __init__(self):
        self.servers = {}

    def client(self, implementation, variant, service):
        key = (implementation, variant)
        server = self.servers.get(key)
        if server is None or server.process.poll() is not None:
            server = self.servers[key] = STARTS[implementation](variant)
        if service not in server.clients:
            server.clients[service] = self.connect(service, server.urls[service])
        return server.clients[service]

    def connect(self, service, url):
        return boto3.client(
            service,
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=ANSWERS_WITHIN_S,
                read_timeout=ANSWERS_WITHIN_S,
                max_pool_connections=50,
                # What the service refuses is to reach it.
                parameter_validation=False,
            ),
        )

    def stop(self):
        for server in self.servers.values():
            server.stop()
