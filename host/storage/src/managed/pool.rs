//! The threads that encode what one statement writes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arrow::array::RecordBatch;
use nyala_schema::managed::{ColumnSketch, DataFile};
use nyala_schema::{Error, Result};

use super::encode::GroupEncoder;
use super::memory::Charge;
use super::open_file::{Finished, OpenFile};
use super::run::{GroupRows, SortedRun};
use super::tally::{ColumnTally, merged};
use super::target::Target;

pub enum Job {
    /// One row group of a file.
    Group { file: Arc<OpenFile>, number: usize, rows: GroupRows, charge: Option<Charge> },
    /// All rows of a file, which are to be sorted and cut into row groups.
    Run { file: Arc<OpenFile>, batches: Vec<RecordBatch>, charge: Charge },
}

pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    target: Arc<Target>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Jobs that a thread has taken and not finished; they may make others.
    running: usize,
    /// No more jobs come from outside.
    closed: bool,
    failure: Option<Error>,
    files: Vec<Finished>,
    /// What each thread learnt of each column.
    tallies: Vec<Vec<ColumnTally>>,
}

impl Pool {
    /// # Errors
    /// Internal when there are no more threads to have.
    pub fn new(target: &Arc<Target>, threads: usize) -> Result<Self> {
        let shared =
            Arc::new(Shared { target: Arc::clone(target), state: Mutex::default(), changed: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::new() };
        for _ in 0..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let encoder = GroupEncoder::new(target)?;
            let thread = std::thread::Builder::new().name("nyala-write".to_owned());
            let thread = thread.spawn(move || shared.work(encoder));
            pool.threads
                .push(thread.map_err(|error| Error::internal(format!("no thread to write: {error}")))?);
        }
        Ok(pool)
    }

    /// # Errors
    /// What an earlier job failed with.
    pub fn submit(&self, job: Job) -> Result<()> {
        let mut state = self.shared.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        state.jobs.push_back(job);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Takes a file that was finished outside of a job.
    pub fn finished(&self, file: Option<Finished>) {
        self.shared.lock().files.extend(file);
    }

    /// Waits for all jobs; gives the files in their order, and the sketches of all columns.
    ///
    /// # Errors
    /// What a job failed with.
    pub fn finish(mut self) -> Result<(Vec<DataFile>, Vec<ColumnSketch>)> {
        self.close();
        let mut state = self.shared.lock();
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        let sketches = merged(std::mem::take(&mut state.tallies))?;
        let mut files = std::mem::take(&mut state.files);
        files.sort_by_key(|(number, _)| *number);
        Ok((files.into_iter().map(|(_, file)| file).collect(), sketches))
    }

    fn close(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // Threads catch the panics of their jobs.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    /// What was not taken by `finish` is removed.
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            let given_up = || Error::internal("nobody waits for these files");
            state.failure.get_or_insert_with(given_up);
            let jobs = std::mem::take(&mut state.jobs);
            drop(state);
            drop(jobs);
        }
        self.close();
        let files = std::mem::take(&mut self.shared.lock().files);
        let target = &self.shared.target;
        for path in files.iter().flat_map(|(_, file)| file.paths()) {
            // A file that stays has no commit: VACUUM removes it.
            let _ = target.warehouse.remove(target.table, path);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, mut encoder: GroupEncoder) {
        while let Some(job) = self.next() {
            let done = catch_unwind(AssertUnwindSafe(|| self.run(job, &mut encoder)));
            let done = done.unwrap_or_else(|_| Err(Error::internal("encoding a row group panicked")));
            let mut state = self.lock();
            state.running -= 1;
            match done {
                Ok(file) => state.files.extend(file),
                Err(error) => {
                    state.failure.get_or_insert(error);
                    state.jobs.clear();
                }
            }
            drop(state);
            self.changed.notify_all();
        }
        self.lock().tallies.push(encoder.finish());
    }

    /// The next job; `None` when there will be none.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running += 1;
                return Some(job);
            }
            if state.closed && state.running == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, job: Job, encoder: &mut GroupEncoder) -> Result<Option<Finished>> {
        match job {
            Job::Group { file, number, rows, charge } => {
                let group = encoder.encode(&rows)?;
                drop(rows);
                drop(charge);
                file.put(number, group)
            }
            Job::Run { file, batches, charge } => {
                let run = Arc::new(SortedRun::new(&self.target.shape, batches, charge)?);
                let step = self.target.properties.row_group_rows;
                let mut state = self.lock();
                let total = run.rows().div_ceil(step);
                for number in (0..total).rev() {
                    let range = number * step..run.rows().min((number + 1) * step);
                    let rows = GroupRows::Sorted { run: Arc::clone(&run), range };
                    state.jobs.push_front(Job::Group { file: Arc::clone(&file), number, rows, charge: None });
                }
                drop(state);
                self.changed.notify_all();
                file.end(total)
            }
        }
    }
}
