//! Tables with lines, for reading on a terminal.
//!
//! Rows are held back until a chunk of them is there, and columns are made as wide as the chunk needs; a later chunk
//! may only widen them. So small results are laid out exactly, and large ones need little memory.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nu_ansi_term::Style;
use nyala_node::Result;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::cells::{Cells, is_number, printable};
use super::{Encoder, Layout};

/// Rows laid out together.
const CHUNK_ROWS: usize = 10_000;
/// Text columns are not cut narrower than this to fit the screen; then columns are hidden.
const CUT_WIDTH_MIN: usize = 24;
/// What a column costs beside its text: a line and two blanks.
const COLUMN_MARGIN: usize = 3;

pub struct TableEncoder {
    headers: Vec<String>,
    numbers: Vec<bool>,
    null: String,
    layout: Layout,
    chunk: Chunk,
    /// Of all columns, as far as is known. Set by the first chunk.
    widths: Vec<usize>,
    /// Columns from the left that are shown; the rest does not fit the screen.
    shown: usize,
    /// Whether columns keep their width whatever comes, because the screen is full.
    is_cut: bool,
    /// Whether some value was cut.
    values_cut: bool,
    started: bool,
}

impl TableEncoder {
    pub fn new(schema: SchemaRef, layout: &Layout) -> Self {
        let fields = schema.fields();
        let headers: Vec<String> = fields.iter().map(|f| printable(f.name()).replace('\n', " ")).collect();
        Self {
            widths: headers.iter().map(|header| header.width()).collect(),
            numbers: fields.iter().map(|field| is_number(field.data_type())).collect(),
            null: layout.null.clone().unwrap_or_else(|| "NULL".to_owned()),
            layout: layout.clone(),
            chunk: Chunk::new(headers.len()),
            shown: headers.len(),
            is_cut: false,
            values_cut: false,
            started: false,
            headers,
        }
    }

    /// Writes the rows that are held.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if !self.started || !self.is_cut {
            self.chunk.widen(&mut self.widths);
        }
        let mut text = String::new();
        if !self.started {
            self.started = true;
            self.fit();
            self.rule(['┌', '┬', '┐'], &mut text);
            self.header(&mut text);
            self.rule(['├', '┼', '┤'], &mut text);
        }
        let chunk = std::mem::replace(&mut self.chunk, Chunk::new(self.headers.len()));
        for row in 0..chunk.rows() {
            self.row(&chunk, row, &mut text);
        }
        out.extend_from_slice(text.as_bytes());
    }

    /// Cuts text columns, then hides columns, until the table fits the screen.
    fn fit(&mut self) {
        let Some(screen) = self.layout.width else { return };
        let height = self.chunk.lines() + FRAME_LINES;
        if self.layout.paged_from.is_some_and(|limit| height >= limit) || total(&self.widths) <= screen {
            return;
        }
        self.is_cut = true;
        while total(&self.widths) > screen && self.narrow_widest(total(&self.widths) - screen) {}
        // The mark for hidden columns is one character wide.
        while self.shown > 1 && total(&self.widths[..self.shown]) + self.mark_width() > screen {
            self.shown -= 1;
        }
        if self.shown == 1 {
            let room = screen.saturating_sub(self.mark_width() + COLUMN_MARGIN + 1).max(1);
            self.widths[0] = self.widths[0].min(room);
        }
    }

    fn mark_width(&self) -> usize {
        if self.shown < self.headers.len() { 1 + COLUMN_MARGIN } else { 0 }
    }

    /// Takes up to `excess` from the widest text column, as far as the next narrower one or the minimum. Whether
    /// there was anything to take.
    fn narrow_widest(&mut self, excess: usize) -> bool {
        let cuttable = |index: &usize| !self.numbers[*index] && self.widths[*index] > CUT_WIDTH_MIN;
        let candidates: Vec<usize> = (0..self.widths.len()).filter(cuttable).collect();
        let Some(&widest) = candidates.iter().max_by_key(|index| self.widths[**index]) else { return false };
        let next = candidates.iter().filter(|index| **index != widest).map(|index| self.widths[*index]).max();
        let floor = next.unwrap_or(CUT_WIDTH_MIN).min(self.widths[widest] - 1);
        self.widths[widest] = floor.max(self.widths[widest].saturating_sub(excess)).max(CUT_WIDTH_MIN);
        true
    }

    fn rule(&self, [left, middle, right]: [char; 3], text: &mut String) {
        let hidden = self.shown < self.headers.len();
        let widths = self.widths[..self.shown].iter().copied().chain(hidden.then_some(1));
        for (index, width) in widths.enumerate() {
            text.push(if index == 0 { left } else { middle });
            text.extend(std::iter::repeat_n('─', width + COLUMN_MARGIN - 1));
        }
        text.push(right);
        text.push('\n');
    }

    fn header(&mut self, text: &mut String) {
        for column in 0..self.shown {
            let header = self.headers[column].clone();
            self.cell(column, &header, Style::new().bold(), text);
        }
        self.line_end(text);
    }

    /// A row takes as many lines as its value with the most.
    fn row(&mut self, chunk: &Chunk, row: usize, text: &mut String) {
        let lines = (0..self.shown).map(|column| chunk.line_count(row, column)).max().unwrap_or(1);
        for line in 0..lines {
            for column in 0..self.shown {
                match chunk.cell(row, column) {
                    Some(value) => {
                        let part = value.split('\n').nth(line).unwrap_or("");
                        self.cell(column, part, Style::new(), text);
                    }
                    None => {
                        let null = if line == 0 { self.null.clone() } else { String::new() };
                        self.cell(column, &null, Style::new().dimmed(), text);
                    }
                }
            }
            self.line_end(text);
        }
    }

    fn line_end(&self, text: &mut String) {
        text.push_str(if self.shown < self.headers.len() { "│ … │\n" } else { "│\n" });
    }

    fn cell(&mut self, column: usize, value: &str, style: Style, text: &mut String) {
        let width = self.widths[column];
        let (value, cut) = cut_to(value, width, self.is_cut);
        self.values_cut |= cut;
        let blanks = " ".repeat(width.saturating_sub(value.width()));
        let (before, after) = if self.numbers[column] { (&*blanks, "") } else { ("", &*blanks) };
        text.push_str("│ ");
        text.push_str(before);
        if self.layout.colours && !value.is_empty() {
            text.push_str(&style.paint(&*value).to_string());
        } else {
            text.push_str(&value);
        }
        text.push_str(after);
        text.push(' ');
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = vec![];
        if self.shown < self.headers.len() {
            let (shown, all) = (self.shown, self.headers.len());
            remarks
                .push(format!("{shown} of {all} columns fit the screen; \\x or --format vertical shows all"));
        } else if self.values_cut {
            remarks
                .push("values that end in … were cut to fit; \\x or --format vertical shows all".to_owned());
        }
        remarks
    }
}

