"""Writes docs/conformance.md from the results of a run, or checks that it is as the run says.

    python matrix.py RESULTS PAGE [--check]
"""

import json
import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from servers import npm

HERE = Path(__file__).parent
AGAIN = "cargo xtask conformance"
HEAD = f"""# Conformance of the local endpoints

<!-- Written by `{AGAIN}`. Do not edit. -->

What a Kinesis Client Library depends on, as cases that run against `shardwise local` and against
every independent implementation that can be had here. The service's documentation is the judge:
each case names the place it is taken from. That several implementations agree proves nothing, and
none of this was run against AWS.

`cargo xtask test conformance` runs it all, `{AGAIN}` also writes this page. The cases
are in [crates/local/tests/conformance](../crates/local/tests/conformance), and so is the list of
known deviations: a case that is listed must fail, one that is not must pass.

Left out: DynamoDB Local, whose terms are no open-source licence; ferrokinesis, which takes minutes
to build, is known to hang and to lose records, and goes on with no subscription where it was
([ADR 20](adr/0020-two-implementations-are-not-run.md)); the fakecloud crates, for their licence.
"""
FILES = {
    "kinesis": {
        "streams": "Streams",
        "listing": "ListShards",
        "reading": "Iterators and GetRecords",
        "shard_end": "The end of a shard",
        "resharding": "Resharding",
        "writing": "PutRecord and PutRecords",
        "limits": "Limits",
        "fan_out": "Stream consumers and SubscribeToShard",
        "protocol": "Protocol",
        "cbor": "CBOR",
    },
    "dynamodb": {
        "table": "Tables",
        "legacy_writes": "Writes of leases, as Java sends them",
        "lease_writes": "Writes of leases, as expressions",
        "values": "Values",
        "table_reads": "Reads",
    },
}
MARKS = {"passed": "ok", "deviates": "**X**", None: "–"}
LEGEND = """\
ok: as documented. **X**: deviates, see below. –: not run, since it is not offered (a short life, a
slow change of state, limits) or goes one way or the other by chance."""


def installed(name):
    """The version of an implementation, as its package says."""
    if name == "shardwise":
        return "this tree"
    if name == "moto":
        return version("moto")
    return json.loads(npm(name, "package.json").read_text())["version"]


def sentence(case):
    return case.replace("_", " ")


def page(results, implementations):
    outcomes = {(it["case"], it["file"], it["implementation"]): it["outcome"] for it in results}
    failed = sorted({it["case"] for it in results if it["outcome"] == "failed"})
    if failed:
        raise SystemExit(f"no page is written of a run with failures: {', '.join(failed)}")
    text = [HEAD, "| implementation | version | as documented | deviates |", "| --- " * 4 + "|"]
    for implementation in implementations:
        name = implementation["name"]
        mine = [it["outcome"] for it in results if it["implementation"] == name]
        counts = f"{mine.count('passed')} | {mine.count('deviates')}"
        text.append(f"| {name} | {installed(name)} | {counts} |")
    text += ["", LEGEND]
    for service, files in FILES.items():
        names = [it["name"] for it in implementations if service in it]
        for file, title in files.items():
            text += ["", f"## {title}", "", f"| case | from | {' | '.join(names)} |"]
            text.append("| --- " * (len(names) + 2) + "|")
            mine = [it for it in results if it["file"] == file]
            cases = {(it["line"], it["case"], it["source"]) for it in mine}
            for _, case, source in sorted(cases):
                marks = [MARKS[outcomes.get((case, file, name))] for name in names]
                text.append(f"| {sentence(case)} | {source} | {' | '.join(marks)} |")
    for implementation in implementations:
        text += ["", f"## What deviates: {implementation['name']}", ""]
        for case, reason in implementation.get("deviations", {}).items():
            text.append(f"- {sentence(case)}: {reason}")
        for case, reason in implementation.get("not_run", {}).items():
            text.append(f"- not run: {sentence(case)}: {reason}")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(text)) + "\n"


def main(results, path, check=""):
    implementations = tomllib.loads((HERE / "conformance.toml").read_text())["implementation"]
    wanted = page(json.loads(Path(results).read_text()), implementations)
    path = Path(path)
    if check != "--check":
        path.write_text(wanted)
    elif not path.exists() or path.read_text() != wanted:
        raise SystemExit(f"{path} is not what this run says; `{AGAIN}` writes it")


main(*sys.argv[1:])
