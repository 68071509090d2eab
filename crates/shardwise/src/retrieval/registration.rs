//! The registered consumer of the stream, as which fan-out reads.

use shardwise_core::config::{Config, StreamConsumer};
use shardwise_core::time::Time;
use tokio::sync::Mutex;
use tracing::{info, warn};

use crate::kinesis::{ConsumerArn, KinesisError};
use crate::worker::Ports;

/// Finds the consumer, or registers it; all shards of a worker share what was found.
#[derive(Debug)]
pub(crate) struct Registration {
    consumer: StreamConsumer,
    /// Locked while it is looked for, so that only one looks.
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Unknown,
    Found(ConsumerArn),
    /// What the last look came to; all shards wait until then before the next one.
    Failed {
        until: Time,
        why: String,
    },
}

impl Registration {
    pub(crate) fn new(consumer: StreamConsumer) -> Self {
        Self { consumer, state: Mutex::new(State::Unknown) }
    }

    /// The consumer, once it is active.
    pub(crate) async fn arn(
        &self,
        ports: &Ports,
        config: &Config,
    ) -> Result<ConsumerArn, KinesisError> {
        let mut state = self.state.lock().await;
        match &*state {
            State::Found(arn) => return Ok(arn.clone()),
            State::Failed { until, why } if ports.clock.now() < *until => {
                return Err(KinesisError::Unanswered(why.clone().into()));
            }
            State::Unknown | State::Failed { .. } => {}
        }
        let found = match &self.consumer {
            StreamConsumer::Arn(arn) => check(ports, config, arn).await,
            StreamConsumer::Named(name) => find(ports, config, name).await,
        };
        *state = match &found {
            Ok(arn) => State::Found(arn.clone()),
            Err(error) => {
                let until = ports.clock.now() + config.registration.backoff;
                State::Failed { until, why: error.to_string() }
            }
        };
        found
    }

    /// The service does not know this consumer any more: it is looked for, or registered, again.
    pub(crate) async fn forget(&self, arn: &ConsumerArn) {
        let mut state = self.state.lock().await;
        if matches!(&*state, State::Found(found) if found == arn) {
            *state = State::Unknown;
        }
    }
}

/// Sees that there is a consumer with this ARN. Who may not look has to know: Java does not either.
async fn check(ports: &Ports, config: &Config, arn: &str) -> Result<ConsumerArn, KinesisError> {
    let (_, consumer) = arn.split_once("/consumer/").unwrap_or_default();
    let (name, _) = consumer.split_once(':').unwrap_or_default();
    match ports.kinesis.stream_consumer(&config.stream_name, name).await {
        Ok(Some(found)) if &*found.arn.0 == arn && found.is_active => Ok(found.arn),
        Ok(Some(found)) if &*found.arn.0 == arn => Err(not_active(name)),
        Ok(_) => Err(KinesisError::Invalid(format!(
            "the stream has no consumer with the ARN `{arn}`: set another \
             `fanoutConfig.consumerArn`, or a `fanoutConfig.consumerName` to be registered"
        ))),
        Err(KinesisError::Refused(why)) => {
            warn!(arn, why, "whether there is such a stream consumer is not known");
            Ok(ConsumerArn(arn.into()))
        }
        Err(error) => Err(error),
    }
}

async fn find(ports: &Ports, config: &Config, name: &str) -> Result<ConsumerArn, KinesisError> {
    let mut last = not_active(name);
    for _ in 0..config.registration.looks {
        last = match look(ports, config, name).await {
            Ok(Some(arn)) => return Ok(arn),
            Ok(None) => not_active(name),
            Err(KinesisError::Throttled) => KinesisError::Throttled,
            Err(error) => return Err(error),
        };
        ports.clock.sleep_until(ports.clock.now() + config.registration.backoff).await;
    }
    Err(last)
}

fn not_active(name: &str) -> KinesisError {
    KinesisError::InUse(format!("the stream consumer `{name}` is not active yet"))
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
