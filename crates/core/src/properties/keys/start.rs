//! Keys that say what runs, on which stream, and how AWS is reached.

use super::{Key, Takes, Word, honoured, no_effect};
use crate::config::InitialPosition;
use crate::properties::settings::{AccountIdEndpoints, DYNAMODB_PROFILE, Draft, KINESIS_PROFILE};

pub(super) static REQUIRED: &[Key] = &[
    honoured(
        "executableName",
        "command",
        "required",
        Takes::Command(|draft, command| draft.executable = command),
        "The child's command, split at spaces only; there is no shell and no quoting. It must \
         exist when the daemon starts.",
    ),
    honoured(
        "applicationName",
        "text",
        "required",
        Takes::Text(|draft, text| draft.application_name = Some(text)),
        "The name that all workers share, and the lease table's unless `tableName` is set.",
    ),
    honoured(
        "streamName",
        "text",
        "required, or `streamArn`",
        Takes::Text(|draft, text| draft.stream_name = Some(text)),
        "The stream to process.",
    ),
    honoured(
        "streamArn",
        "ARN",
        "-",
        Takes::Text(|draft, text| draft.stream_arn = Some(text)),
        "The stream to process; wins over `streamName`. Its region is not used: set `regionName`.",
    ),
    honoured(
        "workerId",
        "text",
        "made at each start",
        Takes::Text(|draft, text| draft.worker_id = Some(text)),
        "This worker's name, unique among live workers. Also `workerIdentifier`. Empty means made, \
         where Java takes the empty name.",
    ),
    honoured(
        "initialPositionInStream",
        "`LATEST` or `TRIM_HORIZON`",
        "`LATEST`",
        Takes::Choice(&[
            Word { text: "LATEST", set: |draft| draft.initial_position = InitialPosition::Latest },
            Word {
                text: "TRIM_HORIZON",
                set: |draft| draft.initial_position = InitialPosition::TrimHorizon,
            },
        ]),
        "Where a shard without a checkpoint starts. `LATEST` is the tip at which its lease was made; \
         in Java, that at which a worker takes it.",
    ),
    honoured(
        "initialPositionInStreamExtended",
        "seconds since 1970",
        "-",
        Takes::EpochSeconds(|draft, seconds| draft.initial_timestamp = Some(seconds)),
        "Start at this time; wins over `initialPositionInStream`. Also 1.x's \
         `timestampAtInitialPositionInStream`. Moved later, it passes over older records of shards \
         that nobody has begun to read.",
    ),
    no_effect("processingLanguage", "text", "As in Java."),
];

fn with_account_id(draft: &mut Draft, endpoints: AccountIdEndpoints) {
    draft.dynamodb_endpoint_kind.account_id = Some(endpoints);
}

const TIMES: &str = "Calls have time limits and retries of this program's own.";

