//! What was measured beside what is wanted, as a table.

use anyhow::{Error, Result};

#[derive(Clone, Copy)]
pub enum Wanted {
    AtMost(f64),
    AtLeast(f64),
    /// Shown for what it explains.
    Nothing,
}

#[derive(Clone, Copy)]
pub enum Unit {
    Ratio,
    Milliseconds,
    Microseconds,
    PerSecond,
    Count,
}

pub struct Figure {
    pub what: String,
    /// Not a number where it could not be measured.
    pub measured: f64,
    pub unit: Unit,
    pub wanted: Wanted,
    /// What the figure was made of.
    pub of: String,
}

/// Rows of the table: a figure, or why there is none.
#[derive(Default)]
pub struct Figures(Vec<(String, Result<Figure>)>);

impl Figures {
    pub fn add(&mut self, figure: Figure) {
        self.0.push((figure.what.clone(), Ok(figure)));
    }

    /// What a part of the benchmark found, or that it could not.
    pub fn extend(&mut self, part: &str, found: Result<Vec<Figure>>) {
        match found {
            Ok(figures) => figures.into_iter().for_each(|figure| self.add(figure)),
            Err(error) => self.fail(part, error),
        }
    }

    fn fail(&mut self, part: &str, error: Error) {
        eprintln!("{part}: {error:#}");
        self.0.push((part.to_owned(), Err(error)));
    }

    /// Markdown.
    pub fn print(&self) {
        println!("| what | measured | wanted | reached | of |\n|---|---|---|---|---|");
        for (what, found) in &self.0 {
            match found {
                Ok(figure) => println!("{}", figure.line()),
                Err(error) => {
                    println!("| {what} | – | | | not measured: {} |", cell(&format!("{error:#}")));
                }
            }
        }
    }
}

impl Figure {
    fn line(&self) -> String {
        let wanted = match self.wanted {
            Wanted::AtMost(limit) => format!("≤ {}", self.unit.show(limit)),
            Wanted::AtLeast(limit) => format!("≥ {}", self.unit.show(limit)),
            Wanted::Nothing => String::new(),
        };
        let reached = match self.wanted {
            _ if self.measured.is_nan() => "",
            Wanted::AtMost(limit) => yes_or_no(self.measured <= limit),
            Wanted::AtLeast(limit) => yes_or_no(self.measured >= limit),
            Wanted::Nothing => "",
        };
        let measured = self.unit.show(self.measured);
        format!("| {} | {measured} | {wanted} | {reached} | {} |", self.what, cell(&self.of))
    }
}

/// Text as Markdown's tables take it.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "**no**" }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            _ if value.is_nan() => "–".to_owned(),
            Self::Ratio => format!("{value:.2} ×"),
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Microseconds => format!("{value:.1} µs"),
            Self::PerSecond => format!("{value:.0} a second"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whether_the_figure_is_reached() {
        let figure = |measured, wanted| Figure {
            what: "sum".into(),
            measured,
            unit: Unit::Ratio,
            wanted,
            of: "2 ms".into(),
        };
        assert_eq!(figure(1.04, Wanted::AtMost(1.1)).line(), "| sum | 1.04 × | ≤ 1.10 × | yes | 2 ms |");
        assert_eq!(figure(1.2, Wanted::AtMost(1.1)).line(), "| sum | 1.20 × | ≤ 1.10 × | **no** | 2 ms |");
        assert_eq!(figure(9.0, Wanted::AtLeast(10.0)).line(), "| sum | 9.00 × | ≥ 10.00 × | **no** | 2 ms |");
        assert_eq!(figure(f64::NAN, Wanted::AtMost(0.5)).line(), "| sum | – | ≤ 0.50 × |  | 2 ms |");
    }
}
