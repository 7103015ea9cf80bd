//! The ledger as text: one table per kind of account, the equation in its heading.

use super::{LedgerSnapshot, Residual};
use core::fmt;

/// Cells by row; the first row is the heading. Words stand left, numbers right.
struct Table {
    /// Columns that hold words.
    words: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(words: usize, heading: &[&str]) -> Self {
        Self { words, rows: vec![heading.iter().map(|&cell| cell.to_owned()).collect()] }
    }

    fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, title: &str) -> fmt::Result {
        if self.rows.len() == 1 {
            return Ok(());
        }
        let mut widths = vec![0; self.rows[0].len()];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        writeln!(f, "\n{title}")?;
        for row in &self.rows {
            let mut line = String::new();
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                line.push_str("  ");
                if column < self.words {
                    line.push_str(&format!("{cell:<width$}"));
                } else {
                    line.push_str(&format!("{cell:>width$}"));
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn worker_cell(worker: Option<u32>) -> String {
    worker.map_or_else(|| "all".to_owned(), |worker| worker.to_string())
}

macro_rules! cells {
    ($($cell:expr),+ $(,)?) => { vec![$($cell.to_string()),+] };
}

impl LedgerSnapshot {
    fn wire_table(&self) -> Table {
        let mut table = Table::new(
            3,
            &[
                "wire",
                "worker",
                "direction",
                "rx",
                "tx",
                "tx_full",
                "tx_invalid",
                "link_down",
                "blocked",
                "residual",
                "selected",
                "escalated",
            ],
        );
        for row in &self.wires {
            let c = &row.counters;
            table.row(cells![
                row.wire,
                worker_cell(row.worker),
                row.direction,
                c.rx,
                c.tx,
                c.tx_full,
                c.tx_invalid,
                c.link_down,
                c.blocked,
                row.residual,
                c.selected,
                c.escalated,
            ]);
        }
        table
    }

    fn selection_table(&self) -> Table {
        let mut table = Table::new(
            2,
            &["worker", "distribute", "selected", "factor", "due", "offered", "residual"],
        );
        for row in &self.selection {
            table.row(cells![
                worker_cell(row.worker),
                row.distribute.as_str(),
                row.selected,
                row.factor,
                row.due,
                row.offered,
                row.residual,
            ]);
        }
        table
    }

    fn tap_table(&self) -> Table {
        let mut table = Table::new(
            2,
            &[
                "worker",
                "instance",
                "offered",
                "enqueued",
                "ring_full",
                "oversize",
                "no_instance",
                "residual",
                "truncated",
                "bytes",
            ],
        );
        for row in &self.taps {
            let c = &row.counters;
            table.row(cells![
                worker_cell(row.worker),
                row.instance,
                c.offered,
                c.enqueued,
                c.ring_full,
                c.oversize,
                c.no_instance,
                row.residual,
                c.truncated,
                c.enqueued_bytes,
            ]);
        }
        table
    }

    fn behind_table(&self) -> Table {
        let mut table = Table::new(
            2,
            &[
                "worker",
                "instance",
                "enqueued",
                "analysed",
                "discarded",
                "in_ring",
                "in_hand",
                "lost_in_crash",
                "residual",
            ],
        );
        for row in &self.behind {
            table.row(cells![
                worker_cell(row.worker),
                row.instance,
                row.enqueued,
                row.analysed,
                row.discarded,
                row.in_ring,
                row.in_hand,
                row.lost_in_crash,
                row.residual,
            ]);
        }
        table
    }
}

/// Tables for an operator; the last line says whether the ledger is exact, and if not, where.
impl fmt::Display for LedgerSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest_ns) =
            (self.taken_at_ns / 1_000_000_000, self.taken_at_ns % 1_000_000_000);
        writeln!(f, "ledger {} at {seconds}.{rest_ns:09} s since the epoch", self.sequence)?;
        self.wire_table()
            .write(f, "wires: rx = tx + tx_full + tx_invalid + link_down + blocked")?;
        self.selection_table().write(f, "selection: offered = selected x factor (due)")?;
        self.tap_table()
            .write(f, "taps: offered = enqueued + ring_full + oversize + no_instance")?;
        self.behind_table().write(
            f,
            "behind the rings: enqueued = analysed + discarded + in_ring + in_hand + lost_in_crash",
        )?;
        let wrong: Vec<Residual> =
            self.residuals().into_iter().filter(|row| !row.is_exact()).collect();
        if wrong.is_empty() {
            return writeln!(f, "\nexact: every residual is 0");
        }
        writeln!(f, "\nNOT EXACT in {} of {} accounts:", wrong.len(), self.residuals().len())?;
        for row in wrong {
            let why = if row.negative { " (a term is negative)" } else { "" };
            writeln!(f, "  {}: residual {}{why}", row.account, row.residual)?;
        }
        Ok(())
    }
}
