//! Operations on stream consumers.

use serde::{Deserialize, Serialize};

use super::{Kinesis, LIMIT_MAX, answer, field};
use crate::stream::{
    CONSUMERS_PER_PAGE_MAX, Consumer, ConsumerArn, ServiceError, Streams, Timestamp,
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Register {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    consumer_name: Option<String>,
}

/// A consumer that is asked for by its ARN, by its stream and name, or by all three.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Named {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    consumer_name: Option<String>,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

/// A consumer by the names of its stream and its own; by its ARN as well, if that was given.
struct Asked {
    stream: String,
    consumer: String,
    arn: Option<ConsumerArn>,
}

impl Named {
    fn checked(self) -> Result<Asked, ServiceError> {
        let stream = self.stream_arn.map(|arn| field::stream(None, Some(arn))).transpose()?;
        let Some(text) = self.consumer_arn else {
            let (Some(stream), Some(consumer)) = (stream, self.consumer_name) else {
                return Err(ServiceError::InvalidArgument(
                    "Either ConsumerARN or both StreamARN and ConsumerName must be provided."
                        .to_owned(),
                ));
            };
            return Ok(Asked { stream, consumer, arn: None });
        };
        let arn = ConsumerArn::parse(&text)?;
        let agree = stream.is_none_or(|stream| stream == arn.stream)
            && self.consumer_name.is_none_or(|name| name == arn.consumer);
        if !agree {
            return Err(ServiceError::InvalidArgument(format!(
                "StreamARN and ConsumerName are not those of ConsumerARN {text}."
            )));
        }
        Ok(Asked { stream: arn.stream.clone(), consumer: arn.consumer.clone(), arn: Some(arn) })
    }
}

impl Asked {
    /// Counts the call, and refuses an ARN that is not the consumer's.
    fn admit(
        &self,
        operation: &str,
        streams: &mut Streams,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        streams.admit(operation, Some(&self.stream), now)?;
        self.arn.as_ref().map_or(Ok(()), |arn| streams.require_registered(arn, now))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    consumer_name: String,
    #[serde(rename = "ConsumerARN")]
    consumer_arn: String,
    consumer_status: &'static str,
    #[serde(serialize_with = "answer::time")]
    consumer_creation_timestamp: Timestamp,
}

impl From<Consumer> for Shown {
    fn from(consumer: Consumer) -> Self {
        Self {
            consumer_name: consumer.name,
            consumer_arn: consumer.arn,
            consumer_status: consumer.status.name(),
            consumer_creation_timestamp: consumer.created,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Registered {
    consumer: Shown,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    consumer_description: Description,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    #[serde(flatten)]
    consumer: Shown,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    consumers: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Kinesis {
    pub(super) fn register_consumer(
        &self,
        asked: Register,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let arn = field::required(asked.stream_arn, "streamARN")?;
        let stream = field::stream(None, Some(arn))?;
        let name = field::required(asked.consumer_name, "consumerName")?;
        let consumer = self.streams().register_consumer(&stream, &name, now)?;
        Ok(Registered { consumer: consumer.into() })
    }

    pub(super) fn describe_consumer(
        &self,
        asked: Named,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let asked = asked.checked()?;
        let mut streams = self.streams();
        asked.admit("DescribeStreamConsumer", &mut streams, now)?;
        let consumer = streams.describe_consumer(&asked.stream, &asked.consumer, now)?;
        let stream_arn = streams.arn(&asked.stream);
        let consumer_description = Description { consumer: consumer.into(), stream_arn };
        Ok(Described { consumer_description })
    }

    pub(super) fn list_consumers(
        &self,
        asked: List,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let arn = field::required(asked.stream_arn, "streamARN")?;
        let stream = field::stream(None, Some(arn))?;
        let limit = field::limit(asked.max_results, LIMIT_MAX, "maxResults")?;
        let limit = limit.min(CONSUMERS_PER_PAGE_MAX);
        let mut streams = self.streams();
        streams.admit("ListStreamConsumers", Some(&stream), now)?;
        let page = match asked.next_token {
            Some(token) => streams.list_consumers_next(&stream, &token, limit, now)?,
            None => streams.list_consumers(&stream, limit, now)?,
        };
        let consumers = page.consumers.into_iter().map(Shown::from).collect();
        Ok(Listed { consumers, next_token: page.next_token })
    }

    pub(super) fn deregister_consumer(
        &self,
        asked: Named,
        now: Timestamp,
    ) -> Result<impl Serialize + use<>, ServiceError> {
        let asked = asked.checked()?;
        let mut streams = self.streams();
        asked.admit("DeregisterStreamConsumer", &mut streams, now)?;
        streams.deregister_consumer(&asked.stream, &asked.consumer, now).map(answer::nothing)
    }
}
