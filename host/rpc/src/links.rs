//! Which connections there are, and which of two with the same node stays.
//!
//! A connection that came in is on trial until its dialler uses it: when two nodes dial each other at once, each has one on
//! trial that nothing was sent on, and both keep the one that the node with the lower id dialled.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_exchange::Caller;
use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::watch;

use crate::link::Link;

/// What is known of the connections with one node.
#[derive(Default)]
struct Known {
    /// In use.
    current: Option<Arc<Link>>,
    /// Came in, and was not used by its dialler yet.
    trial: Option<Arc<Link>>,
    /// Of the node, as far as it has said.
    incarnation: u64,
    /// Number of the last connection that this side used, or took.
    last: u64,
    /// Set while this side dials.
    dialling: Option<watch::Receiver<DialOutcome>>,
    /// Sent whenever something changes.
    changed: watch::Sender<()>,
}

/// `None` while it lasts.
pub(crate) type DialOutcome = Option<Result<()>>;

impl Known {
    fn open(link: &Option<Arc<Link>>) -> Option<&Arc<Link>> {
        link.as_ref().filter(|link| link.is_open())
    }
}

/// What to do for a link to a node.
pub(crate) enum Next {
    Use(Arc<Link>),
    /// One is on trial, or being dialled by someone else here.
    Wait(watch::Receiver<()>),
    WaitForDial(watch::Receiver<DialOutcome>),
    /// Dial; tell the outcome to all who wait by [`Links::dialled`].
    Dial {
        last: u64,
        tell: watch::Sender<DialOutcome>,
        outcome: watch::Receiver<DialOutcome>,
    },
}

/// What becomes of a connection that came in.
pub(crate) enum Verdict {
    /// It is taken; a former one that it replaces is to be closed.
    Taken { replaced: Option<Arc<Link>> },
    /// There is one already, or on its way.
    Superseded,
    /// An earlier run of the node, or one that is told apart no more.
    Fenced { known: u64 },
}

/// What becomes of a connection that this side dialled.
pub(crate) enum Decision {
    Use,
    /// Another one stays.
    Drop,
    Fenced {
        known: u64,
    },
}

