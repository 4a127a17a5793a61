//! Sessions block the thread that they are on. Here each statement has a thread, and of all threads one runs at a time, as
//! coroutines do: the simulation stands still while a session works, and a session while it waits.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use nyala_catalog::Waiter;
use tokio::runtime::Handle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Simulation,
    Session,
    /// The session has ended.
    Over,
}

/// Who has it runs.
struct Baton {
    turn: Mutex<Turn>,
    passed: Condvar,
    /// Of the task that the session is to the simulation.
    task: Mutex<Option<Waker>>,
}

thread_local! {
    static OWN: RefCell<Option<Arc<Baton>>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Baton {
    fn pass(&self, to: Turn) {
        *lock(&self.turn) = to;
        self.passed.notify_all();
    }

    /// Returns when it has been passed on by `from`; says to whom.
    fn wait(&self, from: Turn) -> Turn {
        let waited = self.passed.wait_while(lock(&self.turn), |turn| *turn == from);
        *waited.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Baton {
    fn wake(self: Arc<Self>) {
        let task = lock(&self.task).take();
        task.into_iter().for_each(Waker::wake);
    }
}

/// How sessions of the simulation wait.
pub struct Turns(pub Handle);

impl Waiter for Turns {
    fn drive(&self, mut task: Pin<&mut (dyn Future<Output = ()> + Send)>) {
        let own = OWN.with_borrow(Clone::clone).expect("only sessions wait");
        let _inside = self.0.enter();
        let waker = Waker::from(Arc::clone(&own));
        while task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            own.pass(Turn::Simulation);
            own.wait(Turn::Simulation);
        }
    }
}

/// Work of a session, as a future. It has to be awaited to its end.
pub struct ByTurns<T> {
    baton: Arc<Baton>,
    result: Arc<Mutex<Option<std::thread::Result<T>>>>,
}

impl<T: Send + 'static> ByTurns<T> {
    pub fn new(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let turn = Mutex::new(Turn::Simulation);
        let baton = Arc::new(Baton { turn, passed: Condvar::new(), task: Mutex::default() });
        let result = Arc::new(Mutex::new(None));
        let (own, given) = (Arc::clone(&baton), Arc::clone(&result));
        let session = move || {
            own.wait(Turn::Simulation);
            OWN.set(Some(Arc::clone(&own)));
            let done = catch_unwind(AssertUnwindSafe(work));
            *lock(&given) = Some(done);
            own.pass(Turn::Over);
        };
        std::thread::Builder::new().name("session".into()).spawn(session).expect("a thread");
        Self { baton, result }
    }
}

impl<T> Future for ByTurns<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        *lock(&self.baton.task) = Some(context.waker().clone());
        self.baton.pass(Turn::Session);
        match self.baton.wait(Turn::Session) {
            Turn::Over => {
                let result = lock(&self.result).take().expect("it is polled no more once it has ended");
                Poll::Ready(result.unwrap_or_else(|panic| resume_unwind(panic)))
            }
            Turn::Simulation | Turn::Session => Poll::Pending,
        }
    }
}
