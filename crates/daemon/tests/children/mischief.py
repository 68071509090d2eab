"""A child of the daemon that misbehaves on request.

    mischief.py DIRECTORY MODE[:ACTION] ...

Each mode happens once for each shard (a marker file remembers it); the next child of that
shard behaves. `always` before a mode makes it happen every time; `only:SHARD` leaves other
shards' children alone. `journal.jsonl` in DIRECTORY gets a line for each thing that happens:
which child, which shard, which records.
"""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import time

DIRECTORY = sys.argv[1]
MODES = sys.argv[2:]
SHARD = None
LAST = None


def journal(event, **more):
    entry = {"event": event, "shard": SHARD, "pid": os.getpid(), **more}
    entry["at"] = time.clock_gettime(time.CLOCK_MONOTONIC)
    line = (json.dumps(entry) + "\n").encode()
    handle = os.open(os.path.join(DIRECTORY, "journal.jsonl"),
                     os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, line)
    os.close(handle)


def mode(text):
    """Whether a mode is to happen now."""
    if any(other.startswith("only:") and other != f"only:{SHARD}" for other in MODES):
        return False
    if text not in MODES:
        return False
    if "always" in MODES[:MODES.index(text)]:
        return True
    marker = os.path.join(DIRECTORY, f"did-{text}-{SHARD}")
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def say(text):
    sys.stdout.buffer.write(text if isinstance(text, bytes) else text.encode())
    sys.stdout.buffer.flush()


def status(action):
    say(json.dumps({"action": "status", "responseFor": action}) + "\n")


def read():
    line = sys.stdin.buffer.readline()
    if not line:
        return None
    return json.loads(line)


def checkpoint(number=None, sub=None):
    say(json.dumps({"action": "checkpoint", "sequenceNumber": number,
                    "subSequenceNumber": sub}) + "\n")
    answer = read()
    journal("checkpoint", number=number, answer=answer and answer.get("error", "?"))
    return answer


def hang():
    while True:
        time.sleep(1000)


def noise():
    """What may be written before any answer without harm."""
    if mode("flood-stdout"):
        for _ in range(20000):
            say("x" * 200 + "\n")
        journal("flooded stdout")
    if mode("flood-stderr"):
        for _ in range(200000):
            sys.stderr.write("x" * 200 + "\n")
        journal("flooded stderr")
    if mode("long-line"):
        for _ in range(1 << 10):
            say(b"x" * (1 << 20))
        say("\n")
        journal("wrote a long line")
    if mode("bad-utf8"):
        say(b"\xff\xfe\x80\n\xc3\x28{}\n")
    if mode("garbage"):
        say('{"action":"status"\nnull\n[]\n{"action":"status","extra":1}\n\r\n\x1b[31mred\n')
        say('{"action":"checkpoint","checkpoint":"1"}\n{"action":"launch"}\n')
    if mode("stray"):
        say('{"action":"Status","responseFor":"initialize"}\n')
        say('{"action":"status","responseFor":"initialize","took":7}\n')
        say('{"action":"shutdown","reason":"ZOMBIE"}\n{"action":"user \\u001b[31m logged in"}\n')
    if mode("deep"):
        say("[" * 100000 + "\n" + '{"action":' + '{"a":' * 100000 + "\n")
    if mode("stderr"):
        sys.stderr.write("plain words\n\x1b[31mINFO forged=\"line\"\n")
        if os.environ.get("SHARDWISE_LOG") == "stderr":
            line = {"level": "warn", "message": "by the\nchannel", "order": 42}
            sys.stderr.write(f"@shardwise {json.dumps(line)}\n")
        sys.stderr.flush()


def fail(action):
    """Failures that end this child, if one is wanted for this action."""
    if mode(f"exit:{action}"):
        sys.stderr.write(f"last words before {action}\n")
        sys.stderr.flush()
        journal("exits", action=action)
        os._exit(3)
    if mode(f"exit-held:{action}"):
        process = subprocess.Popen(["sleep", "1000"])
        journal("exits, its pipes held", grandchild=process.pid)
        os._exit(3)
    if mode(f"kill:{action}"):
        journal("kills itself", action=action)
        os.kill(os.getpid(), signal.SIGKILL)
    if mode(f"half:{action}"):
        journal("exits in a line", action=action)
        say('{"action":"stat')
        os._exit(0)
    if mode(f"hang:{action}"):
        journal("hangs", action=action)
        hang()
    if mode(f"close-stdout:{action}"):
        journal("closes stdout", action=action)
        os.close(1)
        hang()
    if mode(f"close-stdin:{action}"):
        journal("closes stdin", action=action)
        os.close(0)
        hang()
    if mode(f"close-stdin-ask:{action}"):
        journal("closes stdin", action=action)
        os.close(0)
        # Of a place that is none, so that nothing is stored.
        say('{"action":"checkpoint","sequenceNumber":"x"}\n')
        hang()
    if mode(f"old-checkpoint:{action}"):
        journal("asks for a checkpoint as before 1.7.2", action=action)
        say('{"action":"checkpoint","checkpoint":"1"}\n')
        read()
    write_for_ever(action)


