//! The body of a subscription, with an eye on how long its frames say that they are. The SDK
//! believes any length, and collects what it says.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::{Intercept, context};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::{Body, Frame};
use shardwise_core::frames::Frames;

/// Puts a [`Guarded`] body in place of an answer's own.
#[derive(Debug)]
pub(super) struct GuardFrames;

impl Intercept for GuardFrames {
    fn name(&self) -> &'static str {
        "GuardFrames"
    }

    fn modify_before_deserialization(
        &self,
        answered: &mut context::BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = answered.response_mut();
        // A refusal is no stream of frames.
        if response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            let guarded = Guarded { body, frames: Frames::default() };
            *response.body_mut() = SdkBody::from_body_1_x(guarded);
        }
        Ok(())
    }
}

/// A body that breaks where a frame begins that cannot be one.
struct Guarded {
    body: SdkBody,
    frames: Frames,
}

impl Body for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
            && let Err(bad) = self.frames.follow(bytes)
        {
            return Poll::Ready(Some(Err(bad.into())));
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    /// A prelude that matches its checksum, of our reference, with the first byte of the length.
    fn prelude(first: u8) -> Vec<u8> {
        vec![first, 0, 0, 0x72, 0, 0, 0, 0x60, 0xab, 0x82, 0x0d, 0x9e]
    }

    async fn read(bytes: Vec<u8>) -> Result<Bytes, String> {
        let mut body = Guarded { body: SdkBody::from(bytes), frames: Frames::default() };
        let polled = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let frame = polled.expect("the body is not empty").map_err(|error| error.to_string())?;
        Ok(frame.into_data().expect("no trailers"))
    }

    #[tokio::test]
    async fn a_body_is_passed_on_up_to_a_frame_that_cannot_be_one() {
        assert_eq!(read(prelude(0)).await, Ok(Bytes::from(prelude(0))));
        assert!(read(prelude(0x7f)).await.unwrap_err().contains("checksum"));
    }
}
