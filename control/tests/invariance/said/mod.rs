//! Dialogues, one scene per protocol.

mod crowd;
mod files;
mod names;
mod others;
mod web;

pub(crate) use crowd::{crowd, fetchers};

use super::scene::Scene;

/// All of them, one behind the other.
pub(crate) fn everything() -> Vec<(&'static str, Scene)> {
    vec![
        ("http", web::pages()),
        ("http, a large file", web::large()),
        ("dns", names::dns()),
        ("tls", names::tls()),
        ("smtp", others::mail()),
        ("ftp", files::ftp()),
        ("ssh", others::ssh()),
        ("smb", files::smb()),
        ("tcp", others::raw()),
        ("udp", others::datagrams()),
    ]
}
