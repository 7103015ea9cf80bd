//! `umbra`: the one program of the project. Everything it does is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use umbra_control::cli::{self, Cli, Command, Failure, Outcome};
use umbra_control::{check, ctl, replay, run, schema};

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::start_log(&cli);
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn dispatch(cli: Cli) -> Outcome {
    match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Replay(args) => replay::main(&args),
        Command::Ctl(args) => ctl::main(&args),
        Command::Top => Err(Failure::not_built_yet("umbra top")),
        Command::Schema(args) => schema::main(&args),
        Command::Completions { shell } => completions(shell),
        Command::Man => man(),
        Command::Selftest { .. } => Err(Failure::not_built_yet("umbra selftest")),
    }
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "umbra", &mut text);
    cli::print(&String::from_utf8_lossy(&text))
}

/// The page of `umbra`, followed by those of its commands.
fn man() -> Outcome {
    let mut text = Vec::new();
    let mut command = Cli::command();
    command.build();
    let pages = std::iter::once(&command).chain(command.get_subcommands());
    for page in pages {
        clap_mangen::Man::new(page.clone()).render(&mut text).map_err(anyhow::Error::from)?;
    }
    cli::print(&String::from_utf8_lossy(&text))
}
