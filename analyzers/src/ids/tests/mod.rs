//! The engine from end to end: rules as text, frames made in memory, and which rules alerted.
//!
//! `lab` runs them, `case` makes tables of them: for each keyword a rule that must alert and one that differs
//! in that keyword and must not. The rest are the tables, by family.

mod case;
mod coverage;
mod dns;
mod engine;
mod events;
mod files;
mod header;
mod http;
mod http2;
mod invariance;
mod lab;
mod lines;
mod meta;
mod packet;
mod payload;
mod sets;
mod smb;
mod state;
mod tls;
mod transform;
