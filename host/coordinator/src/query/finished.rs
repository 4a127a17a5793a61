//! What is remembered of a query that has ended.

use nyala_executor::Profile;
use nyala_schema::Fragment;
use nyala_schema::deploy::QueryStatus;
use nyala_schema::id::FragmentId;

use crate::profile;
use crate::query::running::RunningQuery;

pub(crate) struct FinishedQuery {
    pub(crate) status: QueryStatus,
    pub(crate) profile: QueryProfile,
}

/// Fragment by fragment.
pub(crate) struct QueryProfile {
    fragments: Vec<Fragment>,
    profiles: Vec<(FragmentId, usize, Profile)>,
    total: Profile,
}

impl QueryProfile {
    /// As far as instances have reported.
    pub(crate) fn of(query: &RunningQuery) -> Self {
        let fragments = query.request.fragments.clone();
        let profiles = query.with(|core| {
            let records = core.attempt.as_ref().map_or(&[][..], |attempt| &attempt.instances);
            let of_fragment = |fragment: &Fragment| {
                let own = records.iter().filter(|record| record.fragment == fragment.id);
                let mut merged = Profile::default();
                let mut instances = 0;
                for record in own {
                    merged.merge(&profile::profile(&record.figures, &record.profile));
                    instances += 1;
                }
                (fragment.id, instances, merged)
            };
            fragments.iter().map(of_fragment).collect()
        });
        Self { total: query.profile(), fragments, profiles }
    }

    /// The operator tree of each fragment with what its instances did together.
    pub(crate) fn text(&self) -> String {
        if let ([fragment], [_]) = (&self.fragments[..], &self.profiles[..]) {
            return self.total.to_text(&fragment.root);
        }
        let mut text = String::new();
        for (fragment, (id, instances, profile)) in self.fragments.iter().zip(&self.profiles) {
            text += &format!("fragment {id}, instances {instances}, output {}\n", fragment.output);
            text += &profile.to_text(&fragment.root);
            text += "\n";
        }
        text
    }
}

impl RunningQuery {
    /// Of all instances together, as far as they have reported.
    pub(crate) fn profile(&self) -> Profile {
        let root = self.root_profile();
        let (records, rows, elapsed) = self.with(|core| {
            let records = core.attempt.as_ref().map_or_else(Vec::new, |attempt| attempt.instances.clone());
            let elapsed = core.ended.unwrap_or_else(tokio::time::Instant::now) - self.started;
            (records, core.rows_given, elapsed)
        });
        let mut merged = root.unwrap_or_default();
        for record in records.iter().skip(1) {
            merged.merge(&profile::profile(&record.figures, &record.profile));
        }
        merged.rows = rows;
        merged.elapsed = elapsed;
        merged
    }
}
