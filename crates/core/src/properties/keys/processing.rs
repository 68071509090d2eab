//! Keys of retrieval and of record processing.

use super::{Key, Takes, Word, honoured, no_effect, to_usize};
use crate::properties::settings::RetrievalMode;

const RETRIES: &str = "Counted with `fanoutConfig.maxDescribeStreamConsumerRetries`: one look \
                       describes stream and consumer, and registers one that is missing.";

pub(super) static RETRIEVAL: &[Key] = &[
    honoured(
        "retrievalMode",
        "`DEFAULT`, `POLLING` or `FANOUT`",
        "`DEFAULT`",
        Takes::Choice(&[
            Word { text: "DEFAULT", set: |draft| draft.retrieval = RetrievalMode::Default },
            Word { text: "POLLING", set: |draft| draft.retrieval = RetrievalMode::Polling },
            Word { text: "FANOUT", set: |draft| draft.retrieval = RetrievalMode::FanOut },
        ]),
        "How records get out of the stream: `FANOUT` has them pushed (enhanced fan-out, which costs \
         extra), `POLLING` asks for them. `DEFAULT` is Java's rule: polling if `maxRecords`, \
         `idleTimeBetweenReadsInMillis` or `millisBehindLatestThresholdForReducedTps` is set and \
         not 0, or `retryGetRecordsInSeconds` or `maxGetRecordsThreadPool` is set, to 0 too; else \
         fan-out. An empty number is 0. \
         The start's log says which, and why.",
    ),
    honoured(
        "maxRecords",
        "1 to 10000",
        "10000",
        Takes::Count(|draft, records| draft.polling.max_records = records),
        "Records asked for in one GetRecords call.",
    ),
    honoured(
        "idleTimeBetweenReadsInMillis",
        "milliseconds",
        "1500",
        Takes::Millis(|draft, time| draft.idle_time = time),
        "The least time between two reads of a shard; less than 200 is raised to 200.",
    ),
    honoured(
        "millisBehindLatestThresholdForReducedTps",
        "milliseconds",
        "0",
        Takes::MillisFromZero(|draft, time| draft.at_tip = time),
        "A shard that is less than this behind the tip is read again this long after an answer.",
    ),
    no_effect(
        "retryGetRecordsInSeconds",
        "seconds",
        "As in Java, where it only chooses polling under `retrievalMode = DEFAULT`.",
    ),
    no_effect(
        "maxGetRecordsThreadPool",
        "number",
        "As in Java, where it only chooses polling under `retrievalMode = DEFAULT`.",
    ),
    honoured(
        "maxPendingProcessRecordsInput",
        "number",
        "4",
        Takes::Count(|draft, batches| draft.polling.max_pending_batches = to_usize(batches)),
        "Batches of a shard that may wait for its child. A key of KCL 1.x that later versions \
         ignore.",
    ),
    honoured(
        "maxCacheByteSize",
        "bytes",
        "-",
        Takes::Count(|draft, bytes| draft.polling.max_pending_bytes = to_usize(bytes)),
        "Bytes of a shard's records that may be in memory, 1 MiB at the least; without it a quarter \
         of `shardwise.byteBudget`. A key of KCL 1.x that later versions ignore.",
    ),
    honoured(
        "maxRecordsCount",
        "number",
        "30000",
        Takes::Count(|draft, records| draft.polling.max_pending_records = to_usize(records)),
        "Records of a shard that may wait. A key of KCL 1.x that later versions ignore.",
    ),
    no_effect(
        "idleMillisBetweenCalls",
        "milliseconds",
        "A key of KCL 1.x; ignored by later versions too.",
    ),
    no_effect(
        "dataFetchingStrategy",
        "text",
        "A key of KCL 1.x; ignored by later versions too. Records are always fetched ahead.",
    ),
    honoured(
        "fanoutConfig.consumerArn",
        "ARN",
        "-",
        Takes::Text(|draft, arn| draft.consumer_arn = Some(arn)),
        "The registered consumer that fan-out reads as; then none is ever registered.",
    ),
    honoured(
        "fanoutConfig.consumerName",
        "text",
        "`applicationName`",
        Takes::Text(|draft, name| draft.consumer_name = Some(name)),
        "The consumer that fan-out reads as. It is registered if the stream has none of this name, \
         and stays when the daemon stops: it costs until it is deregistered.",
    ),
    no_effect("fanoutConfig.maxDescribeStreamSummaryRetries", "number", RETRIES),
    honoured(
        "fanoutConfig.maxDescribeStreamConsumerRetries",
        "number",
        "10",
        Takes::Count(|draft, looks| draft.registration.looks = looks),
        "How often the consumer is looked for in a row while it is being made or calls are \
         throttled: with each of the start's attempts, and later whenever it turns out to be gone.",
    ),
    no_effect("fanoutConfig.registerStreamConsumerRetries", "number", RETRIES),
    honoured(
        "fanoutConfig.retryBackoffMillis",
        "milliseconds",
        "1000",
        Takes::Millis(|draft, time| draft.registration.backoff = time),
        "The wait between two looks for the consumer.",
    ),
];

pub(super) static PROCESSING: &[Key] = &[
    honoured(
        "timeoutInSeconds",
        "seconds",
        "300, and none for `processRecords`",
        Takes::Seconds(|draft, time| draft.child.response_timeout = Some(time)),
        "How long a child may take for each message it owes. A child that takes longer is ended \
         and its shard starts again from the last checkpoint; Java ends the whole daemon. Without \
         it a child has 300 s to read a batch, and may then work on it for as long as it likes.",
    ),
    honoured(
        "shutdownGraceMillis",
        "milliseconds",
        "25000",
        Takes::Millis(|draft, time| draft.coordinator.shutdown_grace = time),
        "How long a shutdown may take. Java's default is 0, which tells no child anything.",
    ),
    honoured(
        "maxActiveThreads",
        "number",
        "no limit",
        Takes::Limit(|draft, calls| draft.max_calls = Some(calls)),
        "How many children may work on `initialize` or `processRecords` at the same time; a child \
         is started when its shard's turn has come. Messages at a shard's end and at shutdown \
         never wait, and at shutdown no batch is begun that still waits. Where every place is held \
         by a child that has not answered for a minute, and shards wait, an error in the log and \
         `/status.json` say so: `timeoutInSeconds` ends such children. In Java the number of \
         threads of the whole daemon.",
    ),
    honoured(
        "callProcessRecordsEvenForEmptyRecordList",
        "true or false",
        "false",
        Takes::Flag(|draft, yes| draft.processor.call_for_empty_batches = yes),
        "Whether a child is also told of reads without records.",
    ),
    honoured(
        "taskBackoffTimeMillis",
        "milliseconds",
        "500",
        Takes::Millis(|draft, time| draft.processor.backoff = time),
        "The first wait after a failure; it doubles with each failure in a row, up to 30 s.",
    ),
    honoured(
        "parentShardPollIntervalMillis",
        "milliseconds",
        "10000",
        Takes::Millis(|draft, time| draft.processor.parent_poll_interval = time),
        "How often a shard looks whether its parent shards have ended.",
    ),
    honoured(
        "logWarningForTaskAfterMillis",
        "milliseconds",
        "60000",
        Takes::Millis(|draft, time| draft.processor.busy_report = time),
        "From when on a child that is busy with one message is reported, and how often. Java reports \
         none unless this is set.",
    ),
    no_effect("validateSequenceNumberBeforeCheckpointing", "true or false", "As in Java."),
];
