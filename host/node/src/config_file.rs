//! The configuration of a node as a file in TOML.
//!
//! Each key is one line of a table: its name and how its value is taken. Unknown keys are refused with what was probably meant.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use nyala_schema::cluster::Roles;
use nyala_schema::option::{OPTIONS, parse_bytes};
use nyala_schema::{Error, ErrorCode, Result};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{NodeConfig, PoolConfig, TlsFiles};

/// Where a node listens that is not told.
pub const LISTEN: &str = "127.0.0.1:7420";

/// Takes a value, or says what it should have been.
type Take<T> = fn(&mut T, &DeValue<'_>) -> Result<(), String>;
type Keys<T> = &'static [(&'static str, Take<T>)];

const KEYS: Keys<NodeConfig> = &[
    ("data", |config, value| text(value).map(|text| config.data = text.into())),
    ("listen", |config, value| address(value).map(|address| config.listen = address)),
    ("advertise", |config, value| text(value).map(|text| config.advertise = Some(text))),
    ("join", |config, value| texts(value).map(|texts| config.join = texts)),
    ("name", |config, value| text(value).map(|text| config.name = Some(text))),
    ("cluster", |config, value| text(value).map(|text| config.cluster = text)),
    ("roles", |config, value| roles(&texts(value)?).map(|roles| config.roles = roles)),
    ("warehouse", |config, value| text(value).map(|text| config.warehouse = Some(text))),
    ("http", |config, value| address(value).map(|address| config.http = Some(address))),
    ("memory", |config, value| {
        config.memory_bytes = bytes(value)?;
        Ok(())
    }),
    ("threads", |config, value| {
        config.threads = number::<u32>(value, 1)? as usize;
        Ok(())
    }),
    ("drain", |config, value| duration(value).map(|time| config.drain = time)),
    ("join_limit", |config, value| duration(value).map(|time| config.join_limit = time)),
    ("allow_insecure", |config, value| switch(value).map(|on| config.allow_insecure = on)),
    ("allow_faults", |config, value| switch(value).map(|on| config.allow_faults = on)),
    ("claim_protocol", |config, value| number(value, 1).map(|version| config.claim_protocol = Some(version))),
];
/// Tables of keys.
const SECTIONS: [&str; 3] = ["tls", "options", "pools"];

const TLS_KEYS: Keys<TlsFiles> = &[
    ("ca", |tls, value| text(value).map(|text| tls.ca = text.into())),
    ("certificate", |tls, value| text(value).map(|text| tls.certificate = text.into())),
    ("key", |tls, value| text(value).map(|text| tls.key = text.into())),
];

const POOL_KEYS: Keys<PoolConfig> = &[
    ("slots", |pool, value| number(value, 1).map(|slots| pool.slots = Some(slots))),
    ("slots_per_user", |pool, value| number(value, 1).map(|slots| pool.slots_per_user = Some(slots))),
    ("memory", |pool, value| bytes(value).map(|bytes| pool.memory_bytes = Some(bytes))),
    ("queue", |pool, value| number(value, 0).map(|queue| pool.queue = queue)),
    ("queue_timeout", |pool, value| duration(value).map(|time| pool.queue_timeout = time)),
    ("priority", |pool, value| number(value, i64::from(i32::MIN)).map(|priority| pool.priority = priority)),
];

impl NodeConfig {
    /// All that a file says; the rest as it is when nothing is said.
    ///
    /// # Errors
    /// `InvalidParameter` with line and key.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config = Self::new(PathBuf::new(), default_listen()).with_toml(text)?;
        if config.data.as_os_str().is_empty() {
            return Err(Error::new(ErrorCode::InvalidParameter, "the configuration names no data folder")
                .with_hint("write data = \"/var/lib/nyala\", or give --data"));
        }
        Ok(config)
    }

    /// With what a file says in the place of what was there.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn with_toml(mut self, text: &str) -> Result<Self> {
        let file = File { text };
        let table = DeTable::parse(text).map_err(|error| file.syntax(&error))?;
        for (key, value) in table.get_ref() {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("tls", DeValue::Table(tls)) => self.tls = Some(file.tls(key, tls)?),
                ("options", DeValue::Table(options)) => file.options(&mut self, options)?,
                ("pools", DeValue::Table(pools)) => {
                    for (name, value) in pools {
                        let pool = file.pool(name, value)?;
                        self.pools.insert(name.get_ref().to_string(), pool);
                    }
                }
                (section, _) if SECTIONS.contains(&section) => {
                    return Err(file.wrong(key, section, &format!("a table: [{section}]")));
                }
                _ => file.take(KEYS, &mut self, "", key, value)?,
            }
        }
        Ok(self)
    }
}

