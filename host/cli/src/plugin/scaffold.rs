//! `nyala plugin new`: a project from a template.

use std::path::{Path, PathBuf};

use nyala_node::{Error, ErrorCode};

use super::arguments::{Kind, Language, NewArguments};
use super::embedded::{self, File};
use super::file_failure;
use crate::exit::Failure;
use crate::terminal;

const README: &str = "README.md";

const NAME_CHARACTERS_MAX: usize = 63;

/// An ending that keeps tools of this repository from taking a template for what it becomes.
const TEMPLATE_ENDING: &str = ".template";

/// Where a Rust project finds the libraries that were copied into it.
const VENDORED: [(&str, &str); 2] = [("abi", "nyala/abi"), ("sdk", "nyala/sdk")];

/// Words that are no names in one of the languages or in SQL.
const RESERVED: &[&str] = &[
    "all", "and", "as", "async", "await", "break", "by", "case", "const", "continue", "crate", "dyn", "else",
    "enum", "extern", "false", "fn", "for", "from", "function", "group", "having", "if", "impl", "in",
    "join", "let", "loop", "match", "mod", "move", "mut", "not", "null", "on", "or", "order", "pub", "ref",
    "return", "select", "self", "static", "struct", "super", "table", "then", "trait", "true", "type",
    "union", "unsafe", "use", "when", "where", "while", "with",
];

pub fn run(arguments: &NewArguments) -> Result<(), Failure> {
    check_name(&arguments.name)?;
    let template = embedded::template(arguments.kind, arguments.language);
    if template.is_empty() {
        return Err(no_template(arguments));
    }
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    if out.exists() {
        let error = Error::new(ErrorCode::DuplicateObject, format!("{} exists", out.display()));
        return Err(Failure::Usage(error.with_hint("choose another folder with --out DIR")));
    }
    write_all(&out, "", &template, |text| fill(text, &arguments.name))?;
    if !out.join(README).exists() {
        let path = out.join(README);
        std::fs::write(&path, readme(arguments)).map_err(|error| file_failure("write", &path, &error))?;
    }
    match arguments.language {
        Language::Rust => {
            for (library, inside) in VENDORED {
                write_all(&out, inside, &embedded::library(library), str::to_owned)?;
            }
        }
        Language::C => write_all(&out, "", &embedded::header(), str::to_owned)?,
        Language::AssemblyScript | Language::Wat => {}
    }
    let shown = out.display();
    terminal::tell(&format!(
        "A project is in {shown}.\n  nyala plugin test {shown}              builds it and checks it\n  \
         nyala plugin push {shown} --data DIR   makes it known in a data directory"
    ));
    Ok(())
}

fn check_name(name: &str) -> Result<(), Failure> {
    let refuse = |message: String, hint: &str| {
        Err(Failure::Usage(Error::new(ErrorCode::InvalidParameter, message).with_hint(hint)))
    };
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(is_plain) || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        let hint = "use lower-case letters, digits and underscores, with a letter first";
        return refuse(format!("'{name}' is no name of a function or operator"), hint);
    }
    if name.len() > NAME_CHARACTERS_MAX {
        return refuse(format!("'{name}' is too long"), "use at most 63 characters");
    }
    if RESERVED.contains(&name) {
        return refuse(
            format!("'{name}' is a word of SQL or of a programming language"),
            "choose another name",
        );
    }
    Ok(())
}

fn readme(arguments: &NewArguments) -> String {
    let name = &arguments.name;
    let kind = match arguments.kind {
        Kind::Scalar => "function",
        Kind::Aggregate => "aggregate function",
        Kind::Table => "table function",
        Kind::Operator => "operator",
    };
    let sources = match arguments.language {
        Language::Rust => {
            "`src/lib.rs`, which uses the copy of Nyala's SDK in `nyala/`; `cargo test` runs its own tests"
                .to_owned()
        }
        Language::C => format!("`{name}.c` and `nyala.h`; `manifest.sql` declares it"),
        Language::AssemblyScript => "`assembly/index.ts`; `manifest.sql` declares it".to_owned(),
        Language::Wat => format!("`{name}.wat`; `manifest.sql` declares it"),
    };
    format!(
        "# {name}\n\nThe {kind} `{name}` for Nyala. Its code is in {sources}.\n\n\
         \x20   nyala plugin build             # to target/{name}.wasm\n\
         \x20   nyala plugin test              # the examples of plugin.test, and checks of every kind\n\
         \x20   nyala plugin push --data DIR   # makes it known in a data directory; --connect HOST:PORT, on a cluster\n\n\
         In SQL it becomes known by `CREATE MODULE {name} FROM 'target/{name}.wasm'`. `nyala plugin test --help` says what\n\
         can be in plugin.test.\n"
    )
}

