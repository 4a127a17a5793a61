//! From a query's text to rows that stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use nyala_executor::Execution;
use nyala_frontend::Statement;
use nyala_pipeline::PipelinePlan;
use nyala_schema::lookup::World;
use nyala_schema::{Error, Fragment, Result, wire};
use sqlparser::ast::Query;

use crate::answer::{Answer, Progress, RowSource, RowStream, Summary};
use crate::session::Session;
use crate::table_sql::quoted_name;
use crate::work::Sight;

/// A query in all its forms, from text to pipelines.
pub struct Planned {
    pub logical: nyala_frontend::LogicalPlan,
    pub fragment: Fragment,
    pub pipelines: Arc<PipelinePlan>,
    /// Text to pipelines.
    pub planning: Duration,
    /// The user-defined functions and operators in it.
    pub uses: Vec<String>,
    /// The code and files that the plan names stay as long as somebody has this.
    sight: Sight,
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
    let fragments = nyala_planner::plan(&logical, world.version(), &session.options)?;
    let [fragment] = <[Fragment; 1]>::try_from(fragments)
        .map_err(|fragments| Error::internal(format!("{} fragments on one node", fragments.len())))?;
    if session.engine.check_wire {
        check_wire(&fragment)?;
    }
    let pipelines = Arc::new(nyala_pipeline::build(&fragment)?);
    Ok(Planned { logical, fragment, pipelines, planning: start.elapsed(), uses, sight })
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
    let execution = session.engine.executor.start(planned.pipelines.clone(), &session.options)?;
    session.watch(execution.cancel_handle());
    Ok(RunningQuery {
        schema: named_schema(&planned.fragment.root.schema, &execution.schema()),
        execution,
        sight: planned.sight.clone(),
        planning: planned.planning,
        start: Instant::now(),
        rows: 0,
        finished: None,
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
    pub execution: Execution,
    sight: Sight,
    schema: SchemaRef,
    planning: Duration,
    start: Instant,
    rows: u64,
    /// Set at the end of the rows, or at an error.
    finished: Option<Duration>,
}

impl RowSource for RunningQuery {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        let result = self.execution.next(wait)?;
        match &result {
            Ok(Some(batch)) => self.rows += batch.num_rows() as u64,
            Ok(None) | Err(_) => {
                if result.is_err() {
                    self.sight.fail();
                }
                self.finished.get_or_insert_with(|| self.start.elapsed());
            }
        }
        let renamed =
            |batch: RecordBatch| Ok(RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?);
        Some(result.and_then(|batch| batch.map(renamed).transpose()))
    }

    fn progress(&self) -> Progress {
        self.execution.progress().into()
    }

    fn summary(&self) -> Summary {
        let profile = self.execution.profile();
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
