//! EXPLAIN in its forms, and EXPLAIN ANALYZE.

use std::fmt::Write;
use std::sync::Arc;

use nyala_frontend::{ExplainFormat, Statement};
use nyala_pipeline::{Program, Sink, Source, Step};
use nyala_schema::Result;

use crate::answer::{Answer, RowSource};
use crate::query::{self, Planned};
use crate::session::Session;
use crate::show::text_rows;
use crate::write;

pub fn run(
    session: &Session,
    sql: &str,
    format: ExplainFormat,
    analyze: bool,
    statement: &Statement,
) -> Result<Answer> {
    let planned = plan(session, sql, statement)?;
    let text = if analyze { analyzed(session, &planned)? } else { text_of(session, &planned, format)? };
    let rows: Vec<Vec<String>> = text.lines().map(|line| vec![line.to_owned()]).collect();
    text_rows(&["plan"], &rows)
}

/// Of a statement that writes, the query that finds its rows: nothing is written, also not by ANALYZE.
fn plan(session: &Session, sql: &str, statement: &Statement) -> Result<Planned> {
    match statement {
        Statement::Query(query) | Statement::CreateTableAs { query, .. } => query::plan(session, sql, query),
        _ => {
            let (tables, query) = write::query_of(session, statement)?;
            query::plan_in(session, &tables, sql, &query)
        }
    }
}

fn text_of(session: &Session, planned: &Planned, format: ExplainFormat) -> Result<String> {
    Ok(match format {
        ExplainFormat::Logical => nyala_frontend::logical_text(&planned.logical),
        ExplainFormat::Fragments => joined(&planned.fragments),
        ExplainFormat::Pipelines => joined(&planned.pipelines()?),
        ExplainFormat::Ir => {
            programs(planned)?.iter().map(|(place, program)| format!("{place}\n{program}\n")).collect()
        }
        ExplainFormat::Clif => clif(session, planned)?,
        ExplainFormat::All => {
            let mut text = String::new();
            let parts = [
                ("logical plan", ExplainFormat::Logical),
                ("fragments", ExplainFormat::Fragments),
                ("pipelines", ExplainFormat::Pipelines),
                ("clif", ExplainFormat::Clif),
            ];
            for (title, part) in parts {
                let _ = writeln!(text, "== {title} ==\n{}", text_of(session, planned, part)?.trim_end());
            }
            text
        }
    })
}

/// One behind the other, each on lines of its own.
fn joined<T: std::fmt::Display>(parts: &[T]) -> String {
    parts.iter().map(T::to_string).map(|text| format!("{}\n", text.trim_end())).collect()
}

fn clif(session: &Session, planned: &Planned) -> Result<String> {
    let listing = |(place, program): &(String, Arc<Program>)| match session.engine.native.clif(program) {
        Ok(text) => format!("{place}\n{text}\n"),
        Err(error) => format!("{place}\ninterpreted: {error}\n"),
    };
    Ok(programs(planned)?.iter().map(listing).collect())
}

/// Every program of the plan, with where it stands.
fn programs(planned: &Planned) -> Result<Vec<(String, Arc<Program>)>> {
    let mut found = Vec::new();
    let plans = planned.pipelines()?;
    for (index, pipeline) in plans.iter().flat_map(|plan| plan.pipelines.iter().enumerate()) {
        let mut add = |place: &str, compute: &nyala_pipeline::pipeline::Compute| {
            found.push((format!("pipeline {index}, {place}:"), compute.code.program.clone()));
        };
        if let Source::Scan { filter: Some(filter), .. } = &pipeline.source {
            add("scan filter", filter);
        }
        for step in &pipeline.steps {
            match step {
                Step::Compute { compute, operator } => add(&format!("compute {operator}"), compute),
                Step::Expand { variants, operator } => {
                    variants.iter().for_each(|compute| add(&format!("expand {operator}"), compute));
                }
                Step::Probe(probe) => {
                    probe.residual.iter().for_each(|c| add(&format!("residual {}", probe.operator), c))
                }
                Step::NestedLoop(join) => {
                    join.condition.iter().for_each(|c| add(&format!("condition {}", join.operator), c))
                }
                Step::Limit { .. } | Step::Unnest { .. } | Step::TableFunction(_) => {}
            }
        }
        if let Sink::Aggregate { update: Some(update), operator, .. } = &pipeline.sink {
            add(&format!("aggregate {operator}"), update);
        }
    }
    Ok(found)
}

fn analyzed(session: &Session, planned: &Planned) -> Result<String> {
    let mut running = query::start(session, planned)?;
    while running.next_batch()?.is_some() {}
    let summary = running.summary();
    Ok(format!(
        "{}\nplanning {:.2} ms, compiling {:.2} ms, total {:.2} ms, backend {}\n",
        running.profile_text().trim_end(),
        summary.planning.as_secs_f64() * 1e3,
        summary.compiling.as_secs_f64() * 1e3,
        summary.elapsed.as_secs_f64() * 1e3,
        summary.backend,
    ))
}