/// Of [`LISTEN`].
pub fn default_listen() -> SocketAddr {
    LISTEN.parse().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)))
}

struct File<'a> {
    text: &'a str,
}

impl File<'_> {
    fn tls(&self, section: &Spanned<impl AsRef<str>>, table: &DeTable<'_>) -> Result<TlsFiles> {
        let mut tls = TlsFiles { ca: PathBuf::new(), certificate: PathBuf::new(), key: PathBuf::new() };
        for (key, value) in table {
            self.take(TLS_KEYS, &mut tls, "tls.", key, value)?;
        }
        let missing = [("ca", &tls.ca), ("certificate", &tls.certificate), ("key", &tls.key)]
            .into_iter()
            .find(|(_, path)| path.as_os_str().is_empty());
        match missing {
            None => Ok(tls),
            Some((name, _)) => {
                let error = self.error(section.span(), &format!("[tls] has no {name}"));
                Err(error.with_hint("nyala cluster certs makes ca.pem, NAME.pem and NAME-key.pem"))
            }
        }
    }

    fn pool(&self, name: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) -> Result<PoolConfig> {
        let title = name.get_ref().as_ref();
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.wrong(name, &format!("pools.{title}"), &format!("a table: [pools.{title}]")));
        };
        let mut pool = PoolConfig::default();
        for (key, value) in table {
            self.take(POOL_KEYS, &mut pool, &format!("pools.{title}."), key, value)?;
        }
        Ok(pool)
    }

    /// Those that SET knows.
    fn options(&self, config: &mut NodeConfig, table: &DeTable<'_>) -> Result<()> {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if !OPTIONS.iter().any(|option| option.name == name) {
                return Err(self.unknown("options.", key, OPTIONS.iter().map(|option| option.name)));
            }
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Boolean(on) => if *on { "on" } else { "off" }.to_owned(),
                DeValue::Integer(number) => number.to_string(),
                _ => {
                    return Err(self.wrong(
                        value,
                        &format!("options.{name}"),
                        "a text, a number or a switch",
                    ));
                }
            };
            config.options.set(name, &text).map_err(|error| {
                let hint = error.hint().map(str::to_owned);
                let error = self.error(value.span(), error.message());
                hint.into_iter().fold(error, Error::with_hint)
            })?;
        }
        Ok(())
    }

    fn take<T>(
        &self,
        keys: Keys<T>,
        target: &mut T,
        prefix: &str,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<()> {
        let name = key.get_ref().as_ref();
        let Some((_, take)) = keys.iter().find(|(known, _)| *known == name) else {
            let sections = if prefix.is_empty() { &SECTIONS[..] } else { &[] };
            let names = keys.iter().map(|(name, _)| *name).chain(sections.iter().copied());
            return Err(self.unknown(prefix, key, names));
        };
        take(target, value.get_ref()).map_err(|wanted| self.wrong(value, &format!("{prefix}{name}"), &wanted))
    }

    fn unknown(
        &self,
        prefix: &str,
        key: &Spanned<impl AsRef<str>>,
        known: impl Iterator<Item = &'static str> + Clone,
    ) -> Error {
        let name = key.get_ref().as_ref();
        let error = self.error(key.span(), &format!("there is no key {prefix}{name}"));
        match nyala_frontend::nearest(name, known.clone()) {
            Some(near) => error.with_hint(format!("did you mean {prefix}{near}?")),
            None => error.with_hint(format!("keys are {}", known.collect::<Vec<_>>().join(", "))),
        }
    }

    fn wrong<T>(&self, at: &Spanned<T>, key: &str, wanted: &str) -> Error {
        self.error(at.span(), &format!("{key} must be {wanted}"))
    }

    fn syntax(&self, error: &toml::de::Error) -> Error {
        self.error(error.span().unwrap_or(0..0), error.message().lines().next().unwrap_or("no TOML"))
    }

    fn error(&self, span: Range<usize>, message: &str) -> Error {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Error::new(ErrorCode::InvalidParameter, format!("line {line} of the configuration: {message}"))
    }
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err("a text".into()),
    }
}

fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let wanted = || "a list of texts".to_owned();
    let DeValue::Array(values) = value else { return Err(wanted()) };
    values.iter().map(|value| text(value.get_ref()).map_err(|_| wanted())).collect()
}

fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "true or false".into())
}

/// As TOML writes it, at least so much.
fn number<T: TryFrom<i64>>(value: &DeValue<'_>, min: i64) -> Result<T, String> {
    let number = value.as_integer().and_then(|number| {
        i64::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| *number >= min)
    });
    let wanted = || if min < 0 { "a whole number".into() } else { format!("a whole number from {min}") };
    number.and_then(|number| T::try_from(number).ok()).ok_or_else(wanted)
}