/// The connections of a transport.
pub(crate) struct Links {
    /// `None` in a client.
    own: Option<NodeId>,
    nodes: Mutex<HashMap<NodeId, Known>>,
    clients: Mutex<HashMap<u64, Arc<Link>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Links {
    pub(crate) fn new(own: Option<NodeId>) -> Self {
        Self { own, nodes: Mutex::default(), clients: Mutex::default() }
    }

    /// Waits until a link with a node is in use.
    pub(crate) async fn in_use(&self, node: NodeId) {
        loop {
            let mut changed = {
                let mut nodes = lock(&self.nodes);
                let known = nodes.entry(node).or_default();
                if Known::open(&known.current).is_some() {
                    return;
                }
                known.changed.subscribe()
            };
            // It cannot end: what is known of a node is kept.
            let _ = changed.changed().await;
        }
    }

    /// The link with a node that is in use, if there is one.
    pub(crate) fn open(&self, node: NodeId) -> Option<Arc<Link>> {
        Known::open(&lock(&self.nodes).get(&node)?.current).cloned()
    }

    pub(crate) fn next(&self, node: NodeId) -> Next {
        let mut nodes = lock(&self.nodes);
        let known = nodes.entry(node).or_default();
        if let Some(link) = Known::open(&known.current) {
            return Next::Use(link.clone());
        }
        if Known::open(&known.trial).is_some() {
            return Next::Wait(known.changed.subscribe());
        }
        // A dial whose teller is gone was given up before it began.
        if let Some(outcome) = known.dialling.as_ref().filter(|outcome| outcome.has_changed().is_ok()) {
            return Next::WaitForDial(outcome.clone());
        }
        let (tell, outcome) = watch::channel(None);
        known.dialling = Some(outcome.clone());
        Next::Dial { last: known.last, tell, outcome }
    }

    /// Ends a dial that [`next`](Self::next) asked for.
    pub(crate) fn dialled(&self, node: NodeId, tell: &watch::Sender<DialOutcome>, outcome: Result<()>) {
        if let Some(known) = lock(&self.nodes).get_mut(&node) {
            known.dialling = None;
        }
        tell.send_replace(Some(outcome));
    }

    /// A connection with a node has come in. `last`: the number of the last one that the other side knew of.
    pub(crate) fn came_in(&self, link: &Arc<Link>, last: u64) -> Verdict {
        let Caller::Node { id, incarnation } = link.end.caller else {
            link.use_it();
            lock(&self.clients).insert(link.end.number, link.clone());
            return Verdict::Taken { replaced: None };
        };
        let mut nodes = lock(&self.nodes);
        let known = nodes.entry(id).or_default();
        if incarnation < known.incarnation {
            return Verdict::Fenced { known: known.incarnation };
        }
        let is_same_run = incarnation == known.incarnation;
        if let Some(current) = Known::open(&known.current) {
            // A dialler that knew of the one in use has lost it.
            if is_same_run && current.end.number != last {
                return Verdict::Superseded;
            }
        }
        // Of several that a node dials at once, it uses the first that was taken.
        if is_same_run && Known::open(&known.trial).is_some() {
            return Verdict::Superseded;
        }
        known.incarnation = incarnation;
        known.last = link.end.number;
        let current = known.current.take();
        if let Some(trial) = known.trial.replace(link.clone()) {
            trial.close(trial.lost("the node runs anew"));
        }
        known.changed.send_replace(());
        Verdict::Taken { replaced: current }
    }

    /// The dialler of a connection on trial uses it.
    pub(crate) fn confirm(&self, link: &Arc<Link>) {
        let Some(node) = link.end.node() else { return };
        let mut nodes = lock(&self.nodes);
        let Some(known) = nodes.get_mut(&node) else { return };
        if known.trial.as_ref().is_some_and(|trial| Arc::ptr_eq(trial, link)) {
            known.trial = None;
            link.use_it();
            let former = known.current.replace(link.clone());
            if let Some(former) = former {
                former.close(former.lost("another one is in use"));
            }
            known.changed.send_replace(());
        }
    }

    /// Takes away a link with an earlier run of a node, or one that has ended: what was on it is to be given up before
    /// another one is used.
    pub(crate) fn retire(&self, node: NodeId, incarnation: u64) -> Option<Arc<Link>> {
        let mut nodes = lock(&self.nodes);
        let known = nodes.get_mut(&node)?;
        let is_newer = incarnation > known.incarnation;
        known.current.take_if(|current| is_newer || !current.is_open())
    }

    /// A connection that this side dialled was taken by the other side.
    pub(crate) fn decide(&self, link: &Arc<Link>) -> Decision {
        let Caller::Node { id, incarnation } = link.end.caller else { return Decision::Drop };
        let mut nodes = lock(&self.nodes);
        let known = nodes.entry(id).or_default();
        if incarnation < known.incarnation {
            return Decision::Fenced { known: known.incarnation };
        }
        if incarnation == known.incarnation {
            let is_lower = self.own.is_none_or(|own| own < id);
            if Known::open(&known.current).is_some() || (Known::open(&known.trial).is_some() && !is_lower) {
                return Decision::Drop;
            }
        }
        known.incarnation = incarnation;
        known.last = link.end.number;
        link.use_it();
        known.current = Some(link.clone());
        // Its dialler has this one on trial, and will close it: it may still be reading the answer to its hello.
        known.trial = None;
        known.changed.send_replace(());
        Decision::Use
    }

    /// A connection has ended.
    pub(crate) fn remove(&self, link: &Arc<Link>) {
        let Some(node) = link.end.node() else {
            lock(&self.clients).remove(&link.end.number);
            return;
        };
        let mut nodes = lock(&self.nodes);
        let Some(known) = nodes.get_mut(&node) else { return };
        known.current.take_if(|current| Arc::ptr_eq(current, link));
        known.trial.take_if(|trial| Arc::ptr_eq(trial, link));
        known.changed.send_replace(());
    }

    /// All that are open, by node; then those of clients.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        let nodes = lock(&self.nodes);
        let mut sorted: Vec<_> = nodes.iter().collect();
        sorted.sort_by_key(|(id, _)| **id);
        let of_nodes = sorted
            .into_iter()
            .filter_map(|(_, known)| Known::open(&known.current).or(Known::open(&known.trial)).cloned());
        of_nodes.chain(lock(&self.clients).values().cloned()).collect()
    }

    /// Ends what there is with a node.
    pub(crate) fn disconnect(&self, node: NodeId) {
        let mut nodes = lock(&self.nodes);
        let Some(known) = nodes.get_mut(&node) else { return };
        for link in [known.current.clone(), known.trial.clone()].into_iter().flatten() {
            link.close(link.lost("this node has ended it"));
        }
    }
}

