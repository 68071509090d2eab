//! Panics that nobody planned: those that end a run, and those that the library catches and goes on
//! from.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// What panicked on this thread since somebody wants to know.
    static NOTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Does something; none if it panicked. Notes whatever panics on this thread meanwhile, caught or
/// not. A panic without a message on stderr, as processors' are, is a planned one.
pub(crate) fn noting<T>(panics: &mut Vec<String>, work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            NOTED.with_borrow_mut(|noted| noted.push(panic.to_string()));
            before(panic);
        }));
    });
    NOTED.with_borrow_mut(Vec::clear);
    let result = catch_unwind(AssertUnwindSafe(work)).ok();
    panics.extend(NOTED.with_borrow_mut(std::mem::take));
    result
}