fn address(value: &DeValue<'_>) -> Result<SocketAddr, String> {
    let wanted = || "an address with a port, such as \"0.0.0.0:7420\"".to_owned();
    text(value).map_err(|_| wanted())?.parse().map_err(|_| wanted())
}

fn bytes(value: &DeValue<'_>) -> Result<u64, String> {
    let parsed = text(value).ok().and_then(|text| parse_bytes(&text));
    parsed.filter(|bytes| *bytes > 0).ok_or_else(|| "a size such as \"8GiB\"".into())
}

/// `500ms`, `30s`, `5m`, `1h`.
fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let parse = |text: String| {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
        number.parse::<u64>().ok()?.checked_mul(*factor).map(Duration::from_millis)
    };
    text(value)
        .ok()
        .and_then(parse)
        .ok_or_else(|| "a time such as \"30s\", \"500ms\", \"5m\" or \"1h\"".into())
}

/// Those that are named, and no others.
///
/// # Errors
/// What the names may be.
pub fn roles(names: &[String]) -> Result<Roles, String> {
    let mut roles = Roles { coordinator: false, executor: false, catalog: false };
    for name in names {
        match name.trim() {
            "coordinator" => roles.coordinator = true,
            "executor" => roles.executor = true,
            "catalog" => roles.catalog = true,
            _ => return Err("some of \"coordinator\", \"executor\", \"catalog\"".into()),
        }
    }
    if names.is_empty() { Err("at least one role".into()) } else { Ok(roles) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_what_is_so_when_nothing_is_said() {
        let example = include_str!("../../../docs/reference/node.toml");
        let config = NodeConfig::from_toml(example).unwrap();
        assert_eq!(config.data, PathBuf::from("/var/lib/nyala"));
        assert_eq!(config.listen, default_listen());
        // What is commented out is what could be said; all of it must be understood.
        let all: String = example
            .lines()
            .map(|line| line.strip_prefix("#: ").unwrap_or(line))
            .flat_map(|line| [line, "\n"])
            .collect();
        let config = NodeConfig::from_toml(&all).unwrap();
        assert_eq!(config.join.len(), 3);
        assert_eq!(config.pools["reports"].slots, Some(4));
        assert_eq!(config.pools["reports"].queue_timeout, Duration::from_secs(300));
        assert!(config.tls.is_some() && config.http.is_some());
        assert_eq!(config.options.time_zone, "+02:00");
        for (name, _) in KEYS {
            assert!(all.contains(&format!("\n{name} = ")), "the example has no {name}");
        }
        for (name, _) in POOL_KEYS {
            assert!(all.contains(&format!("\n{name} = ")), "the example has no {name} of pools");
        }
    }

    #[test]
    fn mistakes_are_told_with_line_and_key() {
        let refused = |text: &str| {
            let error = NodeConfig::from_toml(text).unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidParameter);
            format!("{error} | {}", error.hint().unwrap_or_default())
        };
        assert_eq!(
            refused("data = 'd'\nlissten = '127.0.0.1:1'"),
            "line 2 of the configuration: there is no key lissten | did you mean listen?"
        );
        assert_eq!(
            refused("data = 'd'\n[pools.a]\nslotz = 1"),
            "line 3 of the configuration: there is no key pools.a.slotz | did you mean pools.a.slots?"
        );
        assert!(
            refused("listen = 'localhost'")
                .starts_with("line 1 of the configuration: listen must be an address")
        );
        assert!(refused("data = 'd'\n\n[pools.a]\nslots = 0").contains("line 4"));
        assert!(refused("data = 'd'\n[options]\nthreads = 0").contains("option threads cannot be '0'"));
        assert!(
            refused("data = 'd'\n[options]\ntimezone = 'UTC'").contains("did you mean options.time_zone?")
        );
        assert!(refused("data = 'd'\n[tls]\nca = 'x'").contains("[tls] has no certificate"));
        assert!(refused("data = 'd'\nmemory = 5").contains("memory must be a size such as \"8GiB\""));
        assert!(refused("data = 'd'\ndrain = '5 weeks'").contains("drain must be a time"));
        assert!(refused("data = 'd'\nroles = ['worker']").contains("roles must be some of"));
        assert!(refused("data = 'd'\ndata = 'e'").contains("line 2"), "twice");
        assert!(refused("= 1").contains("line 1"));
        assert!(refused("").contains("names no data folder"));
        assert!(refused("data = 'd'\npools = 1").contains("pools must be a table"));
    }
}
