//! A client that is replaced where a call got no answer in its time.
//!
//! Over HTTP/2 a client has one connection to a host. A call that is given up leaves it open, and
//! the next call takes it again: one that died without a word would be used until TCP notices,
//! after a quarter of an hour perhaps. Whether it died cannot be seen from here, so silence counts
//! as death: what that costs at the most is a new connection.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::result::SdkError;

pub(super) struct Replaceable<C> {
    make: Box<dyn Fn() -> C + Send + Sync>,
    current: Mutex<Numbered<C>>,
}

#[derive(Clone)]
struct Numbered<C> {
    number: u64,
    client: C,
}

impl<C: Clone> Replaceable<C> {
    pub(super) fn new(make: impl Fn() -> C + Send + Sync + 'static) -> Self {
        let current = Mutex::new(Numbered { number: 0, client: make() });
        Self { make: Box::new(make), current }
    }

    /// Makes a call with the client. Unless it ends in its time, those that follow are made with
    /// another one.
    pub(super) async fn call<T, E, R, F>(
        &self,
        call: impl FnOnce(C) -> F,
    ) -> Result<T, SdkError<E, R>>
    where
        F: Future<Output = Result<T, SdkError<E, R>>>,
    {
        let Numbered { number, client } = self.lock().clone();
        let in_flight = InFlight::new(|| self.replace(number));
        let answer = call(client).await;
        in_flight.ended(&answer);
        answer
    }

    /// Of several calls that were made with the dead one the first has it replaced.
    fn replace(&self, dead: u64) {
        let mut current = self.lock();
        if current.number == dead {
            *current = Numbered { number: dead + 1, client: (self.make)() };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Numbered<C>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way. If it does not end in its time, by the SDK's limit or because nobody waits
/// for it any more, its connection is taken for dead.
pub(super) struct InFlight<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> InFlight<F> {
    pub(super) fn new(is_dead: F) -> Self {
        Self(Some(is_dead))
    }

    pub(super) fn ended<T, E, R>(mut self, answer: &Result<T, SdkError<E, R>>) {
        if !matches!(answer, Err(SdkError::TimeoutError(_))) {
            self.0 = None;
        }
    }
}

impl<F: FnOnce()> Drop for InFlight<F> {
    fn drop(&mut self) {
        if let Some(is_dead) = self.0.take() {
            is_dead();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use futures_util::FutureExt;

    use super::*;

    type Answer = Result<u64, SdkError<(), ()>>;

    /// Clients are numbers: how many there were before.
    fn replaceable() -> Replaceable<u64> {
        let made = Arc::new(AtomicU64::new(0));
        Replaceable::new(move || made.fetch_add(1, Relaxed))
    }

    fn timed_out() -> Answer {
        Err(SdkError::timeout_error("30 s"))
    }

    #[tokio::test]
    async fn a_call_that_ends_with_an_answer_or_an_error_keeps_its_client() {
        let clients = replaceable();
        let failed = || -> Answer { Err(SdkError::construction_failure("odd")) };
        assert!(clients.call(|_| ready(failed())).await.is_err());
        for _ in 0..2 {
            assert_eq!(clients.call(|client| ready(Answer::Ok(client))).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn a_call_that_times_out_or_is_given_up_is_followed_by_one_of_another_client() {
        let clients = replaceable();
        assert!(clients.call(|_| ready(timed_out())).await.is_err());
        assert_eq!(clients.call(|client| ready(Answer::Ok(client))).await.unwrap(), 1);
        assert!(clients.call(|_| pending::<Answer>()).now_or_never().is_none());
        assert_eq!(clients.call(|client| ready(Answer::Ok(client))).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn calls_that_died_with_one_client_have_it_replaced_once() {
        let clients = replaceable();
        let mut calls: Vec<_> =
            (0..3).map(|_| Box::pin(clients.call(|_| pending::<Answer>()))).collect();
        for call in &mut calls {
            assert!(call.now_or_never().is_none());
        }
        drop(calls);
        assert_eq!(clients.call(|client| ready(Answer::Ok(client))).await.unwrap(), 1);
    }
}
