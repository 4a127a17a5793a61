//! From a query's text to rows that stream.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use nyala_executor::{Ends, Profile};
use nyala_frontend::Statement;
use nyala_pipeline::PipelinePlan;
use nyala_schema::cluster::Attempt;
use nyala_schema::lookup::World;
use nyala_schema::{Error, Fragment, Result, wire};
use sqlparser::ast::Query;

use crate::answer::{Answer, Progress, RowSource, RowStream, Summary};
use crate::running::Running;
use crate::session::Session;
use crate::statements::Statement as Run;
use crate::table_sql::quoted_name;
use crate::work::Sight;

/// A query in all its forms, from text to pipelines.
pub struct Planned {
    pub logical: nyala_frontend::LogicalPlan,
    /// The first gives the rows; in one process it is all there is.
    pub fragments: Vec<Fragment>,
    /// Of the first fragment, where nothing but this process runs it.
    pipelines: Option<Arc<PipelinePlan>>,
    /// Text to pipelines.
    pub planning: Duration,
    /// The user-defined functions and operators in it.
    pub uses: Vec<String>,
    /// The code and files that the plan names stay as long as somebody has this.
    sight: Sight,
}

impl Planned {
    /// Names and types that the query gives.
    pub fn schema(&self) -> &SchemaRef {
        &self.fragments[0].root.schema
    }

    /// The version of the catalog that it was planned on.
    pub fn catalog_version(&self) -> u64 {
        self.fragments[0].catalog_version
    }

    /// Of all fragments.
    ///
    /// # Errors
    /// `Unsupported` for what no pipeline does.
    pub fn pipelines(&self) -> Result<Vec<Arc<PipelinePlan>>> {
        match &self.pipelines {
            Some(pipelines) => Ok(vec![Arc::clone(pipelines)]),
            None => {
                self.fragments.iter().map(|fragment| nyala_pipeline::build(fragment).map(Arc::new)).collect()
            }
        }
    }
}

pub fn plan(session: &Session, sql: &str, query: &Query) -> Result<Planned> {
    plan_in(session, &session.tables(), sql, query)
}

/// As [`plan`], where the tables are those of `world`, which names no file that the statement does not see.
pub fn plan_in(session: &Session, world: &dyn World, sql: &str, query: &Query) -> Result<Planned> {
    let start = Instant::now();
    let sight = session.sight();
    let planned = session.engine.frontend().plan_query_with_uses(sql, query, world, &session.options)?;
    let (logical, uses) = (planned.plan, planned.uses);
    let network = session.engine.network();
    let fragments = match network {
        None => nyala_planner::plan(&logical, world.version(), &session.options)?,
        Some(network) => network.plan(&logical, world.version(), &session.options)?,
    };
    if network.is_none() && fragments.len() != 1 || fragments.is_empty() {
        return Err(Error::internal(format!("{} fragments on one node", fragments.len())));
    }
    if session.engine.check_wire {
        fragments.iter().try_for_each(check_wire)?;
    }
    let pipelines = match network {
        None => Some(Arc::new(nyala_pipeline::build(&fragments[0])?)),
        Some(_) => None,
    };
    Ok(Planned { logical, fragments, pipelines, planning: start.elapsed(), uses, sight })
}

fn check_wire(fragment: &Fragment) -> Result<()> {
    let back = wire::decode_fragment(&wire::encode_fragment(fragment)?)?;
    if back == *fragment {
        return Ok(());
    }
    // What the text of a plan leaves out may be what differs.
    let (sent, received) = (format!("{fragment:?}"), format!("{back:?}"));
    let same = sent.bytes().zip(received.bytes()).take_while(|(one, other)| one == other).count();
    let near = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[same.saturating_sub(80)..])
            .chars()
            .take(200)
            .collect::<String>()
    };
    let (sent, received) = (near(&sent), near(&received));
    Err(Error::internal(format!(
        "a fragment came back changed from its wire form: {sent}\n{received}\n{fragment}"
    )))
}

/// Plans a query and starts it.
pub fn run(session: &Session, sql: &str, query: &Query) -> Result<Answer> {
    let planned = plan(session, sql, query)?;
    Ok(Answer::Rows(RowStream::new(Box::new(start(session, &planned)?))))
}

