//! What is to be done once no lock is held: foreign code is called only then.

use std::task::Waker;

use nyala_schema::Result;

use crate::transport::{Receipt, Taken};

/// Wakers and receipts to be called, in order.
#[derive(Default)]
#[must_use = "wakers and receipts must be called"]
pub(super) struct Effects {
    wakers: Vec<Waker>,
    receipts: Vec<(Receipt, Result<Taken>)>,
}

impl Effects {
    pub fn wake(&mut self, wakers: &mut Vec<Waker>) {
        self.wakers.append(wakers);
    }

    pub fn answer(&mut self, receipt: Receipt, result: Result<Taken>) {
        self.receipts.push((receipt, result));
    }

    /// Receipts first: what they set free may be what those who wake look for.
    pub fn run(self) {
        for (receipt, result) in self.receipts {
            receipt(result);
        }
        self.wakers.into_iter().for_each(Waker::wake);
    }
}

/// Keeps a waker until its next use, once.
pub(super) fn remember(wakers: &mut Vec<Waker>, waker: &Waker) {
    if !wakers.iter().any(|known| known.will_wake(waker)) {
        wakers.push(waker.clone());
    }
}
