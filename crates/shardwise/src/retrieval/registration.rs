//! The registered consumer of the stream, as which fan-out reads.

use std::time::Duration;

use shardwise_core::config::{Config, StreamConsumer};
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::kinesis::{ConsumerArn, KinesisError};
use crate::worker::Ports;

/// How often a consumer that is being made is looked at. KCL:
/// `maxDescribeStreamConsumerRetries`.
const LOOKS: u32 = 10;
/// Between two looks. KCL: `retryBackoffMillis`.
const POLL: Duration = Duration::from_secs(1);

/// Finds the consumer, or registers it; all shards of a worker share what was found.
#[derive(Debug)]
pub(crate) struct Registration {
    consumer: StreamConsumer,
    /// Locked while it is looked for, so that only one looks.
    found: Mutex<Option<ConsumerArn>>,
}

impl Registration {
    pub(crate) fn new(consumer: StreamConsumer) -> Self {
        Self { consumer, found: Mutex::new(None) }
    }

    /// The consumer, once it is active.
    pub(crate) async fn arn(
        &self,
        ports: &Ports,
        config: &Config,
    ) -> Result<ConsumerArn, KinesisError> {
        let name = match &self.consumer {
            StreamConsumer::Arn(arn) => return Ok(ConsumerArn(arn.as_str().into())),
            StreamConsumer::Named(name) => name,
        };
        let mut found = self.found.lock().await;
        if let Some(arn) = &*found {
            return Ok(arn.clone());
        }
        for _ in 0..LOOKS {
            if let Some(arn) = look(ports, config, name).await? {
                return Ok(found.insert(arn).clone());
            }
            ports.clock.sleep_until(ports.clock.now() + POLL).await;
        }
        Err(KinesisError::InUse(format!("the stream consumer `{name}` is not active yet")))
    }

    /// The service does not know this consumer any more: it is looked for, or registered, again.
    pub(crate) async fn forget(&self, arn: &ConsumerArn) {
        let mut found = self.found.lock().await;
        if found.as_ref() == Some(arn) {
            *found = None;
        }
    }
}

/// Finds or registers the consumer; gives its ARN if it is active.
async fn look(
    ports: &Ports,
    config: &Config,
    name: &str,
) -> Result<Option<ConsumerArn>, KinesisError> {
    let stream = &config.stream_name;
    let consumer = match ports.kinesis.stream_consumer(stream, name).await? {
        Some(consumer) => consumer,
        None => match ports.kinesis.register_consumer(stream, name).await {
            Ok(consumer) => {
                info!(%stream, consumer = name, arn = %consumer.arn,
                    "stream consumer registered: it costs until somebody deregisters it");
                consumer
            }
            // Another worker was first.
            Err(KinesisError::InUse(_)) => return Ok(None),
            Err(KinesisError::Throttled) => {
                warn!(%stream, consumer = name,
                    "stream consumer not registered: too many calls, or the stream has as many \
                     consumers as it may");
                return Err(KinesisError::Throttled);
            }
            Err(error) => return Err(error),
        },
    };
    Ok(consumer.is_active.then_some(consumer.arn))
}
