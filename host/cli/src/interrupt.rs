//! Ctrl-C: the first one cancels what runs; a program that does not come to its end then is ended by the third.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::exit;
use crate::running::Running;

static PRESSES: AtomicU32 = AtomicU32::new(0);
static SHELL: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

const PRESSES_MAX: u32 = 3;

/// From here on Ctrl-C cancels what `handle` belongs to.
pub fn watch(handle: Running) {
    let before = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).replace(handle);
    if before.is_none() {
        install();
    }
}

/// In a shell Ctrl-C ends a statement, never the program.
pub fn enter_shell() {
    SHELL.store(true, Ordering::SeqCst);
}

/// Catches Ctrl-C without anything to cancel; whoever works looks at [`requested`] now and then.
pub fn install() {
    // Without a handler Ctrl-C ends the program, which is a fair second best.
    let _ = ctrlc::set_handler(on_press);
}

fn on_press() {
    let presses = PRESSES.fetch_add(1, Ordering::SeqCst) + 1;
    if let Some(handle) = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        handle.cancel();
    }
    if presses >= PRESSES_MAX && !SHELL.load(Ordering::SeqCst) {
        std::process::exit(exit::INTERRUPTED.into());
    }
}

/// Whether Ctrl-C was pressed since the last [`forget`].
pub fn requested() -> bool {
    PRESSES.load(Ordering::SeqCst) > 0
}

/// A new statement of the shell begins: what was pressed before does not concern it.
pub fn forget() {
    PRESSES.store(0, Ordering::SeqCst);
}
