//! How many tables a query reads once every name from WITH is replaced by what it stands for. Twenty names that each
//! use the one before twice would be a million.

use std::collections::HashMap;
use std::ops::ControlFlow;

use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{ObjectName, Query, Visit, Visitor};

use crate::normalize::{ident_of, name_of};

/// Tables, subqueries and VALUES.
const RELATIONS_MAX: u64 = 1_000;

/// # Errors
/// `TooComplex` when there are more than can be planned.
pub(crate) fn check_expansion(query: &impl Visit) -> Result<()> {
    match query.visit(&mut Expansion::default()) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => {
            let message =
                format!("the query reads more than {RELATIONS_MAX} tables, counting each use of a WITH name");
            Err(Error::new(ErrorCode::TooComplex, message)
                .with_hint("put a part of it into a table with CREATE TABLE … AS"))
        }
    }
}

#[derive(Default)]
struct Expansion {
    /// The queries of WITH that are yet to come, by address, and their names.
    definitions: HashMap<*const Query, String>,
    /// What each name stands for; scopes are not kept apart, the last definition counts.
    relations: HashMap<String, u64>,
    /// Of the queries around this place, outermost first.
    counts: Vec<u64>,
}

impl Visitor for Expansion {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for definition in query.with.iter().flat_map(|with| &with.cte_tables) {
            let address: *const Query = definition.query.as_ref();
            self.definitions.insert(address, ident_of(&definition.alias.name));
        }
        self.counts.push(1);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let uses = name_of(relation).and_then(|name| self.relations.get(&name).copied()).unwrap_or(1);
        if let Some(count) = self.counts.last_mut() {
            *count = count.saturating_add(uses);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let count = self.counts.pop().unwrap_or_default();
        let address: *const Query = query;
        match (self.definitions.remove(&address), self.counts.last_mut()) {
            (Some(name), _) => {
                self.relations.insert(name, count);
            }
            (None, Some(outer)) => *outer = outer.saturating_add(count),
            (None, None) => {}
        }
        if count > RELATIONS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
