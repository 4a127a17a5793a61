//! The names under which a statement commits, so that it is done once however often its client asks.

use nyala_catalog::{CatalogHandle, CommitId, Outcome};
use nyala_schema::cluster::QueryId;
use nyala_schema::{ErrorCode, Result};
use sha2::{Digest, Sha256};

/// A statement that meets another's commit plans anew and commits under the next name: of each name but the last it is known
/// that it was refused.
///
/// Names begin with the time with which a statement's id does: the catalog forgets them in their order, and takes one that comes
/// before what it has forgotten for old.
#[derive(Debug, Clone, Copy)]
pub struct CommitNames {
    statement: QueryId,
    /// Of the client, from 0.
    attempt: u32,
    next: u32,
}

impl CommitNames {
    pub fn new(statement: QueryId, attempt: u32) -> Self {
        Self { statement, attempt, next: 0 }
    }

    pub fn next(&mut self) -> CommitId {
        let id = self.name(self.next);
        self.next += 1;
        id
    }

    /// What became of the statement: of the last name under which it can have committed.
    ///
    /// # Errors
    /// Those of [`CatalogHandle::outcome`].
    pub fn outcome(mut self, catalog: &dyn CatalogHandle) -> Result<Outcome> {
        loop {
            match catalog.outcome(self.next())? {
                // Who was refused so tries again, or gives up: the next name says which.
                Outcome::Refused(error) if error.code() == ErrorCode::SerializationFailure => {}
                outcome => return Ok(outcome),
            }
        }
    }

    fn name(&self, number: u32) -> CommitId {
        let mut hasher = Sha256::new();
        hasher.update(self.statement.0.to_be_bytes());
        hasher.update(self.attempt.to_be_bytes());
        hasher.update(number.to_be_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        let hashed = hash[..HASHED_BYTES].iter().fold(0, |id, byte| id << 8 | CommitId::from(*byte));
        self.statement.0 >> HASHED_BITS << HASHED_BITS | hashed
    }
}

/// Of a name: all but the time and version of a UUID of the seventh version, and what tells those of a millisecond apart.
const HASHED_BYTES: usize = 8;
const HASHED_BITS: usize = 8 * HASHED_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_the_order_of_time() {
        let of = |milliseconds: u128, random: u128| {
            let mut names = CommitNames::new(QueryId(milliseconds << 80 | random), 1);
            [names.next(), names.next()]
        };
        let least = (0..1000).flat_map(|random| of(1_700_000_000_001, random)).min();
        let greatest = (0..1000).flat_map(|random| of(1_700_000_000_000, random << 8)).max();
        assert!(greatest < least);
    }

    #[test]
    fn names_differ_by_statement_attempt_and_number_and_nothing_else() {
        let names = |statement, attempt| {
            let mut names = CommitNames::new(QueryId(statement), attempt);
            [names.next(), names.next(), names.next()]
        };
        assert_eq!(names(1, 0), names(1, 0));
        let mut all: Vec<CommitId> =
            [(1, 0), (1, 1), (2, 0)].into_iter().flat_map(|(s, a)| names(s, a)).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
    }
}
