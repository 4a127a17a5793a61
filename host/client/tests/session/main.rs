//! A session that outlives its node, against nodes that go away.

mod fake;
mod loss;
mod statements;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use fake::{FakeCluster, FakeDial};
use nyala_client::{Answer, ClientSettings, RemoteSession, RowStream};
use nyala_schema::Result;

struct Connected {
    cluster: Arc<FakeCluster>,
    session: RemoteSession,
    notices: Arc<Mutex<Vec<String>>>,
}

/// On the first of the nodes.
fn connected(names: &[&str], settings: ClientSettings) -> Connected {
    let cluster = FakeCluster::of(names);
    let notices: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&notices);
    let settings = ClientSettings {
        notice: Some(Arc::new(move |text| kept.lock().unwrap().push(text.to_owned()))),
        patience: Duration::from_secs(3),
        ..settings
    };
    let addresses = vec![format!("{}:1", names[0]), format!("{}:1", names[names.len() - 1])];
    let session =
        RemoteSession::connect_by(Arc::new(FakeDial(cluster.clone())), addresses, settings).unwrap();
    Connected { cluster, session, notices }
}

fn done(session: &mut RemoteSession, sql: &str) -> Result<String> {
    match session.execute(sql)? {
        Answer::Done(tag) => Ok(tag),
        Answer::Rows(_) => panic!("{sql} gave rows"),
    }
}

fn rows(session: &mut RemoteSession, sql: &str) -> Result<RowStream> {
    match session.execute(sql)? {
        Answer::Rows(rows) => Ok(*rows),
        Answer::Done(tag) => panic!("{sql} gave {tag}"),
    }
}

fn numbers(stream: &mut RowStream) -> Result<Vec<i64>> {
    let mut all = Vec::new();
    while let Some(batch) = stream.next_batch()? {
        all.extend(batch.column(0).as_primitive::<Int64Type>().values());
    }
    Ok(all)
}