impl Encoder for TableEncoder {
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let cells = Cells::new(batch)?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            for column in 0..self.headers.len() {
                if cells.is_null(column, row) {
                    self.chunk.push_null(&self.null);
                    continue;
                }
                text.clear();
                cells.write(column, row, &mut text);
                self.chunk.push(&printable(&text));
            }
            if self.chunk.rows() >= CHUNK_ROWS {
                self.flush(out);
            }
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>> {
        self.flush(out);
        let mut text = String::new();
        self.rule(['└', '┴', '┘'], &mut text);
        out.extend_from_slice(text.as_bytes());
        Ok(self.remarks())
    }
}

/// The two rules and the header above the rows, the rule below.
const FRAME_LINES: usize = 4;

fn total(widths: &[usize]) -> usize {
    widths.iter().map(|width| width + COLUMN_MARGIN).sum::<usize>() + 1
}

/// `value`, or what fits into `width` with `…` at its end. Says whether it was cut.
fn cut_to(value: &str, width: usize, is_cut: bool) -> (std::borrow::Cow<'_, str>, bool) {
    if !is_cut || value.width() <= width {
        return (value.into(), false);
    }
    let mut cut = String::new();
    let mut room = width.saturating_sub(1);
    for c in value.chars() {
        let needed = c.width().unwrap_or(0);
        if needed > room {
            break;
        }
        room -= needed;
        cut.push(c);
    }
    cut.push('…');
    (cut.into(), true)
}

/// Rows as text, in one allocation.
struct Chunk {
    columns: usize,
    text: String,
    cells: Vec<Cell>,
    null_width: usize,
}

/// One value of a chunk.
struct Cell {
    /// Where its text ends; it starts where the one before ends.
    end: usize,
    is_null: bool,
}

impl Chunk {
    fn new(columns: usize) -> Self {
        Self { columns, text: String::new(), cells: vec![], null_width: 0 }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.cells.push(Cell { end: self.text.len(), is_null: false });
    }

    fn push_null(&mut self, null: &str) {
        self.null_width = null.width();
        self.cells.push(Cell { end: self.text.len(), is_null: true });
    }

    fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }

    /// `None` for NULL.
    fn cell(&self, row: usize, column: usize) -> Option<&str> {
        let index = row * self.columns + column;
        let start = index.checked_sub(1).map_or(0, |before| self.cells[before].end);
        let cell = &self.cells[index];
        (!cell.is_null).then(|| &self.text[start..cell.end])
    }

    fn line_count(&self, row: usize, column: usize) -> usize {
        self.cell(row, column).map_or(1, |text| 1 + text.bytes().filter(|byte| *byte == b'\n').count())
    }

    /// Lines that all rows take together.
    fn lines(&self) -> usize {
        (0..self.rows())
            .map(|row| (0..self.columns).map(|c| self.line_count(row, c)).max().unwrap_or(1))
            .sum()
    }

    fn widen(&self, widths: &mut [usize]) {
        for row in 0..self.rows() {
            for (column, width) in widths.iter_mut().enumerate() {
                let needed = match self.cell(row, column) {
                    Some(text) => text.split('\n').map(UnicodeWidthStr::width).max().unwrap_or(0),
                    None => self.null_width,
                };
                *width = (*width).max(needed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;
    use crate::output::{Format, samples};

    fn on_screen(width: usize, batch: &RecordBatch) -> (String, Vec<String>) {
        let layout = Layout { width: Some(width), ..Layout::default() };
        let (out, remarks) = samples::encoded(Format::Table, &layout, std::slice::from_ref(batch));
        (String::from_utf8(out).unwrap(), remarks)
    }

    #[test]
    fn table() {
        expect_test::expect![[r#"
            ┌─────────────────┬──────┬────────┐
            │ name            │  age │ member │
            ├─────────────────┼──────┼────────┤
            │ Ann             │   31 │ true   │
            │ 李雷            │    4 │ false  │
            │ NULL            │  100 │ NULL   │
            │ two             │ NULL │ true   │
            │ lines | tab     │      │        │
            └─────────────────┴──────┴────────┘
        "#]]
        .assert_eq(&samples::text(Format::Table, &[samples::people()]));
    }

    #[test]
    fn no_rows() {
        expect_test::expect![[r#"
            ┌──────┬─────┬────────┐
            │ name │ age │ member │
            ├──────┼─────┼────────┤
            └──────┴─────┴────────┘
        "#]]
        .assert_eq(&samples::text(Format::Table, &[samples::people().slice(0, 0)]));
    }

    #[test]
    fn columns_that_do_not_fit_are_hidden() {
        let (text, remarks) = on_screen(40, &samples::wide(8));
        expect_test::expect![[r#"
            ┌──────────┬──────────┬──────────┬───┐
            │ column_0 │ column_1 │ column_2 │ … │
            ├──────────┼──────────┼──────────┼───┤
            │        0 │        1 │        2 │ … │
            └──────────┴──────────┴──────────┴───┘
        "#]]
        .assert_eq(&text);
        assert_eq!(remarks, ["3 of 8 columns fit the screen; \\x or --format vertical shows all"]);
    }

    #[test]
    fn long_text_is_cut_before_columns_are_hidden() {
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(Int64Array::from(vec![1])) as _),
            ("comment", Arc::new(StringArray::from(vec!["x".repeat(200)])) as _),
        ])
        .unwrap();
        let (text, remarks) = on_screen(40, &batch);
        assert!(text.lines().all(|line| line.width() == 40), "{text}");
        assert!(text.contains("xxx… │"), "{text}");
        assert_eq!(remarks.len(), 1);
        let (text, _) = on_screen(12, &batch);
        assert!(text.lines().all(|line| line.width() <= 12), "{text}");
    }

    #[test]
    fn a_pager_gets_all_columns() {
        let layout = Layout { width: Some(20), paged_from: Some(3), ..Layout::default() };
        let (out, remarks) = samples::encoded(Format::Table, &layout, &[samples::wide(8)]);
        assert!(String::from_utf8(out).unwrap().contains("column_7"));
        assert!(remarks.is_empty());
    }

    #[test]
    fn chunks_are_laid_out_apart_and_nothing_is_lost() {
        let short = StringArray::from(vec!["a"; CHUNK_ROWS]);
        let long = StringArray::from(vec!["longer"]);
        let batch = |array: StringArray| RecordBatch::try_from_iter([("t", Arc::new(array) as _)]).unwrap();
        let text = samples::text(Format::Table, &[batch(short), batch(long)]);
        assert_eq!(text.lines().count(), CHUNK_ROWS + 1 + FRAME_LINES);
        assert!(text.contains("\n│ a │\n") && text.contains("\n│ longer │\n"));
    }
}