fn no_template(arguments: &NewArguments) -> Failure {
    let (kind, language) = (arguments.kind.name(), arguments.language.name());
    let error = Error::unsupported(format!("there is no template of the kind {kind} in {language}"));
    Failure::Usage(error.with_hint(format!("there are {}", embedded::offered().join(", "))))
}

/// `{{name}}` as it is, `{{Name}}` as types are written, `{{NAME}}` as constants are.
fn fill(text: &str, name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    let type_name: String = words.collect();
    text.replace("{{name}}", name).replace("{{Name}}", &type_name).replace("{{NAME}}", &name.to_uppercase())
}

fn write_all(out: &Path, inside: &str, files: &[File], make: impl Fn(&str) -> String) -> Result<(), Failure> {
    for (path, bytes) in files {
        let target = out.join(inside).join(make(path.strip_suffix(TEMPLATE_ENDING).unwrap_or(path)));
        let folder = target.parent().unwrap_or(out);
        std::fs::create_dir_all(folder).map_err(|error| file_failure("make", folder, &error))?;
        let written = match std::str::from_utf8(bytes) {
            Ok(text) => std::fs::write(&target, make(text)),
            Err(_) => std::fs::write(&target, bytes),
        };
        written.map_err(|error| file_failure("write", &target, &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    /// Rust can do everything, the others what needs no SDK.
    #[test]
    fn a_project_of_every_kind_can_be_had() {
        let rust = Kind::value_variants().iter().map(|kind| (*kind, Language::Rust));
        let scalar = Language::value_variants().iter().map(|language| (Kind::Scalar, *language));
        for (kind, language) in rust.chain(scalar) {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().join("project");
            let arguments = NewArguments { name: "k_means".into(), kind, language, out: Some(out.clone()) };
            run(&arguments).unwrap_or_else(|failure| panic!("{kind:?} {language:?}: {failure:?}"));
            for file in ["plugin.test", "README.md"] {
                let text = std::fs::read_to_string(out.join(file)).unwrap_or_default();
                assert!(!text.is_empty(), "{kind:?} {language:?} has no {file}");
                assert!(!text.contains("{{name}}"), "{kind:?} {language:?}: {file}");
            }
            let examples = std::fs::read_to_string(out.join("plugin.test")).unwrap();
            let parsed = crate::plugin::check::examples::Examples::parse(&examples).unwrap();
            assert!(!parsed.examples.is_empty(), "{kind:?} {language:?} has no examples");
            assert_eq!(run(&arguments).unwrap_err().status(), 1, "the folder exists");
            let project = crate::plugin::project::Project::open(&out).unwrap();
            assert_eq!(project.language, language);
        }
    }

    #[test]
    fn names_must_be_plain() {
        for name in ["initials", "p95", "k_means"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(64);
        for name in ["", "Initials", "2d", "_x", "a-b", "größe", "fn", "select", "../x", &long] {
            assert_eq!(check_name(name).unwrap_err().status(), 1, "{name}");
        }
    }

    #[test]
    fn placeholders_are_filled_in_texts_and_paths() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("project");
        let files: [File; 3] = [
            ("Cargo.toml.template", b"name = \"{{name}}\""),
            ("src/{{name}}.rs", b"struct {{Name}}; const {{NAME}}: u8 = 1;"),
            ("logo", &[0xff, b'{', b'{']),
        ];
        write_all(&out, "", &files, |text| fill(text, "k_means")).unwrap();
        let read = |path: &str| std::fs::read(out.join(path)).unwrap();
        assert_eq!(read("Cargo.toml"), b"name = \"k_means\"");
        assert_eq!(read("src/k_means.rs"), b"struct KMeans; const K_MEANS: u8 = 1;");
        assert_eq!(read("logo"), [0xff, b'{', b'{']);
    }
}
