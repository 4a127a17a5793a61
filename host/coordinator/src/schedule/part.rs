//! How many threads a query gets that is not alone.

/// A query whose operators are expected to see more rows in all takes a second or more on one thread: others may be gone by then.
const BRIEF_ROWS_MAX: f64 = 30e6;

/// Where as many queries are `present` as may run `at_once`, one for each thread, all threads have enough to do, and one query
/// on several of them takes about a tenth more of their time than on one. So it gets its part of the threads when it begins.
pub(crate) fn part(at_once: usize, present: usize, rows: f64) -> usize {
    if rows > BRIEF_ROWS_MAX { at_once } else { at_once.div_ceil(present.max(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_it_gets_all_and_in_a_crowd_one() {
        let parts = |present| part(8, present, 1e6);
        assert_eq!([0, 1, 2, 3, 7, 8, 100].map(parts), [8, 8, 4, 3, 2, 1, 1]);
    }

    #[test]
    fn what_may_take_long_gets_all() {
        assert_eq!(part(8, 100, 1e9), 8);
    }
}
