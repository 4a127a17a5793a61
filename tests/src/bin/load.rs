//! Runs the load of `nyala_tests::load` until it is killed: `nyala-load FOLDER SEED STEPS,…` with the steps that each writer
//! has done. Tells `writer steps` for each step once it is acknowledged.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use nyala_node::{Config, Engine, default_options};
use nyala_tests::load::{State, Step, drain, preparation};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, seed, steps] = arguments.as_slice() else {
        anyhow::bail!("nyala-load FOLDER SEED STEPS,…")
    };
    let seed: u64 = seed.parse()?;
    let steps: Vec<i64> = steps.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let data = Some(Path::new(folder).to_owned());
    let engine = Engine::open(Config { data, options: default_options(), ..Config::default() })?;
    let mut session = engine.session();
    preparation(steps.len()).iter().try_for_each(|sql| drain(&mut session, sql))?;
    tell("ready");
    let writers: Vec<_> = steps
        .into_iter()
        .enumerate()
        .map(|(writer, steps)| {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || run(&engine, seed, writer, steps))
        })
        .collect();
    for writer in writers {
        writer.join().map_err(|_| anyhow::anyhow!("a writer panicked"))??;
    }
    Ok(())
}

/// Goes on for ever.
fn run(engine: &Arc<Engine>, seed: u64, writer: usize, steps: i64) -> anyhow::Result<()> {
    let mut state = State::default();
    while state.steps < steps {
        state = state.next(seed, writer);
    }
    let mut session = engine.session();
    loop {
        let step = Step::after(&state, seed, writer);
        if let Err(error) = step.run(&mut session) {
            tell(&format!("failed {writer} {}: {error:?}", step.statements.join("; ")));
            return Err(error.into());
        }
        state = state.next(seed, writer);
        tell(&format!("{writer} {}", state.steps));
    }
}

/// In one write, so that lines of several writers stay whole.
fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // Whoever listened is gone: then nobody wants to know.
    let _ = stdout.write_all(format!("{line}\n").as_bytes()).and_then(|()| stdout.flush());
}
