//! The answer to a subscription: a body that goes on, as the SDK reads it from a socket.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use shardwise::kinesis::KinesisError;
use shardwise_local::Format;
use shardwise_local::kinesis::{FRAMES_MEDIA_TYPE, event_frame, exception_frame, initial_response};
use shardwise_local::stream::ServiceError;
use tokio::sync::mpsc;

use crate::ports::Followed;

/// A frame, or the end of the connection.
type Arrived = Result<http_body::Frame<Bytes>, std::io::Error>;

/// The answer that brings a subscription's events. Nobody reads on before the last one is taken.
pub(super) fn answer(followed: Followed) -> HttpResponse {
    let (arrives, mut arrived) = mpsc::channel(1);
    tokio::spawn(async move {
        let ended = arrives.clone();
        tokio::select! {
            biased;
            () = ended.closed() => {}
            () = follow(followed, arrives) => {}
        }
    });
    let body = StreamBody::new(stream::poll_fn(move |context| arrived.poll_recv(context)));
    let body = SdkBody::from_body_1_x(BoxBody::new(body));
    let mut response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), body);
    response.headers_mut().insert("content-type", FRAMES_MEDIA_TYPE);
    response
}

async fn follow(mut followed: Followed, arrives: mpsc::Sender<Arrived>) {
    let frame = |bytes| Ok(http_body::Frame::data(bytes));
    let mut next = frame(initial_response(Format::Json));
    loop {
        let is_last = next.is_err();
        if arrives.send(next).await.is_err() || is_last {
            return;
        }
        next = match followed.next().await {
            Ok(Some(event)) => frame(event_frame(event, Format::Json)),
            Ok(None) => return,
            Err(error) => match refusal(&error) {
                Some(refusal) => {
                    // Whoever asked may have gone.
                    let _ = arrives.send(frame(exception_frame(&refusal, Format::Json))).await;
                    return;
                }
                None => {
                    // A frame breaks off in its middle, and the connection with it.
                    let half = initial_response(Format::Json);
                    let half = frame(half.slice(..half.len() / 2));
                    if arrives.send(half).await.is_err() {
                        return;
                    }
                    Err(std::io::Error::other(error))
                }
            },
        };
    }
}

/// What the service says of it in the stream; nothing of a connection that broke.
fn refusal(error: &KinesisError) -> Option<ServiceError> {
    if let KinesisError::InUse(text) = error {
        return Some(ServiceError::ResourceInUse(text.clone()));
    }
    if let KinesisError::NotFound(text) = error {
        return Some(ServiceError::ResourceNotFound(text.clone()));
    }
    None
}
