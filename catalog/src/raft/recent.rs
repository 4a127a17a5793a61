//! Which proposals have been applied lately, so that none is applied twice. Part of the replicated state.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::types::{Answer, Proposal, ProposalId};

/// Entries of the log over which an answer is remembered. The same on all replicas.
const WINDOW_ENTRIES: u64 = 4096;

/// A proposal names an index that had been applied before it was made: whatever applied it lies behind that index. So when
/// an entry stands at most the window behind that index, an earlier application of its proposal is still remembered; one
/// that stands further behind is given up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    answers: BTreeMap<ProposalId, Answer>,
    order: VecDeque<(u64, ProposalId)>,
}

impl Recent {
    /// The answer to a proposal that need not be applied, or must not be.
    pub fn answer(&self, proposal: &Proposal, index: u64) -> Option<Answer> {
        if index > proposal.floor.saturating_add(WINDOW_ENTRIES) {
            return Some(Answer::Expired);
        }
        self.answers.get(&proposal.id).cloned()
    }

    pub fn remember(&mut self, id: ProposalId, index: u64, answer: Answer) {
        self.answers.insert(id, answer);
        self.order.push_back((index, id));
        while self.order.front().is_some_and(|(first, _)| first + WINDOW_ENTRIES < index) {
            if let Some((_, id)) = self.order.pop_front() {
                self.answers.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::octets::Octets;

    fn proposal(id: ProposalId, floor: u64) -> Proposal {
        Proposal { id, floor, at_ms: 0, entry: Octets::default() }
    }

    #[test]
    fn a_proposal_is_known_or_expired_but_never_new_again() {
        let mut recent = Recent::default();
        let answer = Answer::Applied { version: 1 };
        for index in 1..3 * WINDOW_ENTRIES {
            recent.remember(ProposalId::from(index), index, answer.clone());
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
}
