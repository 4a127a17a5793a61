//! Clients that ask TPC-H queries without a pause: `query-streams ADDRESSES CLIENTS SECONDS QUERIES [OPTION=VALUE …]` with
//! the folder of the queries, and options of the sessions. They take them from one list, so that as many of each are asked,
//! however many clients there are; of those that end once they have got going, as many count as are whole rounds of the
//! list, as one query takes fifty times as long as another. Tells `{"queries_per_second", "failures"}`.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nyala_client::{ClientSettings, RemoteSession};
use nyala_schema::client::Setting;
use nyala_tests::rows;

/// Until nodes have planned ahead for whoever waits: that is done once, and more of it for more clients.
const WARM_UP: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addresses, clients, seconds, folder, options @ ..] = arguments.as_slice() else {
        bail!("query-streams ADDRESSES CLIENTS SECONDS QUERIES [OPTION=VALUE …]")
    };
    let options: Vec<Setting> = options.iter().map(|option| setting(option)).collect::<Result<_, _>>()?;
    let addresses: Vec<String> = addresses.split(',').map(str::to_owned).collect();
    let (clients, seconds): (usize, u64) = (clients.parse()?, seconds.parse()?);
    let queries = queries(Path::new(folder))?;
    let (asked, ended) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (failures, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let session = |client: usize| {
        let mut own = addresses.clone();
        own.rotate_left(client % addresses.len());
        let settings = ClientSettings {
            user: format!("client{client}"),
            options: options.clone(),
            ..ClientSettings::default()
        };
        RemoteSession::connect(own, settings)
    };
    let sessions: Vec<RemoteSession> = (0..clients).map(session).collect::<Result<_, _>>()?;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for mut session in sessions {
            let (queries, asked, ended, failures, is_over) = (&queries, &asked, &ended, &failures, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let query = &queries[asked.fetch_add(1, Ordering::Relaxed) % queries.len()];
                    if let Err(error) = rows(&mut session, query) {
                        eprintln!("{error:?}");
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                    ended.lock().expect("whole").push(Instant::now());
                }
            });
        }
        std::thread::sleep(WARM_UP + Duration::from_secs(seconds));
        is_over.store(true, Ordering::Relaxed);
    });
    let over = start + WARM_UP + Duration::from_secs(seconds);
    let mut ended = ended.into_inner()?;
    ended.retain(|at| (start + WARM_UP..over).contains(at));
    let rate = rate(&ended, queries.len()).context("too short a time for a round of the queries")?;
    println!("{}", serde_json::json!({ "queries_per_second": rate, "failures": failures.into_inner() }));
    Ok(())
}

/// Queries a second over as many whole rounds as there are.
fn rate(ended: &[Instant], round: usize) -> Option<f64> {
    let counted = ended.len().checked_sub(1)? / round * round;
    let took = ended.get(counted)?.duration_since(*ended.first()?);
    (counted > 0).then(|| counted as f64 / took.as_secs_f64())
}

fn setting(option: &str) -> anyhow::Result<Setting> {
    let (name, value) = option.split_once('=').with_context(|| format!("{option} is no OPTION=VALUE"))?;
    Ok(Setting { name: name.to_owned(), value: value.to_owned() })
}

fn queries(folder: &Path) -> anyhow::Result<Vec<String>> {
    let read = |number: usize| {
        let path = folder.join(format!("q{number:02}.sql"));
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    (1..=22).map(read).collect()
}
