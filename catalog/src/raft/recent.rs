//! Which proposals have been applied lately, so that none is applied twice. Part of the replicated state.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::types::{Answer, Proposal, ProposalId, Since};

/// Entries of the log over which an answer is remembered. The same on all replicas.
const WINDOW_ENTRIES: u64 = 4096;
/// Statements whose answers are remembered, the newest by their ids. The same on all replicas.
const STATEMENTS_MAX: usize = 65_536;
/// How far the time of a statement's id may be ahead of the leader's clock, to be remembered among them. The same on all replicas.
const AHEAD_MAX_MS: i64 = 60_000;
/// Of an id, below its milliseconds.
const BELOW_TIME_BITS: u32 = 80;

/// A proposal names an index that had been applied before it was made: whatever applied it lies behind that index. So when
/// an entry stands at most the window behind that index, an earlier application of its proposal is still remembered; one
/// that stands further behind is given up.
///
/// A statement names no index: who asks after it does not know one. Statements are forgotten in the order of their ids, so
/// that one whose id is greater than all that were forgotten is remembered or has never been here. An id begins with the time
/// at which it was made, but nothing rests on clocks except for how long that is: one that is far ahead, which would stay when all
/// others are forgotten and make all that come after them old, is remembered over as many entries as a proposal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    answers: BTreeMap<ProposalId, Answer>,
    order: VecDeque<(u64, ProposalId)>,
    statements: BTreeMap<ProposalId, Answer>,
    /// The greatest id of a statement that has been forgotten.
    forgotten: Option<ProposalId>,
}

impl Recent {
    /// The answer to a proposal that need not be applied, or must not be.
    pub fn answer(&self, proposal: &Proposal, index: u64) -> Option<Answer> {
        match proposal.since {
            Since::Entry(floor) if index > floor.saturating_add(WINDOW_ENTRIES) => Some(Answer::Expired),
            Since::Entry(_) => self.answers.get(&proposal.id).cloned(),
            Since::Statement => {
                let known = self.statements.get(&proposal.id).or_else(|| self.answers.get(&proposal.id));
                let is_old = self.forgotten.is_some_and(|forgotten| proposal.id <= forgotten);
                known.cloned().or(is_old.then_some(Answer::Expired))
            }
        }
    }

    pub fn remember(&mut self, proposal: &Proposal, index: u64, answer: Answer) {
        if proposal.since == Since::Statement && !is_ahead(proposal) {
            self.statements.insert(proposal.id, answer);
            while self.statements.len() > STATEMENTS_MAX {
                self.forgotten = self.statements.pop_first().map(|(id, _)| id).max(self.forgotten);
            }
            return;
        }
        self.answers.insert(proposal.id, answer);
        self.order.push_back((index, proposal.id));
        while self.order.front().is_some_and(|(first, _)| first + WINDOW_ENTRIES < index) {
            if let Some((_, id)) = self.order.pop_front() {
                self.answers.remove(&id);
            }
        }
    }
}

fn is_ahead(statement: &Proposal) -> bool {
    let made_at_ms = i64::try_from(statement.id >> BELOW_TIME_BITS).unwrap_or(i64::MAX);
    made_at_ms.saturating_sub(statement.at_ms) > AHEAD_MAX_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(id: ProposalId, floor: u64) -> Proposal {
        Proposal { id, since: Since::Entry(floor), at_ms: 0, entry: None }
    }

    fn statement(id: ProposalId) -> Proposal {
        Proposal { id, since: Since::Statement, at_ms: 0, entry: None }
    }

    #[test]
    fn a_proposal_is_known_or_expired_but_never_new_again() {
        let mut recent = Recent::default();
        let answer = Answer::Applied { version: 1 };
        for index in 1..3 * WINDOW_ENTRIES {
            recent.remember(&proposal(ProposalId::from(index), 0), index, answer.clone());
            assert!(recent.answers.len() as u64 <= WINDOW_ENTRIES + 1, "bounded");
        }
        let next = 3 * WINDOW_ENTRIES;
        for applied in 1..next {
            let again = recent.answer(&proposal(ProposalId::from(applied), applied - 1), next);
            let expected = if next > applied - 1 + WINDOW_ENTRIES { Answer::Expired } else { answer.clone() };
            assert_eq!(again, Some(expected), "applied at {applied}");
        }
        assert_eq!(recent.answer(&proposal(0, next - 1), next), None, "a new one");
    }

    #[test]
    fn statements_of_a_clock_that_is_ahead_do_not_make_others_old() {
        let mut recent = Recent::default();
        let answer = Answer::Applied { version: 1 };
        let made = |ms: u128, n: u128| statement(ms << BELOW_TIME_BITS | n);
        for n in 0..STATEMENTS_MAX as u128 + 1000 {
            recent.remember(&made(3_600_000, n), n as u64, answer.clone());
        }
        let last = made(3_600_000, STATEMENTS_MAX as u128 + 999);
        assert_eq!(recent.answer(&last, STATEMENTS_MAX as u64 + 1000), Some(answer.clone()));
        for n in 0..STATEMENTS_MAX as u128 + 1000 {
            let own = made(n / 1000, n);
            assert_eq!(recent.answer(&own, 0), None, "{n} is new");
            recent.remember(&own, 0, answer.clone());
            assert_eq!(recent.answer(&own, 0), Some(answer.clone()));
        }
    }

    #[test]
    fn a_statement_is_known_or_expired_but_never_new_again() {
        let mut recent = Recent::default();
        let answer = Answer::Applied { version: 1 };
        let count = STATEMENTS_MAX as u128 + 100;
        // Ids come out of order, as from nodes whose clocks differ.
        for n in 0..count {
            let id = 2 * (n ^ 7) + 2;
            if recent.answer(&statement(id), 0).is_none() {
                recent.remember(&statement(id), 0, answer.clone());
            }
        }
        assert_eq!(recent.statements.len(), STATEMENTS_MAX, "bounded");
        for n in 0..count {
            assert!(recent.answer(&statement(2 * (n ^ 7) + 2), 0).is_some(), "{n} was here");
        }
        assert_eq!(recent.answer(&statement(1), 0), Some(Answer::Expired), "too old to know");
        assert_eq!(recent.answer(&statement(4 * count), 0), None, "a new one");
    }
}
