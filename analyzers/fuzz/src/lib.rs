//! What the fuzz targets do with their bytes.
//!
//! A target is a function of bytes that panics where something is wrong. What it holds the code to beside
//! "no panic" stands in the module that it comes from. The functions know neither libFuzzer nor
//! files: `fuzz_targets/` gives them what libFuzzer makes up, and the analyzers' test `fuzz_corpus` what is
//! kept in `corpus/`, a folder for each target.
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "a test includes this as a module")]

mod conversation;
mod decoder;
mod dialogue;
mod fragments;
mod frames;
mod matching;
mod parsers;
mod pipeline;
mod rules;
mod script;
mod signatures;
mod streams;
mod told;

/// A name with what is done under it.
pub type Target = (&'static str, fn(&[u8]));

/// All targets. Those of one parser each are in [`parsers`].
pub const TARGETS: &[Target] = &[
    ("conversation", conversation::conversation),
    ("dcerpc", parsers::dcerpc),
    ("dcerpc_udp", parsers::dcerpc_udp),
    ("decoder", decoder::decoder),
    ("defrag", fragments::defrag),
    ("dns_tcp", parsers::dns_tcp),
    ("dns_udp", parsers::dns_udp),
    ("ftp", parsers::ftp),
    ("ftp_data", parsers::ftp_data),
    ("http1", parsers::http1),
    ("http2", parsers::http2),
    ("matching", matching::matching),
    ("pipeline", pipeline::pipeline),
    ("rules", rules::rules),
    ("signatures", signatures::signatures),
    ("smb", parsers::smb),
    ("smtp", parsers::smtp),
    ("ssh", parsers::ssh),
    ("stream", streams::stream),
    ("stream_wild", streams::stream_wild),
    ("tls", parsers::tls),
];

/// Does what a target does.
///
/// # Panics
///
/// Where something is wrong, or there is no such target.
pub fn run(target: &str, bytes: &[u8]) {
    let (_, run) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target's name");
    run(bytes);
}
