//! The frames of a subscription, as they come.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use crate::Format;
use crate::endpoints::wall_clock;
use crate::kinesis::{Kinesis, PushedFrame, initial_response};
use crate::stream::Subscription;

/// All frames of a subscription. It waits only while it is polled: a client that is gone leaves
/// nothing behind.
pub(crate) fn frames(
    kinesis: Arc<Kinesis>,
    subscription: Subscription,
    format: Format,
) -> impl Stream<Item = Bytes> + Send {
    let begin = (kinesis, subscription, Some(initial_response(format)));
    stream::unfold(begin, move |(kinesis, mut subscription, first)| async move {
        let frame = match first {
            Some(first) => first,
            None => next(&kinesis, &mut subscription, format).await?,
        };
        Some((frame, (kinesis, subscription, None)))
    })
}

async fn next(kinesis: &Kinesis, subscription: &mut Subscription, format: Format) -> Option<Bytes> {
    loop {
        let mut changed = pin!(kinesis.changed(subscription.shard()));
        // What changes while the subscription is asked is not missed.
        changed.as_mut().enable();
        match kinesis.next_frame(subscription, format, wall_clock()) {
            PushedFrame::Frame(frame) => return Some(frame),
            PushedFrame::Ended => return None,
            PushedFrame::WaitUntil(at) => {
                let pause = Duration::from_millis(at.millis_since(wall_clock()));
                // Which of both it was, the subscription knows.
                let _ = tokio::time::timeout(pause, changed).await;
            }
        }
    }
}
