//! What a service manager such as systemd is told, if it wants to hear: that the daemon is ready,
//! that it stops, and, where there is a watchdog, that it is not stuck.

use std::time::Duration;

use sd_notify::NotifyState;
use shardwise::{Board, WorkerPhase};
use tracing::debug;

/// The variable that names the manager's socket. It is the daemon's, not its children's.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";
/// What may pass between the worker's own grace and the end of the process.
const LAST_STEPS: Duration = Duration::from_secs(15);

/// Tells whoever started the daemon how its worker gets on; `grace` is how long a stop may take.
pub(crate) async fn inform(board: Board, grace: Duration) {
    if std::env::var_os(SOCKET).is_none() {
        return;
    }
    board.reached(WorkerPhase::Running).await;
    // A start that has failed is past that too.
    if board.worker().phase == WorkerPhase::Running {
        tell(&[NotifyState::Ready]);
    }
    tokio::select! {
        biased;
        () = board.reached(WorkerPhase::Stopping) => {}
        () = ping(&board) => {}
    }
    let time = u32::try_from((grace + LAST_STEPS).as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(time)]);
}

/// Keeps a watchdog quiet for as long as the worker is not stuck.
async fn ping(board: &Board) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        if !board.worker().is_stuck() {
            tell(&[NotifyState::Watchdog]);
        }
        tokio::time::sleep(limit / 3).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "the service manager does not hear");
    }
}
