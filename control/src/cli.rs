//! The command line: what umbra can be asked, and how it answers.
//!
//! The commands, their options and the exit codes are a contract that other programs rely on.
//! Options that are part of it but whose feature is not built yet are accepted and answered with
//! `not built yet`, never ignored.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use umbra_tap::{Percentage, PercentageError};

use crate::manifest::Diagnostics;

/// How a command ended; the process exits with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// Failed while running.
    Failed = 1,
    /// Bad usage, manifest or rules.
    Usage = 2,
    /// EAL or a port could not be set up.
    Setup = 3,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, and the exit code that says so.
#[derive(Debug)]
pub struct Failure {
    /// What the process exits with.
    pub exit: Exit,
    /// What is printed, with its causes; `None` when the command has said it already.
    pub error: Option<anyhow::Error>,
}

impl Failure {
    /// Failed while running: exit code 1.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Failed, error: Some(error.into()) }
    }

    /// Bad usage, manifest or rules: exit code 2.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: Some(error.into()) }
    }

    /// EAL or a port could not be set up: exit code 3.
    pub fn setup(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Setup, error: Some(error.into()) }
    }

    /// The reason has been given on standard output.
    pub fn reported(exit: Exit) -> Self {
        Self { exit, error: None }
    }

    /// The command or option `what` is known but not there: exit code 1.
    pub fn not_built_yet(what: &str) -> Self {
        Self::failed(anyhow::anyhow!("not built yet: {what}"))
    }

    /// Prints the reason to standard error, and gives the code to exit with.
    pub fn report(&self) -> std::process::ExitCode {
        match &self.error {
            // Manifests come with their own headings and source lines.
            Some(error) if error.is::<Diagnostics>() => eprintln!("{error}"),
            Some(error) => eprintln!("error: {error:#}"),
            None => {}
        }
        self.exit.into()
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(error)
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::usage(diagnostics)
    }
}

/// What every command returns.
pub type Outcome = Result<(), Failure>;

/// A userspace bump in the wire that analyses a sample of what it forwards.
#[derive(Debug, Parser)]
#[command(name = "umbra", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failed while running, 2 bad usage, manifest or rules, \
                        3 EAL or port set-up failed.\nLog filter: UMBRA_LOG or RUST_LOG, as in \
                        UMBRA_LOG=debug or UMBRA_LOG=info,umbra_forward=trace."
)]
pub struct Cli {
    /// Log more (-v debug, -vv trace)
    #[arg(short, long, action = ArgAction::Count, global = true, display_order = 100)]
    pub verbose: u8,
    /// Log less (-q warnings and errors, -qq errors)
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "verbose")]
    #[arg(display_order = 101)]
    pub quiet: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Forward and shadow
    Run(RunArgs),
    /// Validate manifests; all errors at once, exit code 2 if there are any
    Check(CheckArgs),
    /// Run the analyzers over a capture, offline
    Replay(ReplayArgs),
    /// Ask a running umbra, or tell it something, over its control socket
    Ctl(CtlArgs),
    /// Watch a running umbra in the terminal (not built yet)
    Top,
    /// Print the JSON Schema of manifests (draft 2020-12)
    Schema(SchemaArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (troff): umbra man | man -l -
    Man,
    /// Check umbra's promises on this machine (not built yet)
    Selftest {
        /// Write a verdict per promise to FILE
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

/// `umbra run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Manifests; together they describe one appliance, [host] stands in one of them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Validate, say what would be run (cores, ports, EAL arguments) and stop there
    #[arg(long)]
    pub dry_run: bool,
    /// Print statistics every S seconds
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub stats_period: Option<Duration>,
    /// Stop after S seconds
    #[arg(long = "for", value_name = "S", value_parser = seconds)]
    pub run_for: Option<Duration>,
    /// EAL arguments after those of [host].eal, without core lists
    #[arg(last = true, value_name = "EAL ARGS")]
    pub eal_args: Vec<String>,
}

/// `umbra check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Manifests, given together as to `umbra run`
    #[arg(required_unless_present = "rules", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Check a file of rules, with the classification.config beside it
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub rules: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// `umbra replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The capture: pcap or pcapng
    #[arg(short = 'r', long = "read", value_name = "PCAP")]
    pub capture: PathBuf,
    /// Match the rules of RULES, with the classification.config and threshold.config beside it
    #[arg(short = 'S', long = "rules", value_name = "RULES")]
    pub rules: Vec<PathBuf>,
    /// Take profiles, sampling and outputs from MANIFEST; no wire is needed
    #[arg(short = 'c', long = "manifest", value_name = "MANIFEST")]
    pub manifest: Option<PathBuf>,
    /// Write eve.json into DIR [default: the manifest's, else the working directory]
    #[arg(short = 'l', long = "log-dir", value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Which packets with a bad checksum stay out of streams and application layers
    #[arg(short = 'k', long = "checksums", value_enum, default_value_t = ChecksumArg::Auto)]
    pub checksums: ChecksumArg,
    /// Profiles to run [default: the manifest's, else all that are built]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub profiles: Vec<String>,
    /// Sample P percent [default: 100]
    #[arg(long, value_name = "P", value_parser = percentage)]
    pub percentage: Option<Percentage>,
    /// Shadow instances [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub instances: Option<u16>,
    /// Fail when a rule does not load
    #[arg(long)]
    pub strict: bool,
    /// Let the anomaly models learn from PCAP first, as from normal traffic
    #[arg(long, value_name = "PCAP")]
    pub learn: Option<PathBuf>,
    /// Write an anomaly score for every frame to FILE: frame,time,score,key
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
    /// Keep compiled rules in DIR (not built yet)
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
}

