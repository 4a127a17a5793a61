//! The queries of this node: how one is run, in as many attempts as it takes.
//!
//! Reading order: [`running`] is a query while it runs, with all that its driver, its client and reports change;
//! [`attempt`] is what is known of one attempt's instances; [`place`] says who gets what; [`drive`] leads from admission to
//! the end; [`status`] is what people see, [`finished`] what is remembered; [`turns`] lets few enough run at once.

pub(crate) mod attempt;
mod drive;
pub(crate) mod finished;
mod place;
pub(crate) mod running;
pub(crate) mod status;
pub(crate) mod turns;

pub(crate) use drive::{drive, end_everywhere};
