//! Answers that no service would give, and those that break off.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use super::fault::Page;
use crate::Service;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// Why a connection is given up: on purpose.
#[derive(Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken on purpose")
    }
}

impl std::error::Error for Broken {}

/// A body that says how long it is, and may end before that; or one that comes from elsewhere.
#[derive(Debug)]
pub struct AnswerBody(Kind);

#[derive(Debug)]
enum Kind {
    Known { rest: Option<Bytes>, said_length: u64, is_cut: bool },
    Streamed(mpsc::Receiver<Result<Bytes, Broken>>),
}

impl AnswerBody {
    /// All of it.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self(Kind::Known { said_length: length(&bytes), rest: Some(bytes), is_cut: false })
    }

    /// The first half of it, under the length of all.
    #[must_use]
    pub fn cut(bytes: &Bytes) -> Self {
        let rest = Some(bytes.slice(..bytes.len() / 2));
        Self(Kind::Known { said_length: length(bytes), rest, is_cut: true })
    }

    /// What arrives, when it arrives.
    #[must_use]
    pub fn streamed(parts: mpsc::Receiver<Result<Bytes, Broken>>) -> Self {
        Self(Kind::Streamed(parts))
    }
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).expect("a length fits into 64 bits")
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Kind::Streamed(parts) => {
                parts.poll_recv(context).map(|part| part.map(|part| part.map(Frame::data)))
            }
            Kind::Known { rest, is_cut, .. } => {
                if let Some(rest) = rest.take().filter(|rest| !rest.is_empty()) {
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
                let is_cut = std::mem::take(is_cut);
                Poll::Ready(is_cut.then_some(Err(Broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Streamed(_) => false,
            Kind::Known { rest, is_cut, .. } => {
                !is_cut && rest.as_ref().is_none_or(Bytes::is_empty)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Streamed(_) => SizeHint::default(),
            Kind::Known { said_length, .. } => SizeHint::with_exact(*said_length),
        }
    }
}

/// A failing server.
pub(super) fn server_error(service: Service, status: u16, page: Page) -> Response<AnswerBody> {
    match page {
        Page::Empty => answer(status, "text/plain", Bytes::new()),
        Page::Html => {
            let page = format!("<html><head><title>{status}</title></head><body></body></html>");
            answer(status, "text/html", page.into())
        }
        Page::Json => error(service, status, service.internal_error()),
    }
}

/// An error in the service's own form.
pub(super) fn error(service: Service, status: u16, name: &str) -> Response<AnswerBody> {
    let kind = format!("{}{name}", service.error_prefix());
    let body = serde_json::json!({ "__type": kind, "message": "injected" }).to_string();
    let mut answer = answer(status, service.media_type(), body.into());
    let name = HeaderValue::from_str(name).expect("names of errors are printable ASCII");
    answer.headers_mut().insert(ERROR_TYPE, name);
    answer
}

fn answer(status: u16, media_type: &'static str, body: Bytes) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status of ours is valid");
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
