//! What is written after the name of a benchmark: flags with a value each, and `--quick`.

use std::fmt::Display;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};

pub struct Flags {
    pub quick: bool,
    /// Not taken yet.
    values: Vec<(String, String)>,
}

impl Flags {
    pub fn read(arguments: &[String]) -> Result<Self> {
        let mut flags = Self { quick: false, values: Vec::new() };
        let mut rest = arguments.iter();
        while let Some(flag) = rest.next() {
            if flag == "--quick" {
                flags.quick = true;
                continue;
            }
            let value = rest.next().with_context(|| format!("{flag} takes a value"))?;
            flags.values.push((flag.clone(), value.clone()));
        }
        Ok(flags)
    }

    /// Of a flag that is written twice, the last.
    pub fn take<T: FromStr>(&mut self, name: &str) -> Result<Option<T>>
    where
        T::Err: Display,
    {
        let mut taken = None;
        for (_, value) in self.values.extract_if(.., |(flag, _)| flag == name) {
            taken = Some(value.parse().map_err(|error| anyhow!("{name} {value}: {error}"))?);
        }
        Ok(taken)
    }

    /// What `--only` names, or all.
    pub fn parts(&mut self, names: &[&'static str]) -> Result<Vec<&'static str>> {
        let Some(only) = self.take::<String>("--only")? else { return Ok(names.to_vec()) };
        let known = |part: &str| names.iter().copied().find(|name| *name == part);
        let unknown = |part: &str| format!("there is no part '{part}'; parts are {}", names.join(", "));
        only.split(',').map(|part| known(part).with_context(|| unknown(part))).collect()
    }

    /// To be called when all is taken that the benchmark knows.
    pub fn finish(self) -> Result<()> {
        match self.values.first() {
            Some((unknown, _)) => bail!("unknown option {unknown}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(line: &str) -> Result<Flags> {
        Flags::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_taken_by_name() {
        let mut flags = flags("--runs 3 --quick --scale 0.1 --runs 4").unwrap();
        assert!(flags.quick);
        assert_eq!(flags.take("--runs").unwrap(), Some(4));
        assert_eq!(flags.take::<u64>("--runs").unwrap(), None);
        assert!(flags.take::<u64>("--scale").is_err());
        assert!(flags.finish().is_ok());
    }

    #[test]
    fn what_nobody_knows_is_an_error() {
        assert!(flags("--runs").is_err());
        assert!(flags("--rums 3").unwrap().finish().is_err());
        assert_eq!(flags("").unwrap().parts(&["a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(flags("--only b").unwrap().parts(&["a", "b"]).unwrap(), ["b"]);
        assert!(flags("--only c").unwrap().parts(&["a", "b"]).is_err());
    }
}
