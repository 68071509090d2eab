//! Keys of metrics.

use super::{Key, Takes, Word, honoured, to_usize};
use crate::metrics::Level;
use crate::properties::settings::CLOUDWATCH_PROFILE;

pub(super) static KEYS: &[Key] = &[
    honoured(
        "metricsLevel",
        "`NONE`, `SUMMARY` or `DETAILED`",
        "`DETAILED`",
        Takes::Choice(&[
            Word { text: "NONE", set: |draft| draft.metrics.is_off = true },
            Word {
                text: "SUMMARY",
                set: |draft| (draft.metrics.is_off, draft.metrics.level) = (false, Level::Summary),
            },
            Word {
                text: "DETAILED",
                set: |draft| (draft.metrics.is_off, draft.metrics.level) = (false, Level::Detailed),
            },
        ]),
        "Which metrics are sent; all are in `docs/metrics.md`. AWS charges for each one that \
         CloudWatch is sent, and for calls.",
    ),
    honoured(
        "metricsEnabledDimensions",
        "`ALL`, or a list of `Operation`, `ShardId`, `StreamId`, `WorkerIdentifier`",
        "`ALL`",
        Takes::List(|draft, text| draft.metrics.dimensions = Some(text)),
        "What metrics are told apart by. Without `ShardId` all shards are one metric; an empty list \
         tells nothing apart.",
    ),
    honoured(
        "metricsBufferTimeMillis",
        "milliseconds",
        "10000",
        Takes::Millis(|draft, time| draft.metrics.limits.time = time),
        "How long metrics are collected before they are sent.",
    ),
    honoured(
        "metricsMaxQueueSize",
        "number",
        "10000",
        Takes::Count(|draft, keys| draft.metrics.limits.keys = to_usize(keys)),
        "How many metrics may wait to be sent; more are dropped, with a warning.",
    ),
    honoured(
        "AwsCredentialsProviderCloudWatch",
        "providers",
        "`AwsCredentialsProvider`",
        Takes::Credentials(|draft, providers| draft.metrics.credentials = Some(providers)),
        "For CloudWatch alone.",
    ),
    honoured(
        CLOUDWATCH_PROFILE,
        "text",
        "-",
        Takes::Text(|draft, name| drop(draft.profiles.insert(CLOUDWATCH_PROFILE, name))),
        "As `kinesisCredentialsProvider.profileName`, for `AwsCredentialsProviderCloudWatch`.",
    ),
    honoured(
        "cloudWatchClient.region",
        "region",
        "`regionName`",
        Takes::Region(|draft, region| draft.metrics.region = Some(region)),
        "The region of CloudWatch alone.",
    ),
    honoured(
        "cloudWatchClient.endpointOverride",
        "URL",
        "AWS",
        Takes::Endpoint(|draft, url| draft.metrics.endpoint = Some(url)),
        "Another endpoint for CloudWatch, as `kinesisEndpoint`. Where Kinesis is not at AWS and \
         neither this nor AWS_ENDPOINT_URL_CLOUDWATCH is set, nothing is sent to CloudWatch.",
    ),
];
