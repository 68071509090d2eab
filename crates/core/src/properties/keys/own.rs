//! Our own keys. All begin with `shardwise.`, which Java ignores, so that one file starts both.

use std::num::NonZeroUsize;

use super::{Key, Takes, Word, honoured, to_usize};
use crate::config::CreateTable;
use crate::properties::settings::{LogFormat, LogTo, OnChildFailure};

pub(super) static KEYS: &[Key] = &[
    honoured(
        "shardwise.onChildFailure",
        "`restart` or `exit`",
        "`restart`",
        Takes::Choice(&[
            Word { text: "restart", set: |draft| draft.child.on_failure = OnChildFailure::Restart },
            Word { text: "exit", set: |draft| draft.child.on_failure = OnChildFailure::Exit },
        ]),
        "What a failed child ends: its own shard until a new child has started at the last \
         checkpoint, or the whole daemon with exit code 1, as in Java.",
    ),
    honoured(
        "shardwise.processRecordsTimeoutSeconds",
        "seconds",
        "`timeoutInSeconds`",
        Takes::Seconds(|draft, time| draft.child.process_records_timeout = Some(time)),
        "As `timeoutInSeconds`, for `processRecords` alone.",
    ),
    honoured(
        "shardwise.childEnvironment",
        "`inherit`, `minimal`, or names separated by commas",
        "`inherit`",
        Takes::Text(|draft, text| draft.child_environment = Some(text)),
        "Which environment variables children get: all, those a program needs to run (`PATH`, \
         `HOME`, `LANG`, ...), or these.",
    ),
    honoured(
        "shardwise.childLogLinesPerSecond",
        "number",
        "100",
        Takes::CountFromZero(|draft, lines| draft.child.log_lines_per_second = Some(lines)),
        "How many lines of each pipe of a child are logged in a second; the others are counted. 0 \
         is all of them, as in Java.",
    ),
    honoured(
        "shardwise.leaseTable.create",
        "`if-missing` or `never`",
        "`if-missing`",
        Takes::Choice(&[
            Word { text: "if-missing", set: |draft| draft.create_table = CreateTable::IfMissing },
            Word { text: "never", set: |draft| draft.create_table = CreateTable::Never },
        ]),
        "Whether the lease table is made when it is missing. With `never` the keys that are about a \
         new table have no effect, each with a warning.",
    ),
    honoured(
        "shardwise.leaseTable.billing",
        "`on-demand` or `provisioned`",
        "`on-demand`",
        Takes::Choice(&[
            Word { text: "on-demand", set: |draft| draft.provisioned = false },
            Word { text: "provisioned", set: |draft| draft.provisioned = true },
        ]),
        "How a lease table that we make is paid for.",
    ),
    honoured(
        "shardwise.leaseTable.readCapacity",
        "number",
        "`initialLeaseTableReadCapacity`",
        Takes::Count(|draft, units| draft.read_capacity = Some(units)),
        "Read capacity units, with provisioned billing.",
    ),
    honoured(
        "shardwise.leaseTable.writeCapacity",
        "number",
        "`initialLeaseTableWriteCapacity`",
        Takes::Count(|draft, units| draft.write_capacity = Some(units)),
        "Write capacity units, with provisioned billing.",
    ),
    honoured(
        "shardwise.leaseTable.tags",
        "`key=value,key2=value2`",
        "none",
        Takes::Tags(|draft, tags| draft.tags = tags.into_iter().collect()),
        "Tags of a lease table that we make.",
    ),
    honoured(
        "shardwise.allowInsecureEndpoint",
        "true or false",
        "false",
        Takes::Flag(|draft, yes| draft.allow_insecure_endpoint = yes),
        "Whether an `http://` endpoint may be on another machine: requests, with what the \
         credentials sign, then cross the network in clear.",
    ),
    honoured(
        "shardwise.metrics",
        "`none`, or a list of `cloudwatch` and `otlp`",
        "`cloudwatch`",
        Takes::Text(|draft, text| draft.metrics.targets = Some(text)),
        "Where metrics are sent: to CloudWatch, or to an OpenTelemetry collector over OTLP/HTTP.",
    ),
    honoured(
        "shardwise.otlpEndpoint",
        "URL",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, else OTEL_EXPORTER_OTLP_ENDPOINT, else \
         `http://localhost:4318`",
        Takes::Endpoint(|draft, url| draft.metrics.otlp_endpoint = Some(url)),
        "Where the collector is, with `shardwise.metrics = otlp`; `/v1/metrics` is added, but not to \
         the variable for metrics alone. Headers, such as one with a token, come from \
         OTEL_EXPORTER_OTLP_METRICS_HEADERS, else OTEL_EXPORTER_OTLP_HEADERS.",
    ),
    honoured(
        "shardwise.cloudWatchOwnMetrics",
        "true or false",
        "false",
        Takes::Flag(|draft, yes| draft.metrics.own = yes),
        "Whether CloudWatch is also sent the metrics that Java does not have.",
    ),
    honoured(
        "shardwise.logTo",
        "`stderr` or `stdout`",
        "`stderr`",
        Takes::Choice(&[
            Word { text: "stderr", set: |draft| draft.log.to = LogTo::Stderr },
            Word { text: "stdout", set: |draft| draft.log.to = LogTo::Stdout },
        ]),
        "Where the daemon logs. Java logs to stdout.",
    ),
    honoured(
        "shardwise.logFormat",
        "`text` or `json`",
        "`text`",
        Takes::Choice(&[
            Word { text: "text", set: |draft| draft.log.format = LogFormat::Text },
            Word { text: "json", set: |draft| draft.log.format = LogFormat::Json },
        ]),
        "How the daemon logs.",
    ),
    honoured(
        "shardwise.logLevel",
        "`error`, `warn`, `info`, `debug`, `trace`, or a filter as in `RUST_LOG`",
        "`info`",
        Takes::Text(|draft, text| draft.log.level = Some(text)),
        "What the daemon logs. `RUST_LOG` wins over it; it wins over a Logback file. Whatever they \
         say, other crates than ours log no more than warnings: their debug output has signed \
         requests in it.",
    ),
    honoured(
        "shardwise.polling",
        "`fixed` or `adaptive`",
        "`fixed`",
        Takes::Choice(&[
            Word { text: "fixed", set: |draft| draft.is_adaptive = false },
            Word { text: "adaptive", set: |draft| draft.is_adaptive = true },
        ]),
        "`fixed` reads as `idleTimeBetweenReadsInMillis` says; `adaptive` five times a second while \
         records come or the shard is behind, and for five seconds after that, else once a second, \
         as for a minute after a throttled read.",
    ),
    honoured(
        "shardwise.byteBudget",
        "bytes",
        "268435456",
        Takes::Count(|draft, bytes| draft.byte_budget = to_usize(bytes)),
        "Bytes of records that may be in memory, of all shards together. Each shard may have 1 MiB \
         of them, or one record that is larger, and borrow up to a quarter.",
    ),
    honoured(
        "shardwise.shardsPerChild",
        "number",
        "1",
        Takes::Count(|draft, shards| {
            draft.child.shards_per_child = NonZeroUsize::new(to_usize(shards))
        }),
        "How many shards one child may serve, if it wants to: a program on the npm package that gives \
         `kcl` a function which makes record processors. Its shards fail together. Other programs \
         have a child for each shard all the same.",
    ),
    honoured(
        "shardwise.httpPort",
        "1 to 65535",
        "-",
        Takes::Count(|draft, port| draft.http.port = Some(port)),
        "Serves `/healthz`, `/readyz`, `/metrics` (for Prometheus) and `/status.json` there; without \
         it no port is opened.",
    ),
    honoured(
        "shardwise.httpAddress",
        "IP address",
        "127.0.0.1",
        Takes::Text(|draft, address| draft.http.address = Some(address)),
        "Where `shardwise.httpPort` is opened. One that other machines reach needs \
         `shardwise.httpTokenFile`.",
    ),
    honoured(
        "shardwise.httpTokenFile",
        "path",
        "-",
        Takes::Text(|draft, path| draft.http.token_file = Some(path)),
        "A file with the token, of 22 characters at the least, that `/metrics` and `/status.json` \
         ask for: `Authorization: Bearer TOKEN`.",
    ),
    honoured(
        "shardwise.httpHosts",
        "names separated by commas",
        "none",
        Takes::Text(|draft, hosts| draft.http.hosts = Some(hosts)),
        "Names beside `localhost` under which this machine may be asked, as through a tunnel. \
         Requests for other names are refused, because a web page could have sent them; with a \
         token any name will do.",
    ),
];