pub fn start(session: &Session, planned: &Planned) -> Result<RunningQuery> {
    // On a cluster, waiting for admission is part of it.
    let start = Instant::now();
    let (engine, run) = (&session.engine, session.running());
    let running: Box<dyn Running> = match (engine.network(), &planned.pipelines) {
        (Some(network), _) => network.start(session, run.as_deref(), planned)?,
        (None, Some(pipelines)) => {
            let attempt = run.as_deref().map(|run| Attempt { query: run.query_id(), number: 0 });
            let ends = Ends { attempt, ..Ends::default() };
            Box::new(engine.executor.start_instance(pipelines.clone(), &session.options, ends)?)
        }
        (None, None) => return Err(Error::internal("a query has no pipelines")),
    };
    session.watch(running.control());
    Ok(RunningQuery {
        schema: named_schema(planned.schema(), &running.schema()),
        running,
        sight: planned.sight.clone(),
        planning: planned.planning,
        start,
        rows: 0,
        finished: None,
        fragments: planned.fragments.clone(),
        run,
    })
}

/// Runs a query to its end and keeps its rows.
pub fn collect(session: &Session, sql: &str, query: &Query) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let mut stream = RowStream::new(Box::new(start(session, &plan(session, sql, query)?)?));
    let mut batches = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        batches.push(batch);
    }
    Ok((stream.schema(), batches))
}

/// `SELECT *` of a table, as text and parsed, in the order of these terms.
pub fn select_all_query(table: &str, order: Option<&str>) -> Result<(String, Box<Query>)> {
    let order = order.map_or_else(String::new, |terms| format!(" ORDER BY {terms}"));
    parsed(format!("SELECT * FROM {}{order}", quoted_name(table)))
}

/// A query of our own with its text.
pub fn parsed(text: impl Into<String>) -> Result<(String, Box<Query>)> {
    let text = text.into();
    match nyala_frontend::parse(&text)? {
        Statement::Query(query) => Ok((text, query)),
        other => Err(Error::internal(format!("{other:?} is no query"))),
    }
}

/// The types that come out under the names that the query gave.
fn named_schema(names: &Schema, types: &Schema) -> SchemaRef {
    let fields = names.fields().iter().zip(types.fields());
    let fields = fields.map(|(name, field)| field.as_ref().clone().with_name(name.name()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub struct RunningQuery {
    pub running: Box<dyn Running>,
    sight: Sight,
    schema: SchemaRef,
    planning: Duration,
    start: Instant,
    rows: u64,
    /// Set at the end of the rows, or at an error.
    finished: Option<Duration>,
    fragments: Vec<Fragment>,
    run: Option<Arc<Run>>,
}

impl RunningQuery {
    /// Each operator with what it did.
    pub fn profile_text(&self) -> String {
        profile_text(&self.running.profile(), &self.fragments)
    }

    fn finish(&mut self) {
        if self.finished.is_some() {
            return;
        }
        self.finished = Some(self.start.elapsed());
        if let Some(run) = &self.run {
            run.add_profile(&self.profile_text());
        }
    }
}

impl RowSource for RunningQuery {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        let result = self.running.next(wait)?;
        match &result {
            Ok(Some(batch)) => self.rows += batch.num_rows() as u64,
            Ok(None) | Err(_) => {
                if result.is_err() {
                    self.sight.fail();
                }
                self.finish();
            }
        }
        let renamed =
            |batch: RecordBatch| Ok(RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?);
        Some(result.and_then(|batch| batch.map(renamed).transpose()))
    }

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.running.poll_ready(context)
    }

    fn progress(&self) -> Progress {
        self.running.progress()
    }

    fn summary(&self) -> Summary {
        let profile = self.running.profile();
        Summary {
            rows: self.rows,
            elapsed: self.planning + self.finished.unwrap_or_else(|| self.start.elapsed()),
            planning: self.planning,
            compiling: profile.compiling,
            bytes_read: profile.bytes_read,
            peak_memory_bytes: profile.peak_memory_bytes,
            backend: profile.backend().to_owned(),
        }
    }
}

/// Trees of operators under a line for each fragment, and the totals once.
fn profile_text(profile: &Profile, fragments: &[Fragment]) -> String {
    if let [fragment] = fragments {
        return profile.to_text(&fragment.root);
    }
    let totals = Profile { operators: BTreeMap::new(), programs: Vec::new(), ..profile.clone() }.to_string();
    let mut text = String::new();
    for fragment in fragments {
        let (id, on, output) = (fragment.id, fragment.placement, &fragment.output);
        let tree = profile.to_text(&fragment.root);
        let tree = tree.strip_suffix(&totals).unwrap_or(&tree);
        let _ = writeln!(text, "fragment {id} on={on} output={output}\n{}", tree.trim_end());
    }
    text + &totals
}
