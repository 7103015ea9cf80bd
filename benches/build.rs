//! Compiles the peers in C, `peers/*.c`, to programs of their own: what is compared with umbra must
//! not share its process, and no unsafe code is needed to start them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Linked by name: with the whole list of pkg-config a peer would bring drivers of its own, and
/// dpdk-dumpcap then counts the mempool operations differently and sees nothing.
const LIBRARIES: &[&str] =
    &["rte_eal", "rte_ethdev", "rte_log", "rte_mbuf", "rte_mempool", "rte_pdump", "rte_ring"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=peers");
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    let dpdk = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk")
        .map_err(|e| format!("libdpdk is missing; install it: scripts/setup ({e})"))?;
    let cflags = Command::new("pkg-config")
        .args(["--cflags", "libdpdk"])
        .output()
        .map_err(|e| format!("pkg-config does not start: {e}"))?;
    let cflags = String::from_utf8_lossy(&cflags.stdout).into_owned();
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let mut sources: Vec<PathBuf> = std::fs::read_dir("peers")
        .map_err(|e| format!("peers: {e}"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    for source in &sources {
        compile(source, &out, &cflags, &dpdk)?;
    }
    println!("cargo::rustc-env=UMBRA_BENCH_PEERS={}", out.display());
    Ok(())
}

/// One source, one program of the same name.
fn compile(
    source: &Path,
    out: &Path,
    cflags: &str,
    dpdk: &pkg_config::Library,
) -> Result<(), String> {
    // As the distribution compiles DPDK's own applications, whatever the profile of this build.
    let mut command = cc::Build::new()
        .opt_level(3)
        .debug(false)
        .cargo_metadata(false)
        .get_compiler()
        .to_command();
    let program = out.join(source.file_stem().unwrap_or_default());
    command
        .args(cflags.split_whitespace())
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror"])
        .arg(source)
        .arg("-o")
        .arg(&program);
    for path in &dpdk.link_paths {
        command.arg(format!("-L{}", path.display()));
    }
    for name in dpdk.libs.iter().filter(|name| LIBRARIES.contains(&name.as_str())) {
        command.arg(format!("-l{name}"));
    }
    command.args(["-lpthread", "-lm"]);
    let result = command.output().map_err(|e| format!("the C compiler does not start: {e}"))?;
    if result.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&result.stderr).replace('\n', " | ");
    Err(format!("{} does not compile: {text}", source.display()))
}
