//! What nodes are packaged in says only what nodes understand, as far as this machine can tell.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nyala_node::NodeConfig;
use nyala_tests::{program, project_root};

fn packaged(file: &str) -> String {
    let path = packaging().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn packaging() -> PathBuf {
    project_root().join("host/packaging")
}

/// Words that begin with two hyphens, after the first `from`.
fn flags(text: &str, from: &str) -> BTreeSet<String> {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from}"));
    let words = text[start..].split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words
        .filter(|word| word.len() > 2 && word.starts_with("--") && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

fn seconds(text: &str, before: &str) -> u64 {
    let start = text.find(before).unwrap_or_else(|| panic!("no {before}")) + before.len();
    let digits: String = text[start..].trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number after {before}"))
}

fn is_there(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

#[test]
fn flags_are_known_to_nodes() {
    let help = Command::new(program()).args(["node", "--help"]).output().unwrap();
    let known = flags(&String::from_utf8(help.stdout).unwrap(), "Usage");
    let line =
        |text: &str, start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
    let service = line(&packaged("nyala.service"), "ExecStart=");
    let image = line(&packaged("Dockerfile"), "CMD ");
    let nodes = packaged("kubernetes/nodes.yaml");
    let arguments = &nodes[nodes.find("args:").unwrap()..nodes.find("ports:").unwrap()];
    for (place, used) in [
        ("nyala.service", flags(&service, "ExecStart")),
        ("Dockerfile", flags(&image, "CMD")),
        ("nodes.yaml", flags(arguments, "args")),
    ] {
        assert!(!used.is_empty(), "{place} has no flags");
        let unknown: Vec<&String> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{place}: {unknown:?}");
    }
}

#[test]
fn nodes_have_time_to_drain() {
    let service = packaged("nyala.service");
    assert!(seconds(&service, "TimeoutStopSec=") > seconds(&service, "--drain-timeout"));
    let nodes = packaged("kubernetes/nodes.yaml");
    let before = seconds(&nodes, "\"sleep ");
    let drain = configured().drain;
    let grace = Duration::from_secs(seconds(&nodes, "terminationGracePeriodSeconds:"));
    assert!(grace > drain + Duration::from_secs(before), "{grace:?}");
}

/// The configuration in the ConfigMap.
fn configured() -> NodeConfig {
    let text = packaged("kubernetes/config.yaml");
    let (_, toml) = text.split_once("node.toml: |\n").unwrap();
    NodeConfig::from_toml(toml).unwrap()
}

#[test]
fn the_configuration_of_kubernetes_is_one() {
    let config = configured();
    assert_eq!((config.listen.port(), config.http.unwrap().port()), (7420, 7421));
    let nodes = packaged("kubernetes/nodes.yaml");
    assert_eq!(config.join.len() as u64, seconds(&nodes, "replicas:"));
    for (number, address) in config.join.iter().enumerate() {
        assert_eq!(*address, format!("nyala-{number}.nyala-nodes:7420"));
    }
    for probe in ["path: /health", "path: /ready"] {
        assert!(nodes.contains(probe));
    }
}

#[test]
fn manifests_can_be_read() {
    for entry in std::fs::read_dir(packaging().join("kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in text.split("\n---\n") {
            for key in ["apiVersion:", "kind:", "metadata:"] {
                assert!(document.lines().any(|line| line.starts_with(key)), "{}: no {key}", path.display());
            }
        }
        assert!(!text.contains('\t'), "{}: YAML has no tabs", path.display());
        let can_read = Command::new("python3").args(["-c", "import yaml"]).stderr(Stdio::null()).status();
        if can_read.is_ok_and(|status| status.success()) {
            let read =
                "import sys, yaml; assert all(x['kind'] for x in yaml.safe_load_all(open(sys.argv[1])))";
            let output = Command::new("python3").args(["-c", read]).arg(&path).output().unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                path.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn systemd_understands_the_unit() {
    let text = packaged("nyala.service");
    for key in
        ["[Unit]", "[Service]", "[Install]", "LimitNOFILE=", "NoNewPrivileges=yes", "KillSignal=SIGTERM"]
    {
        assert!(text.lines().any(|line| line.starts_with(key)), "no {key}");
    }
    if !is_there("systemd-analyze") {
        return;
    }
    // Where the program is on this machine.
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("nyala.service");
    std::fs::write(&unit, text.replace("/usr/bin/nyala", program().to_str().unwrap())).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // Users and other units of the machine are not its concern here.
    let about: Vec<&str> = told.lines().filter(|line| line.contains("nyala.service")).collect();
    assert!(about.is_empty(), "{about:?}");
}

/// Names of metrics in the expressions of the dashboard.
pub fn dashboard_metrics() -> BTreeSet<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&packaged("grafana/nyala.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    let mut names = BTreeSet::new();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let expression = target["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        names.extend(
            words
                .filter(|word| word.starts_with("nyala_") || word.starts_with("process_"))
                .map(str::to_owned),
        );
    }
    names
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let source = std::fs::read_to_string(project_root().join("host/node/src/metrics.rs")).unwrap();
    for name in dashboard_metrics() {
        assert!(source.contains(&format!("\"{name}\"")), "{name} is not a metric");
    }
}
