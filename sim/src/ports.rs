//! The ports of a node's worker, over services that go wrong.

mod stream;
mod table;

pub(crate) use self::stream::NodeStream;
pub(crate) use self::table::NodeTable;

use std::time::Duration;

/// How long a request that nothing answers stays open: longer than any caller waits.
const SILENCE: Duration = Duration::from_secs(30);

/// How a node learns that there is no answer: at once (a connection is reset), or never.
async fn no_answer(is_reset: bool, after: Duration) {
    let wait = if is_reset { after } else { SILENCE };
    tokio::time::sleep(wait).await;
}
