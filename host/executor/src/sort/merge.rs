//! Sorted streams put together to one: by a heap of their next rows, in runs as long as one stream is ahead of the others.

use std::cmp::Ordering;

use crate::sort::keys::SortKeys;

/// Streams of which each gives batches of rows in order. Equal rows come in the order of the streams.
pub(crate) struct Merger {
    streams: Vec<Stream>,
    /// Streams that have rows: a binary heap, the one with the first row on top.
    heap: Vec<usize>,
}

enum Stream {
    /// Of a batch the rows from `at` on, which there are.
    Rows {
        keys: SortKeys,
        at: usize,
        rows: usize,
    },
    /// It has to be asked for more.
    Empty,
    Ended,
}

/// Consecutive rows of a stream's batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) stream: usize,
    pub(crate) first: usize,
    pub(crate) rows: usize,
}

impl Merger {
    pub(crate) fn new(streams: usize) -> Self {
        Self { streams: (0..streams).map(|_| Stream::Empty).collect(), heap: Vec::with_capacity(streams) }
    }

    /// Streams without whose next batch nothing can be said of the order.
    pub(crate) fn empty(&self) -> Vec<usize> {
        let is_empty = |stream: &usize| matches!(self.streams[*stream], Stream::Empty);
        (0..self.streams.len()).filter(is_empty).collect()
    }

    /// The next batch of an empty stream.
    pub(crate) fn give(&mut self, stream: usize, keys: SortKeys, rows: usize) {
        if rows == 0 || !matches!(self.streams[stream], Stream::Empty) {
            return;
        }
        self.streams[stream] = Stream::Rows { keys, at: 0, rows };
        self.heap.push(stream);
        self.sift_up(self.heap.len() - 1);
    }

    /// An empty stream gives no more.
    pub(crate) fn end(&mut self, stream: usize) {
        self.streams[stream] = Stream::Ended;
    }

    /// The next rows in order, to be asked for when no stream is empty: at most `rows_max` of them, and none behind the last row of
    /// a batch. None at the end.
    pub(crate) fn next(&mut self, rows_max: usize) -> Vec<Run> {
        let mut runs = vec![];
        let mut left = rows_max;
        while left > 0
            && let Some(&first) = self.heap.first()
        {
            let run = self.run(first, left);
            left -= run.rows;
            runs.push(run);
            let is_empty = self.advance(first, run.rows);
            if is_empty {
                self.heap.swap_remove(0);
            }
            self.sift_down();
            if is_empty {
                break;
            }
        }
        runs
    }

    /// Rows of the stream on top that come before those of all others.
    fn run(&self, stream: usize, rows_max: usize) -> Run {
        let (first, left) = match &self.streams[stream] {
            Stream::Rows { at, rows, .. } => (*at, (rows - at).min(rows_max)),
            Stream::Empty | Stream::Ended => (0, 0),
        };
        let second = match (self.heap.get(1), self.heap.get(2)) {
            (Some(&left), Some(&right)) => {
                Some(if self.order(left, 0, right).is_lt() { left } else { right })
            }
            (second, _) => second.copied(),
        };
        let rows = second.map_or(left, |second| self.lead(stream, second, left));
        Run { stream, first, rows }
    }

    /// How many rows of a stream come before the next one of another; its next one does. Found in ever longer steps, so that a long
    /// lead takes few comparisons and a short one is found at once.
    fn lead(&self, stream: usize, other: usize, rows_max: usize) -> usize {
        let (mut known, mut step) = (1, 1);
        while known < rows_max {
            let next = (known + step).min(rows_max);
            if self.order(stream, next - 1, other).is_gt() {
                let (mut low, mut high) = (known, next - 1);
                while low < high {
                    let middle = low.midpoint(high);
                    match self.order(stream, middle, other) {
                        Ordering::Greater => high = middle,
                        Ordering::Less | Ordering::Equal => low = middle + 1,
                    }
                }
                return low;
            }
            known = next;
            step *= 2;
        }
        rows_max
    }

    /// The row `ahead` of a stream's next one against the next one of another.
    fn order(&self, stream: usize, ahead: usize, other: usize) -> Ordering {
        match (&self.streams[stream], &self.streams[other]) {
            (Stream::Rows { keys, at, .. }, Stream::Rows { keys: other_keys, at: other_at, .. }) => {
                let order = keys.compare((at + ahead) as u32, other_keys, *other_at as u32);
                order.then(stream.cmp(&other))
            }
            (Stream::Rows { .. } | Stream::Empty | Stream::Ended, _) => stream.cmp(&other),
        }
    }

    /// Whether nothing is left of the stream's batch.
    fn advance(&mut self, stream: usize, by: usize) -> bool {
        if let Stream::Rows { at, rows, .. } = &mut self.streams[stream] {
            *at += by;
            if *at < *rows {
                return false;
            }
        }
        self.streams[stream] = Stream::Empty;
        true
    }

    fn is_before(&self, place: usize, other: usize) -> bool {
        self.order(self.heap[place], 0, self.heap[other]).is_lt()
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 && self.is_before(place, (place - 1) / 2) {
            self.heap.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
    }

    fn sift_down(&mut self) {
        let mut place = 0;
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            if left >= self.heap.len() {
                return;
            }
            let least = if right < self.heap.len() && self.is_before(right, left) { right } else { left };
            if !self.is_before(least, place) {
                return;
            }
            self.heap.swap(place, least);
            place = least;
        }
    }
}
