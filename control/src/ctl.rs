//! `umbra ctl`: asks a running umbra over its control socket and prints the answer.

use std::fmt::Write;

use serde_json::Value;

use crate::api::{self, Command, InstanceAction};
use crate::cli::{self, CtlArgs, CtlCommand, Failure, InstanceCommand, Outcome};
use crate::manifest::default_control_socket;

/// Runs the command.
///
/// # Errors
/// Exit code 1 when nobody answers or the answer is a refusal.
pub fn main(args: &CtlArgs) -> Outcome {
    let command = match &args.command {
        CtlCommand::Status => Command::Status,
        CtlCommand::Ledger => Command::Ledger,
        CtlCommand::Profile => Command::Profile,
        CtlCommand::Percentage { percentage } => {
            Command::Percentage { value: percentage.map(|p| p.percent()) }
        }
        CtlCommand::Instance { command, index } => {
            Command::Instance { index: *index, action: action(*command) }
        }
        CtlCommand::Reload(_) => return Err(Failure::not_built_yet("umbra ctl reload")),
        CtlCommand::Block(_) => return Err(Failure::not_built_yet("umbra ctl block")),
        CtlCommand::Unblock(_) => return Err(Failure::not_built_yet("umbra ctl unblock")),
        CtlCommand::Alerts(_) => return Err(Failure::not_built_yet("umbra ctl alerts")),
    };
    let socket = args.socket.clone().unwrap_or_else(default_control_socket);
    let answer = api::call(&socket, command.clone())?;
    let mut result = answer.map_err(|refusal| Failure::failed(anyhow::anyhow!(refusal)))?;
    if args.json {
        if let Some(object) = result.as_object_mut() {
            // For people only.
            object.remove("text");
        }
        return cli::print(&format!("{result:#}\n"));
    }
    cli::print(&text(&command, &result))
}

fn action(command: InstanceCommand) -> InstanceAction {
    match command {
        InstanceCommand::Stop => InstanceAction::Stop,
        InstanceCommand::Start => InstanceAction::Start,
        InstanceCommand::Pause => InstanceAction::Pause,
        InstanceCommand::Resume => InstanceAction::Resume,
        InstanceCommand::Replace => InstanceAction::Replace,
    }
}

fn text(command: &Command, result: &Value) -> String {
    match command {
        Command::Ledger | Command::Profile => {
            format!("{}\n", result["text"].as_str().unwrap_or_default().trim_end())
        }
        Command::Percentage { .. } => format!("{} %\n", result["shadow_traffic_percentage"]),
        Command::Instance { .. } => instances(&result["instances"]),
        Command::Status => status(result),
    }
}

/// A value without JSON's quotes.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_f64() => format!("{:.1}", n.as_f64().unwrap_or(0.0)),
        other => other.to_string(),
    }
}

fn status(v: &Value) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "appliance  {}, up {} s", word(&v["appliance"]), v["uptime_s"]);
    let _ = writeln!(
        out,
        "shadow     {}, {} % by {}, {}",
        if v["shadow_enabled"] == true { "on" } else { "off" },
        v["shadow_traffic_percentage"],
        word(&v["select"]),
        word(&v["distribute"]),
    );
    for port in v["ports"].as_array().into_iter().flatten() {
        let stats = &port["stats"];
        let _ = writeln!(
            out,
            "port       {}.{} {} ({}, {}): link {}, {} queue(s), ipackets {} opackets {} imissed {} oerrors {}",
            word(&port["wire"]),
            word(&port["end"]),
            word(&port["port"]),
            word(&port["kind"]),
            word(&port["driver"]),
            word(&port["link"]),
            port["queues"],
            stats["ipackets"],
            stats["opackets"],
            stats["imissed"],
            stats["oerrors"],
        );
    }
    for worker in v["workers"].as_array().into_iter().flatten() {
        let _ = writeln!(
            out,
            "worker     core {}: {} % busy",
            worker["core"],
            word(&worker["busy_percent"])
        );
    }
    out.push_str(&instances(&v["instances"]));
    out
}

fn instances(list: &Value) -> String {
    let mut out = String::new();
    for i in list.as_array().into_iter().flatten() {
        let core =
            if i["core"].is_null() { "no core".to_owned() } else { format!("core {}", i["core"]) };
        let _ = writeln!(
            out,
            "instance   {}: {}, {core}, {} % busy, {} start(s), {} crash(es), {} hang(s)",
            i["instance"],
            word(&i["state"]),
            word(&i["busy_percent"]),
            i["starts"],
            i["crashes"],
            i["hangs"],
        );
    }
    out
}
