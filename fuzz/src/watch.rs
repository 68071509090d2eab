//! Ends a run whose input takes too long or too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often in a row it may find the same input at work.
const LOOKS_MAX: u32 = 20;
/// How much memory the process may have: inputs have kilobytes.
const MEMORY_MIB_MAX: u64 = 512;

/// Counts inputs; and a thread that looks whether they go on.
pub(crate) struct Watch {
    executions: Arc<AtomicU64>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let executions = Arc::new(AtomicU64::new(0));
        let weak = Arc::downgrade(&executions);
        thread::spawn(move || {
            let (mut last, mut looks) = (0, 0);
            while let Some(executions) = weak.upgrade() {
                let now = executions.load(Ordering::Relaxed);
                looks = if now == last { looks + 1 } else { 0 };
                last = now;
                if looks > LOOKS_MAX {
                    end(&format!("one input takes more than {LOOKS_MAX} s"));
                }
                if memory_mib() > MEMORY_MIB_MAX {
                    end(&format!("the process has more than {MEMORY_MIB_MAX} MiB"));
                }
                drop(executions);
                thread::sleep(INTERVAL);
            }
        });
        Self { executions }
    }

    pub(crate) fn count(&self) {
        self.executions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn executions(&self) -> u64 {
        self.executions.load(Ordering::Relaxed)
    }
}

#[expect(clippy::print_stdout, reason = "it talks to whoever started it")]
fn end(why: &str) -> ! {
    println!("{why}");
    // No destructor may run: the target is at work.
    std::process::abort();
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1_024
}