/// `-k`: the checksum policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChecksumArg {
    /// All bad ones
    All,
    /// None
    None,
    /// All, but none where the capture shows checksum offloading
    Auto,
}

/// `umbra ctl`.
#[derive(Debug, Clone, Args)]
pub struct CtlArgs {
    /// The control socket [default: the one that umbra run uses by default]
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to ask or tell.
    #[command(subcommand)]
    pub command: CtlCommand,
}

/// The commands of `umbra ctl`.
#[derive(Debug, Clone, Subcommand)]
pub enum CtlCommand {
    /// Wires, ports, workers, instances and rates
    Status,
    /// The packet accounts and their residuals
    Ledger,
    /// Set shadow_traffic_percentage, or tell it
    Percentage {
        /// 0.0 to 100.0
        #[arg(value_name = "P", value_parser = percentage)]
        percentage: Option<Percentage>,
    },
    /// What the profiles have seen, merged over the instances
    Profile,
    /// Stop, start, pause, resume or replace one shadow instance; traffic is not touched
    Instance {
        /// What to do
        command: InstanceCommand,
        /// Its number, from 0
        #[arg(value_name = "N")]
        index: usize,
    },
    /// Read the manifests again (not built yet)
    Reload(NotBuiltArgs),
    /// Block a flow, host or prefix (not built yet)
    Block(NotBuiltArgs),
    /// Unblock a flow, host or prefix (not built yet)
    Unblock(NotBuiltArgs),
    /// List alerts (not built yet)
    Alerts(NotBuiltArgs),
}

/// What can be done to a shadow instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InstanceCommand {
    /// Let it drain its rings and end
    Stop,
    /// Start it again with new rings
    Start,
    /// Freeze it: its rings fill, the watchdog replaces it after 5 s
    Pause,
    /// Let it go on
    Resume,
    /// Leave it behind as if it hung, and put a new one in its place
    Replace,
}

/// Whatever is said to a command that is not there.
#[derive(Debug, Clone, Args)]
pub struct NotBuiltArgs {
    /// Not looked at
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<String>,
}

/// `umbra schema`.
#[derive(Debug, Clone, Args)]
pub struct SchemaArgs {
    /// Print a reference of all keys in Markdown instead
    #[arg(long)]
    pub markdown: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    // A year: longer is a slip of the pen, and Duration::from_secs_f64 panics far beyond it.
    const MAX_S: f64 = 366.0 * 86_400.0;
    match text.parse::<f64>() {
        Ok(s) if s > 0.0 && s <= MAX_S => Ok(Duration::from_secs_f64(s)),
        _ => Err(format!("seconds, more than 0 and at most {MAX_S}, for example 1 or 0.5")),
    }
}

fn percentage(text: &str) -> Result<Percentage, String> {
    text.parse().map_err(|error: PercentageError| error.to_string())
}

/// Writes to standard output. A reader that has gone (`umbra schema | head`) is no failure.
pub fn print(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(anyhow::Error::from(error).context("writing to standard output")))
        }
        _ => Ok(()),
    }
}

/// Starts logging to standard error. `-v` and `-q` come before `UMBRA_LOG`, that before
/// `RUST_LOG`; without any of them it is `info`.
pub fn start_log(cli: &Cli) {
    let level = match (cli.verbose, cli.quiet) {
        (0, 0) => None,
        (1, _) => Some("debug"),
        (2.., _) => Some("trace"),
        (0, 1) => Some("warn"),
        (0, _) => Some("error"),
    };
    let filter = level.map(str::to_owned).or_else(|| {
        ["UMBRA_LOG", "RUST_LOG"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|filter| !filter.is_empty()))
    });
    env_logger::Builder::new()
        .parse_filters(filter.as_deref().unwrap_or("info"))
        .format_timestamp_micros()
        .init();
}
