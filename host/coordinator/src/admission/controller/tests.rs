//! Admission under limits, in virtual time.

use super::*;

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

fn pool(name: &str, change: impl FnOnce(&mut Pool)) -> Pool {
    let mut pool = Pool { name: name.into(), ..Pool::default() };
    change(&mut pool);
    pool
}

fn controller(pools: Vec<Pool>, change: impl FnOnce(&mut AdmissionSettings)) -> (Controller, Instant) {
    let mut settings = AdmissionSettings { pools, settle: Duration::ZERO, ..AdmissionSettings::default() };
    change(&mut settings);
    let now = Instant::now();
    (Controller::new(settings, now), now)
}

fn query(id: u128, pool: &str, user: &str) -> AdmissionAsk {
    AdmissionAsk { query: QueryId(id), pool: pool.into(), user: user.into(), memory_bytes: 100, waited_ms: 0 }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn slots_are_shared_by_all_coordinators_and_pass_on_in_order() {
    let (mut control, now) = controller(vec![pool("p", |p| p.slots = Some(2))], |_| {});
    assert_eq!(control.ask(A, query(1, "p", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(B, query(2, "p", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(B, query(3, "p", "u"), now + SECOND), Decision::Queued);
    assert_eq!(control.ask(A, query(4, "p", "u"), now + 2 * SECOND), Decision::Queued);
    control.release(QueryId(1), now + 3 * SECOND);
    assert_eq!(control.ask(A, query(4, "p", "u"), now + 3 * SECOND), Decision::Queued);
    assert_eq!(control.ask(B, query(3, "p", "u"), now + 3 * SECOND), Decision::Admitted);
    assert_eq!(control.counts(), (2, 1));
}

#[test]
fn the_queue_has_a_length_and_a_timeout() {
    let limits = |p: &mut Pool| (p.slots, p.queue_length, p.queue_timeout) = (Some(1), 1, 5 * SECOND);
    let (mut control, now) = controller(vec![pool("p", limits)], |_| {});
    assert_eq!(control.ask(A, query(1, "p", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(A, query(2, "p", "u"), now), Decision::Queued);
    let Decision::Refused(full) = control.ask(A, query(3, "p", "u"), now) else { panic!("queued") };
    assert_eq!(full.code(), ErrorCode::OutOfMemory);
    control.renew(A, vec![query(1, "p", "u")], now + 4 * SECOND);
    assert_eq!(control.ask(A, query(2, "p", "u"), now + 4 * SECOND), Decision::Queued);
    let Decision::Refused(late) = control.ask(A, query(2, "p", "u"), now + 5 * SECOND) else { panic!() };
    assert!(late.message().contains("waited 5 s"), "{late}");
    assert_eq!(control.counts(), (1, 0));
}

#[test]
fn the_pool_of_greater_priority_goes_first_where_all_share() {
    let pools = vec![pool("low", |_| {}), pool("high", |p| p.priority = 5)];
    let (mut control, now) = controller(pools, |settings| settings.slots = Some(1));
    assert_eq!(control.ask(A, query(1, "low", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(A, query(2, "low", "u"), now + SECOND), Decision::Queued);
    assert_eq!(control.ask(A, query(3, "high", "u"), now + 2 * SECOND), Decision::Queued);
    control.release(QueryId(1), now + 3 * SECOND);
    assert_eq!(control.ask(A, query(2, "low", "u"), now + 3 * SECOND), Decision::Queued);
    assert_eq!(control.ask(A, query(3, "high", "u"), now + 3 * SECOND), Decision::Admitted);
}

#[test]
fn a_user_at_the_limit_lets_others_pass() {
    let (mut control, now) = controller(vec![pool("p", |p| p.per_user = Some(1))], |_| {});
    assert_eq!(control.ask(A, query(1, "p", "ann"), now), Decision::Admitted);
    assert_eq!(control.ask(B, query(2, "p", "ann"), now), Decision::Queued);
    assert_eq!(control.ask(A, query(3, "p", "bob"), now + SECOND), Decision::Admitted);
}

#[test]
fn memory_is_counted_and_what_never_fits_is_refused() {
    let (mut control, now) = controller(vec![pool("p", |p| p.memory_bytes = Some(250))], |_| {});
    assert_eq!(control.ask(A, query(1, "p", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(A, query(2, "p", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(A, query(3, "p", "u"), now), Decision::Queued);
    let big = AdmissionAsk { memory_bytes: 251, ..query(4, "p", "u") };
    assert!(matches!(control.ask(A, big, now), Decision::Refused(_)));
    assert!(matches!(control.ask(A, query(5, "q", "u"), now), Decision::Refused(_)));
}

#[test]
fn a_coordinator_that_is_gone_gives_its_slots_back() {
    let (mut control, now) = controller(vec![pool("p", |p| p.slots = Some(1))], |_| {});
    assert_eq!(control.ask(A, query(1, "p", "u"), now), Decision::Admitted);
    assert_eq!(control.ask(B, query(2, "p", "u"), now + 9 * SECOND), Decision::Queued);
    assert_eq!(control.ask(B, query(2, "p", "u"), now + 10 * SECOND), Decision::Admitted);
}

#[test]
fn what_a_coordinator_does_not_renew_has_ended() {
    let (mut control, now) = controller(vec![pool("p", |p| p.slots = Some(1))], |_| {});
    assert_eq!(control.ask(A, query(1, "p", "u"), now), Decision::Admitted);
    control.renew(A, vec![], now + SECOND);
    assert_eq!(control.counts(), (1, 0));
    control.renew(A, vec![], now + 3 * SECOND);
    assert_eq!(control.counts(), (0, 0));
}

#[test]
fn a_new_controller_learns_what_runs_before_it_admits() {
    let pools = vec![pool("p", |p| p.slots = Some(2))];
    let (mut control, now) = controller(pools, |settings| settings.settle = 2 * SECOND);
    let first = AdmissionAsk { waited_ms: 3000, ..query(7, "p", "u") };
    assert_eq!(control.ask(A, query(8, "p", "u"), now), Decision::Queued);
    assert_eq!(control.ask(B, first.clone(), now), Decision::Queued);
    control.renew(A, vec![query(1, "p", "u")], now);
    control.settle(&[A, B], now);
    assert_eq!(control.ask(B, first.clone(), now), Decision::Queued);
    control.renew(B, vec![], now);
    control.settle(&[A, B], now);
    assert_eq!(control.ask(A, query(8, "p", "u"), now), Decision::Queued, "the other waited longer");
    assert_eq!(control.ask(B, first, now), Decision::Admitted);
}
