//! What the log has been told of addresses that cannot be reached: each reason once, not with every try.

use std::cell::RefCell;
use std::collections::HashMap;

/// The reason that was told last, by address.
#[derive(Default)]
pub(crate) struct Complaints(RefCell<HashMap<String, String>>);

impl Complaints {
    /// Whether the reason is another than the last.
    pub(crate) fn is_new(&self, address: &str, reason: &str) -> bool {
        let mut told = self.0.borrow_mut();
        let is_new = told.get(address).is_none_or(|last| last != reason);
        if is_new {
            told.insert(address.to_owned(), reason.to_owned());
        }
        is_new
    }

    /// It has been reached.
    pub(crate) fn end(&self, address: &str) {
        self.0.borrow_mut().remove(address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_new_once_until_it_has_ended() {
        let complaints = Complaints::default();
        let news = |address, reason| complaints.is_new(address, reason);
        assert!(news("a", "refused") && news("b", "refused"));
        assert!(!news("a", "refused"));
        assert!(news("a", "no answer") && !news("a", "no answer") && news("a", "refused"));
        complaints.end("a");
        assert!(news("a", "refused") && !news("b", "refused"));
    }
}
