//! What a running umbra answers on its control socket.

use serde_json::{Value, json};

use super::setup::Running;
use crate::api::{Answer, Command, InstanceAction};
use crate::manifest::Percentage;

/// Answers one request.
pub(super) fn answer(running: &mut Running, command: &Command) -> Answer {
    match command {
        Command::Status => Ok(status(running)),
        Command::Ledger => ledger(running),
        Command::Percentage { value: None } => Ok(percentage_json(running)),
        Command::Percentage { value: Some(value) } => set_percentage(running, *value),
        Command::Profile => Ok(running.profile()),
        Command::Instance { index, action } => instance(running, *index, *action),
    }
}

/// Everything but the accounts.
pub(super) fn status(running: &mut Running) -> Value {
    let settings = running.manager.settings();
    let workers: Vec<Value> = running
        .worker_cores()
        .map(|(core, shared)| {
            let s = shared.snapshot();
            let busy = s.worker.busy_cycles as f64 * 100.0 / (s.worker.cycles.max(1)) as f64;
            json!({"core": core, "busy_percent": busy, "counters": s.worker})
        })
        .collect();
    json!({
        "appliance": running.appliance,
        "uptime_s": running.started.elapsed().as_secs(),
        "shadow_enabled": settings.enabled,
        "shadow_traffic_percentage": settings.percentage().percent(),
        "select": settings.select,
        "distribute": settings.distribute,
        "epoch": settings.epoch,
        "ports": running.ports.iter().map(|p| p.json()).collect::<Vec<_>>(),
        "workers": workers,
        "instances": running.manager.instances(),
        "outputs": running.shadow.outputs_json(),
    })
}

/// The accounts, with the ports' own counters beside them.
pub(super) fn ledger(running: &mut Running) -> Answer {
    let ledger = running.manager.ledger();
    let mut value = serde_json::to_value(&ledger).map_err(|e| e.to_string())?;
    value["exact"] = json!(ledger.is_exact());
    value["text"] = json!(ledger.to_string());
    let ports = running.ports.iter();
    value["ports"] = ports
        .map(|p| {
            json!({
                "port": p.name, "wire": p.wire, "end": p.end,
                "stats": super::ports::stats_json(&p.stats()),
            })
        })
        .collect();
    Ok(value)
}

fn percentage_json(running: &Running) -> Value {
    json!({
        "shadow_traffic_percentage": running.manager.percentage().percent(),
        "min_percentage": running.bounds.0.percent(),
        "max_percentage": running.bounds.1.percent(),
    })
}

fn set_percentage(running: &mut Running, value: f64) -> Answer {
    let (min, max) = running.bounds;
    let percentage = Percentage::try_from(value).map_err(|e| e.to_string())?;
    if percentage < min || percentage > max {
        return Err(format!(
            "percentage {percentage} is outside {min}–{max}, the bounds that [governor] min_percentage \
             and max_percentage set"
        ));
    }
    let before = running.manager.percentage();
    running.manager.set_percentage(percentage);
    log::info!("shadow_traffic_percentage: {before} → {percentage} (umbra ctl)");
    Ok(percentage_json(running))
}

fn instance(running: &mut Running, index: usize, action: InstanceAction) -> Answer {
    let manager = &mut running.manager;
    let done = match action {
        InstanceAction::Stop => manager.stop_instance(index),
        InstanceAction::Start => manager.start_stopped(index),
        InstanceAction::Pause => manager.pause_instance(index, true),
        InstanceAction::Resume => manager.pause_instance(index, false),
        InstanceAction::Replace => manager.replace_instance(index),
    };
    done.map_err(|e| e.to_string())?;
    // An instance takes its commands within a round or two: the answer then shows what it did.
    std::thread::sleep(std::time::Duration::from_millis(5));
    manager.tick();
    Ok(json!({"instances": manager.instances()}))
}
