"""The sample of amazon_kclpy, unchanged, by the command of its guide, without Java.

SHARDWISE_KCLPY names the unpacked source of amazon_kclpy: installed, it would fetch its jars.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

KCLPY = Path(os.environ["SHARDWISE_KCLPY"])
SAMPLES = KCLPY / "samples"
STREAM = "kclpysample"
TABLE = "PythonKCLSample"
WORDS = ["cat", "dog", "bird"]
WITHIN_S = 60
LOOK_S = 0.05
# The words of the package's guide, in a directory that has the file. `exec`, so that a signal
# reaches the daemon and its exit code is seen.
GUIDE = (
    "exec `amazon_kclpy_helper.py --print_command --java /usr/bin/java "
    "--properties samples/sample.properties`"
)


@pytest.fixture
def environment(installed):
    """Local endpoints, and what a program needs to find them."""
    ports = ["--kinesis-port", "0", "--dynamodb-port", "0"]
    command = [installed.bin / "shardwise", "local", *ports]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=installed.environment) as local:
        try:
            urls = json.loads(local.stdout.readline())
            yield {
                **installed.environment,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_ENDPOINT_URL_KINESIS": urls["kinesis"],
                "AWS_ENDPOINT_URL_DYNAMODB": urls["dynamodb"],
                "PYTHONDONTWRITEBYTECODE": "1",
            }
        finally:
            local.terminate()


def client(service, environment):
    return boto3.client(
        service,
        endpoint_url=environment[f"AWS_ENDPOINT_URL_{service.upper()}"],
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


def last_put(kinesis):
    """The sequence number of the last record, once all words are in the one shard."""
    shard = kinesis.list_shards(StreamName=STREAM)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [record["PartitionKey"] for record in records] == WORDS
    return records[-1]["SequenceNumber"]


def checkpoint(dynamodb):
    """Where the shard's lease stands; none before there is one."""
    try:
        leases = dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    return leases[0]["checkpoint"]["S"] if leases else None


def until_checkpointed(daemon, dynamodb, log):
    deadline = time.monotonic() + WITHIN_S
    while not (checkpoint(dynamodb) or "").isdigit():
        assert daemon.poll() is None, f"the daemon has ended\n{log.read_text()}"
        assert time.monotonic() < deadline, f"no checkpoint\n{log.read_text()}"
        time.sleep(LOOK_S)


def test_the_sample_runs_unchanged_by_the_command_of_its_guide(environment, tmp_path):
    putter = [sys.executable, SAMPLES / "sample_kinesis_wordputter.py", "--stream", STREAM]
    words = [part for word in WORDS for part in ("-w", word)]
    subprocess.run([*putter, *words], env=environment, check=True, timeout=WITHIN_S)
    last = last_put(client("kinesis", environment))
    dynamodb = client("dynamodb", environment)

    os.symlink(SAMPLES, tmp_path / "samples")
    # As if amazon_kclpy were installed: its modules can be imported, its samples are in PATH.
    path = f"{environment['PATH']}:{SAMPLES}"
    environment = {**environment, "PATH": path, "PYTHONPATH": str(KCLPY)}
    log = tmp_path / "daemon.log"
    with log.open("w") as stderr:
        daemon = subprocess.Popen(
            ["sh", "-c", GUIDE], env=environment, cwd=tmp_path, stderr=stderr
        )
    try:
        until_checkpointed(daemon, dynamodb, log)
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WITHIN_S) == 0, log.read_text()
    finally:
        daemon.kill()

    assert checkpoint(dynamodb) == last
    text = log.read_text()
    for word in WORDS:
        assert f"Partition Key: {word}," in text, text