pub(super) static AWS: &[Key] = &[
    honoured(
        "AwsCredentialsProvider",
        "providers",
        "required",
        Takes::Credentials(|draft, providers| draft.credentials = Some(providers)),
        "Where credentials come from: names separated by commas, the first that has some is used. \
         The names of SDK 1.x and 2.x are known, with or without their packages.",
    ),
    honoured(
        "AwsCredentialsProviderDynamoDB",
        "providers",
        "`AwsCredentialsProvider`",
        Takes::Credentials(|draft, providers| draft.dynamodb_credentials = Some(providers)),
        "For the lease table alone.",
    ),
    honoured(
        KINESIS_PROFILE,
        "text",
        "-",
        Takes::Text(|draft, name| drop(draft.profiles.insert(KINESIS_PROFILE, name))),
        "The profile of `AwsCredentialsProvider = ProfileCredentialsProvider`; an error without it. \
         In Java a matter of luck: it must be read after `kinesisCredentialsProvider.class`.",
    ),
    honoured(
        DYNAMODB_PROFILE,
        "text",
        "-",
        Takes::Text(|draft, name| drop(draft.profiles.insert(DYNAMODB_PROFILE, name))),
        "The same for `AwsCredentialsProviderDynamoDB`.",
    ),
    honoured(
        "regionName",
        "region",
        "the environment's or profile's",
        Takes::Region(|draft, region| draft.region = Some(region)),
        "The region of Kinesis, DynamoDB and CloudWatch.",
    ),
    honoured(
        "kinesisClient.region",
        "region",
        "`regionName`",
        Takes::Region(|draft, region| draft.kinesis_region = Some(region)),
        "The region of Kinesis alone.",
    ),
    honoured(
        "dynamoDbClient.region",
        "region",
        "`regionName`",
        Takes::Region(|draft, region| draft.dynamodb_region = Some(region)),
        "The region of DynamoDB alone.",
    ),
    honoured(
        "kinesisEndpoint",
        "URL",
        "AWS",
        Takes::Endpoint(|draft, url| draft.kinesis_endpoint = Some(url)),
        "Another endpoint for Kinesis. `http://` is for this machine only, see \
         `shardwise.allowInsecureEndpoint`.",
    ),
    honoured(
        "kinesisClient.endpointOverride",
        "URL",
        "`kinesisEndpoint`",
        Takes::Endpoint(|draft, url| draft.kinesis_endpoint = Some(url)),
        "As `kinesisEndpoint`; the later of the two wins.",
    ),
    honoured(
        "dynamoDBEndpoint",
        "URL",
        "AWS",
        Takes::Endpoint(|draft, url| draft.dynamodb_endpoint = Some(url)),
        "Another endpoint for DynamoDB, as `kinesisEndpoint`.",
    ),
    honoured(
        "dynamoDbClient.endpointOverride",
        "URL",
        "`dynamoDBEndpoint`",
        Takes::Endpoint(|draft, url| draft.dynamodb_endpoint = Some(url)),
        "As `dynamoDBEndpoint`; the later of the two wins.",
    ),
    honoured(
        "kinesisClient.fipsEnabled",
        "true or false",
        "AWS_USE_FIPS_ENDPOINT, else false",
        Takes::Flag(|draft, yes| draft.kinesis_endpoint_kind.fips = Some(yes)),
        "Whether endpoints of Kinesis are used that are validated for FIPS 140.",
    ),
    honoured(
        "kinesisClient.dualstackEnabled",
        "true or false",
        "AWS_USE_DUALSTACK_ENDPOINT, else false",
        Takes::Flag(|draft, yes| draft.kinesis_endpoint_kind.dual_stack = Some(yes)),
        "Whether endpoints of Kinesis are used that have IPv6 addresses too.",
    ),
    no_effect("kinesisClient.defaultsMode", "text", TIMES),
    no_effect("kinesisClient.overrideConfiguration.apiCallTimeout", "ISO 8601 duration", TIMES),
    no_effect(
        "kinesisClient.overrideConfiguration.apiCallAttemptTimeout",
        "ISO 8601 duration",
        TIMES,
    ),
    honoured(
        "dynamoDbClient.fipsEnabled",
        "true or false",
        "AWS_USE_FIPS_ENDPOINT, else false",
        Takes::Flag(|draft, yes| draft.dynamodb_endpoint_kind.fips = Some(yes)),
        "Whether endpoints of DynamoDB are used that are validated for FIPS 140.",
    ),
    honoured(
        "dynamoDbClient.dualstackEnabled",
        "true or false",
        "AWS_USE_DUALSTACK_ENDPOINT, else false",
        Takes::Flag(|draft, yes| draft.dynamodb_endpoint_kind.dual_stack = Some(yes)),
        "Whether endpoints of DynamoDB are used that have IPv6 addresses too.",
    ),
    no_effect("dynamoDbClient.defaultsMode", "text", TIMES),
    no_effect("dynamoDbClient.overrideConfiguration.apiCallTimeout", "ISO 8601 duration", TIMES),
    no_effect(
        "dynamoDbClient.overrideConfiguration.apiCallAttemptTimeout",
        "ISO 8601 duration",
        TIMES,
    ),
    honoured(
        "dynamoDbClient.accountIdEndpointMode",
        "`PREFERRED`, `DISABLED` or `REQUIRED`",
        "AWS_ACCOUNT_ID_ENDPOINT_MODE, else PREFERRED",
        Takes::Choice(&[
            Word {
                text: "PREFERRED",
                set: |draft| with_account_id(draft, AccountIdEndpoints::Preferred),
            },
            Word {
                text: "DISABLED",
                set: |draft| with_account_id(draft, AccountIdEndpoints::Disabled),
            },
            Word {
                text: "REQUIRED",
                set: |draft| with_account_id(draft, AccountIdEndpoints::Required),
            },
        ]),
        "Whether endpoints of DynamoDB are used that have the account's id in their names.",
    ),
    no_effect(
        "dynamoDbClient.endpointDiscoveryEnabled",
        "true or false",
        "The table is asked at its region's endpoint.",
    ),
    honoured(
        "cloudWatchClient.fipsEnabled",
        "true or false",
        "AWS_USE_FIPS_ENDPOINT, else false",
        Takes::Flag(|draft, yes| draft.metrics.endpoint_kind.fips = Some(yes)),
        "Whether endpoints of CloudWatch are used that are validated for FIPS 140.",
    ),
    honoured(
        "cloudWatchClient.dualstackEnabled",
        "true or false",
        "AWS_USE_DUALSTACK_ENDPOINT, else false",
        Takes::Flag(|draft, yes| draft.metrics.endpoint_kind.dual_stack = Some(yes)),
        "Whether endpoints of CloudWatch are used that have IPv6 addresses too.",
    ),
    no_effect("cloudWatchClient.defaultsMode", "text", TIMES),
    no_effect("cloudWatchClient.overrideConfiguration.apiCallTimeout", "ISO 8601 duration", TIMES),
    no_effect(
        "cloudWatchClient.overrideConfiguration.apiCallAttemptTimeout",
        "ISO 8601 duration",
        TIMES,
    ),
    no_effect("userAgent", "text", "A key of KCL 1.x; ignored by later versions too."),
    no_effect("commonClientConfig", "object", "A key of KCL 1.x; ignored by later versions too."),
    no_effect("kinesisClientConfig", "object", "A key of KCL 1.x; ignored by later versions too."),
    no_effect("dynamoDBClientConfig", "object", "A key of KCL 1.x; ignored by later versions too."),
    no_effect(
        "cloudWatchClientConfig",
        "object",
        "A key of KCL 1.x; ignored by later versions too.",
    ),
];
