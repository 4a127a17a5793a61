//! What a person can set about results: by flags, and in the shell by `\pset`, `\x`, `\timing`.

use nyala_node::{Error, ErrorCode, Result};

use crate::arguments::SqlArguments;
use crate::output::Format;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub format: Format,
    /// What stands for NULL, if not what the format has for it.
    pub null: Option<String>,
    pub timing: bool,
    pub pager: bool,
    pub quiet: bool,
    pub keep_going: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let format = Format::Table;
        Self { format, null: None, timing: false, pager: false, quiet: false, keep_going: false }
    }
}

impl From<&SqlArguments> for Settings {
    fn from(arguments: &SqlArguments) -> Self {
        Self {
            format: arguments.format,
            null: arguments.null.clone(),
            timing: arguments.timing,
            pager: !arguments.no_pager,
            quiet: arguments.quiet,
            keep_going: arguments.keep_going,
        }
    }
}

/// One thing that `\pset` knows.
pub struct SettingInfo {
    pub name: &'static str,
    pub description: &'static str,
    pub get: fn(&Settings) -> String,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

pub const SETTINGS: &[SettingInfo] = &[
    SettingInfo {
        name: "format",
        description: "how results are written: table, csv, tsv, json, ndjson, markdown, vertical, parquet, arrow",
        get: |settings| settings.format.name().to_owned(),
        set: |settings, text| {
            settings.format = Format::from_name(text).ok_or_else(Format::choices)?;
            Ok(())
        },
    },
    SettingInfo {
        name: "null",
        description: "what stands for NULL",
        get: |settings| settings.null.clone().unwrap_or_else(|| "as the format has it".to_owned()),
        set: |settings, text| {
            settings.null = Some(text.to_owned());
            Ok(())
        },
    },
    SettingInfo {
        name: "timing",
        description: "whether each statement tells what it took: on or off",
        get: |settings| on_off(settings.timing),
        set: |settings, text| set_switch(&mut settings.timing, text),
    },
    SettingInfo {
        name: "pager",
        description: "whether long results are shown in a pager: on or off",
        get: |settings| on_off(settings.pager),
        set: |settings, text| set_switch(&mut settings.pager, text),
    },
    SettingInfo {
        name: "quiet",
        description: "whether only results and errors are printed: on or off",
        get: |settings| on_off(settings.quiet),
        set: |settings, text| set_switch(&mut settings.quiet, text),
    },
];

impl Settings {
    /// # Errors
    /// `UndefinedObject` for an unknown name, `InvalidParameter` for a value that does not fit.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let info = SETTINGS.iter().find(|info| info.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names: Vec<&str> = SETTINGS.iter().map(|info| info.name).collect();
            Error::new(ErrorCode::UndefinedObject, format!("there is no setting '{name}'"))
                .with_hint(format!("settings are {}; \\set has the options of the engine", names.join(", ")))
        })?;
        (info.set)(self, value).map_err(|expected| {
            Error::new(ErrorCode::InvalidParameter, format!("setting {name} cannot be '{value}'"))
                .with_hint(format!("it takes {expected}"))
        })
    }

    /// `on`, `off`, or nothing for the other of the two.
    pub fn toggle_timing(&mut self, wanted: &str) -> Result<()> {
        let other = on_off(!self.timing);
        self.set("timing", if wanted.is_empty() { &other } else { wanted })
    }
}

fn on_off(value: bool) -> String {
    if value { "on" } else { "off" }.to_owned()
}

fn set_switch(target: &mut bool, text: &str) -> Result<(), String> {
    *target = match text.to_lowercase().as_str() {
        "on" | "true" | "1" => true,
        "off" | "false" | "0" => false,
        _ => return Err("on or off".to_owned()),
    };
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn plain() -> Settings {
        Settings::default()
    }

    #[test]
    fn settings_are_set_by_name() {
        let mut settings = plain();
        settings.set("FORMAT", "csv").unwrap();
        settings.set("null", "∅").unwrap();
        settings.toggle_timing("").unwrap();
        assert_eq!(
            (settings.format, settings.null.as_deref(), settings.timing),
            (Format::Csv, Some("∅"), true)
        );
        let error = settings.set("format", "xml").unwrap_err();
        assert!(error.hint().unwrap().contains("ndjson"), "{error:?}");
        assert!(settings.set("colour", "on").is_err());
    }
}