def write_for_ever(action):
    """Writes to stdout and never answers: one line that does not end, or lines without end."""
    for name, piece in [("endless-line", b"x" * (1 << 16)), ("endless-lines", b"x" * 199 + b"\n")]:
        if mode(f"{name}:{action}"):
            journal("writes for ever", action=action)
            while True:
                say(piece * 8)


def drip(text):
    """Writes byte by byte, with pauses."""
    for at in range(len(text)):
        say(text[at:at + 1])
        time.sleep(0.002)


def last_words():
    """Answers a second time, and prints once the daemon has had time to take that ill."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    status("leaseLost")
    pipe = select.poll()
    pipe.register(1, 0)
    journal("answered again", closed=bool(pipe.poll(500)))
    say("goodbye\n")
    journal("exits in order")


def begin():
    if mode("early"):
        checkpoint()
    if mode("ignore-term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode("grandchild"):
        ignore = lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        process = subprocess.Popen(["sleep", "1000"], preexec_fn=ignore)
        journal("grandchild", grandchild=process.pid)
    if mode("escape"):
        process = subprocess.Popen(["sleep", "30"], start_new_session=True)
        journal("grandchild", grandchild=process.pid)


def leave_zombies():
    """A process that has ended and that nobody waits for: one of this child's own, and one of a
    process that has left the child's group, which outlives the child."""
    if mode("zombie"):
        process = subprocess.Popen(["true"])
        journal("zombie", grandchild=process.pid)
    if mode("zombie-of-another"):
        parent = os.fork()
        if parent == 0:
            zombie = os.fork()
            if zombie == 0:
                os._exit(0)
            journal("zombie", grandchild=zombie)
            os.setsid()
            journal("keeper", grandchild=os.getpid())
            for descriptor in range(3):
                os.close(descriptor)
            time.sleep(30)
            os._exit(0)


def inside(records):
    """Makes a checkpoint at a user record that has others of its aggregate behind it."""
    numbers = [record["sequenceNumber"] for record in records]
    for record in records:
        sub = record["subSequenceNumber"]
        if numbers.count(record["sequenceNumber"]) > 1 and mode(f"inside:{sub}"):
            checkpoint(record["sequenceNumber"], sub)
            fail("inside")
            return


def process(message):
    global LAST
    for record in message["records"]:
        data = base64.b64decode(record["data"]).decode()
        journal("record", data=data, number=record["sequenceNumber"],
                sub=record["subSequenceNumber"], key=record["partitionKey"], fields=list(record))
        LAST = record["sequenceNumber"]
    inside(message["records"])
    if message["records"] and mode("quotes"):
        sys.stderr.write(f"cannot handle {data}\n")
        sys.stderr.flush()
        os._exit(5)
    if mode("storm"):
        for number in ["1", "9" * 60, "x", "-1", True, None, LAST, "1"]:
            checkpoint(number)
        checkpoint(LAST, -1)
    if mode("long-numbers"):
        for number in ["x" * 500000, "1" * 500000]:
            checkpoint(number)
    if mode("slow"):
        time.sleep(3)
    if mode("unhurried"):
        time.sleep(0.3)
    if not mode("no-checkpoint"):
        checkpoint()


def main():
    global SHARD
    while True:
        message = read()
        if message is None:
            journal("end of stdin")
            if mode("stay"):
                hang()
            if mode("last-words"):
                last_words()
            return
        action = message["action"]
        if action == "initialize":
            SHARD = message["shardId"]
            journal("initialize", number=message["sequenceNumber"],
                    sub=message["subSequenceNumber"],
                    environment=sorted(os.environ), files=sorted(os.listdir("/proc/self/fd")))
            begin()
            leave_zombies()
            noise()
        else:
            journal(action)
        fail(action)
        if action == "processRecords":
            process(message)
        if action == "shutdownRequested":
            checkpoint()
        if action == "shardEnded" and not mode("forget"):
            checkpoint()
        if mode(f"late:{action}"):
            time.sleep(2)
        if mode(f"drip:{action}"):
            text = json.dumps({"action": "status", "responseFor": action})
            drip("\r\n" + text + "\r\n")
        elif mode(f"wrong:{action}"):
            journal("answers wrongly", action=action)
            status("somethingElse")
        elif mode(f"bare:{action}"):
            say('{"action":"status"}\n')
        elif mode(f"glued:{action}"):
            say("hello")
            status(action)
        elif mode(f"twice:{action}"):
            text = json.dumps({"action": "status", "responseFor": action}) + "\n"
            say(text + text)
        else:
            status(action)
        if mode(f"unasked-after:{action}"):
            say('{"action":"status","responseFor":"launch"}\n' * 5000)
            journal("answered what was not asked")
        if mode(f"exit-after:{action}"):
            journal("exits after its answer", action=action)
            os._exit(4)
        if mode(f"close-stdin-after:{action}"):
            journal("closes stdin", action=action)
            os.close(0)
            hang()
        if mode(f"deaf-after:{action}"):
            journal("hangs", action=action)
            hang()


main()