/// Who was refused, and why.
pub(crate) fn fenced(name: &str, incarnation: u64, known: u64) -> Error {
    Error::new(
        ErrorCode::Connection,
        format!("{name} is run {incarnation} of that node, and run {known} is known already"),
    )
    .with_hint("stop the older of the two processes")
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::Peer;

    use super::*;
    use crate::link::End;

    fn link(node: u64, incarnation: u64, number: u64, is_dialled: bool) -> Arc<Link> {
        let peer = Peer { id: NodeId(node), address: "h:1".into() };
        let end = End {
            caller: Caller::Node { id: peer.id, incarnation },
            peer: Some(peer),
            address: "h:1".into(),
            number,
            protocol: 1,
            is_encrypted: false,
            is_dialled,
        };
        Link::new(end, Arc::default()).0
    }

    fn uses(links: &Links, node: u64) -> Option<u64> {
        match links.next(NodeId(node)) {
            Next::Use(link) => Some(link.end.number),
            _ => None,
        }
    }

    /// Nodes 1 and 2 have both dialled: what each says to the other's connection, then to its own.
    #[test]
    fn of_two_that_crossed_both_sides_keep_the_one_of_the_lower_id() {
        let (one, two) = (Links::new(Some(NodeId(1))), Links::new(Some(NodeId(2))));
        let (by_one_there, by_two_here) = (link(1, 1, 11, false), link(2, 1, 22, false));
        assert!(matches!(two.came_in(&by_one_there, 0), Verdict::Taken { replaced: None }));
        assert!(matches!(one.came_in(&by_two_here, 0), Verdict::Taken { replaced: None }));
        assert!(matches!(one.next(NodeId(2)), Next::Wait(_)), "it is not used before its dialler does");
        let (by_one_here, by_two_there) = (link(2, 1, 11, true), link(1, 1, 22, true));
        assert!(matches!(two.decide(&by_two_there), Decision::Drop));
        assert!(matches!(one.decide(&by_one_here), Decision::Use));
        two.confirm(&by_one_there);
        assert_eq!((uses(&one, 2), uses(&two, 1)), (Some(11), Some(11)));
        assert!(by_two_here.is_open(), "its dialler closes it");
        one.confirm(&by_two_here);
        assert_eq!(uses(&one, 2), Some(11), "too late");
    }

    #[test]
    fn a_second_connection_is_taken_only_from_who_has_lost_the_first() {
        let links = Links::new(Some(NodeId(1)));
        let first = link(2, 1, 5, false);
        links.came_in(&first, 0);
        assert!(matches!(links.came_in(&link(2, 1, 6, false), 0), Verdict::Superseded), "on trial");
        links.confirm(&first);
        assert!(matches!(links.came_in(&link(2, 1, 7, false), 0), Verdict::Superseded), "in use");
        let again = link(2, 1, 8, false);
        let Verdict::Taken { replaced: Some(former) } = links.came_in(&again, 5) else {
            panic!("it knew of the first")
        };
        assert_eq!(former.end.number, 5);
        links.remove(&again);
        assert!(matches!(links.next(NodeId(2)), Next::Dial { last: 8, .. }));
    }

    #[test]
    fn runs_of_a_node_follow_each_other() {
        let links = Links::new(Some(NodeId(1)));
        let first = link(2, 3, 5, true);
        assert!(matches!(links.decide(&first), Decision::Use));
        assert!(matches!(links.came_in(&link(2, 2, 6, false), 5), Verdict::Fenced { known: 3 }));
        assert!(links.retire(NodeId(2), 3).is_none());
        let retired = links.retire(NodeId(2), 4).expect("of an earlier run");
        assert!(Arc::ptr_eq(&retired, &first));
        assert!(matches!(links.decide(&link(2, 4, 7, true)), Decision::Use));
        assert!(matches!(links.decide(&link(2, 3, 8, true)), Decision::Fenced { known: 4 }));
    }

    #[test]
    fn one_dials_for_all_and_a_dial_that_was_given_up_is_made_again() {
        let links = Links::new(Some(NodeId(1)));
        let Next::Dial { tell, .. } = links.next(NodeId(2)) else { panic!("the first dials") };
        assert!(matches!(links.next(NodeId(2)), Next::WaitForDial(_)));
        drop(tell);
        let Next::Dial { tell, outcome, .. } = links.next(NodeId(2)) else { panic!("again") };
        links.dialled(NodeId(2), &tell, Err(fenced("x", 1, 2)));
        assert!(outcome.borrow().as_ref().is_some_and(Result::is_err));
        assert!(matches!(links.next(NodeId(2)), Next::Dial { .. }));
    }
}
