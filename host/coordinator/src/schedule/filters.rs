//! Runtime filters over nodes: the parts of all instances that make one, until they are complete.

use std::collections::BTreeMap;

use bytes::Bytes;
use nyala_executor::merge_filters;
use nyala_schema::Result;
use nyala_schema::id::{FragmentId, RuntimeFilterId};

/// What is known of each filter of an attempt.
#[derive(Debug, Default)]
pub(crate) struct FilterParts {
    filters: BTreeMap<RuntimeFilterId, Parts>,
}

#[derive(Debug)]
struct Parts {
    fragment: FragmentId,
    /// By instance.
    parts: Vec<Option<Bytes>>,
    is_given: bool,
}

impl FilterParts {
    /// A filter that `instances` instances of `fragment` make.
    pub(crate) fn expect(&mut self, filter: RuntimeFilterId, fragment: FragmentId, instances: usize) {
        self.filters.insert(filter, Parts { fragment, parts: vec![None; instances], is_given: false });
    }

    /// The merged filter, once, when this part was the last, or when no other can change that everything passes.
    /// Parts that nobody asked for are nothing to mind.
    ///
    /// # Errors
    /// `Connection` for bytes that are no filter.
    pub(crate) fn add(
        &mut self,
        filter: RuntimeFilterId,
        instance: u32,
        bytes: Bytes,
    ) -> Result<Option<Bytes>> {
        let Some(known) = self.filters.get_mut(&filter).filter(|known| !known.is_given) else {
            return Ok(None);
        };
        let Some(part) = known.parts.get_mut(instance as usize) else { return Ok(None) };
        let keeps_all = bytes.is_empty();
        *part = Some(bytes);
        if keeps_all {
            known.is_given = true;
            return Ok(Some(Bytes::new()));
        }
        let Some(parts) = known.parts.iter().cloned().collect::<Option<Vec<Bytes>>>() else {
            return Ok(None);
        };
        known.is_given = true;
        known.parts.clear();
        merge_filters(&parts).map(Some)
    }

    /// Filters that will never be complete because an instance has ended without its part.
    pub(crate) fn ended(&mut self, fragment: FragmentId, instance: u32) -> Vec<RuntimeFilterId> {
        let lacks = |known: &Parts| {
            known.fragment == fragment
                && !known.is_given
                && known.parts.get(instance as usize).is_some_and(Option::is_none)
        };
        let lacking = self.filters.iter_mut().filter(|(_, known)| lacks(known));
        lacking
            .map(|(filter, known)| {
                known.is_given = true;
                *filter
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: RuntimeFilterId = RuntimeFilterId(3);

    #[test]
    fn one_part_that_keeps_everything_decides() {
        let mut parts = FilterParts::default();
        parts.expect(FILTER, FragmentId(1), 3);
        assert_eq!(parts.add(FILTER, 1, Bytes::new()).unwrap(), Some(Bytes::new()));
        assert_eq!(parts.add(FILTER, 0, Bytes::new()).unwrap(), None);
        assert!(parts.ended(FragmentId(1), 2).is_empty());
    }

    #[test]
    fn a_maker_that_ends_without_its_part_gives_the_filter_up_once() {
        let mut parts = FilterParts::default();
        parts.expect(FILTER, FragmentId(1), 2);
        assert!(parts.ended(FragmentId(2), 0).is_empty());
        assert_eq!(parts.ended(FragmentId(1), 0), [FILTER]);
        assert!(parts.ended(FragmentId(1), 1).is_empty());
        assert_eq!(parts.add(RuntimeFilterId(9), 0, Bytes::from_static(b"x")).unwrap(), None);
    }
}
