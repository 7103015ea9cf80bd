//! What two keys say together.

use super::diagnostic::{Class, Report};
use super::host::PlacedEal;
use super::keys::{GOVERNOR, OUTPUTS, SHADOWING};
use super::names::PortName;
use super::reader::Found;
use super::settings::Settings;
use super::source::Span;
use super::suggest::nearest;
use super::types::Host;
use super::wires::PlacedWire;

/// Ports of wires against the devices that EAL will have.
pub(super) fn ports(
    report: &mut Report<'_>,
    wires: &[PlacedWire<'_>],
    eal: &PlacedEal,
    eal_is_known: bool,
) {
    for PlacedWire { wire, found } in wires {
        for (end, port) in [("a", &wire.a), ("b", &wire.b)] {
            let (key, at) = (format!("{}.{end}", found.path), found.place_of(end));
            match port {
                PortName::Vdev(name) if eal_is_known => vdev(report, name, key, &at, eal, wires),
                PortName::Vdev(_) => {}
                PortName::Pci(_) => pci(report, port, key, &at, eal),
            }
        }
    }
}

fn vdev(
    report: &mut Report<'_>,
    name: &str,
    key: String,
    at: &Span,
    eal: &PlacedEal,
    wires: &[PlacedWire<'_>],
) {
    let made: Vec<&str> = eal.arguments.vdevs.iter().map(|(_, vdev)| vdev.as_str()).collect();
    if made.contains(&name) {
        return;
    }
    let ends = || wires.iter().flat_map(|w| [&w.wire.a, &w.wire.b]);
    let is_free = |vdev: &&str| !ends().any(|end| matches!(end, PortName::Vdev(v) if v == vdev));
    let add = format!("add \"--vdev={name},…\" to [host].eal, or give it after -- to umbra run");
    let help = match nearest(name, made.iter().copied().filter(is_free)) {
        Some(near) => format!("did you mean {near:?}? Else {add}"),
        None => add,
    };
    report.warning(at, key, format!("no --vdev makes {name}")).help(help);
}

fn pci(report: &mut Report<'_>, port: &PortName, key: String, at: &Span, eal: &PlacedEal) {
    let arguments = &eal.arguments;
    let is_port = |(_, device): &&(usize, String)| PortName::new(device).as_ref() == Some(port);
    let conflict = if let Some(index) = arguments.no_pci {
        Some((index, format!("--no-pci hides {port}"), "leave --no-pci out".to_owned()))
    } else if let Some((index, _)) = arguments.blocked.iter().find(is_port) {
        Some((*index, format!("-b hides {port}"), "leave that -b out".to_owned()))
    } else if let Some((index, _)) = arguments.allowed.first()
        && !arguments.allowed.iter().any(|allowed| is_port(&allowed))
    {
        let help = format!("add \"-a\", \"{port}\" to [host].eal");
        Some((*index, format!("-a allows other devices, but not {port}"), help))
    } else {
        None
    };
    if let Some((index, message, help)) = conflict {
        let (_, argument_at) = eal.place(index);
        report
            .error(Class::Conflict, at, key, message)
            .related("EAL argument", argument_at)
            .help(help);
    }
}

/// A queue that no worker polls would swallow what is received on it.
pub(super) fn queues(report: &mut Report<'_>, wires: &[PlacedWire<'_>], host: &Host) {
    let Some(workers) = &host.workers else { return };
    for PlacedWire { wire, found } in wires {
        let Some(queues) = wire.queues.filter(|&q| usize::from(q) > workers.len()) else {
            continue;
        };
        report
            .error(
                Class::Conflict,
                &found.place_of("queues"),
                format!("{}.queues", found.path),
                format!("{queues} queues, but {} in [host] workers", cores(workers.len())),
            )
            .found(queues.to_string())
            .legal(format!("1 to {}", workers.len()))
            .help("each queue belongs to one worker: name more cores, or lower queues");
    }
}

/// A worker asks all its queues for bursts of one length.
pub(super) fn bursts(report: &mut Report<'_>, wires: &[PlacedWire<'_>]) {
    let Some(largest) = wires.iter().map(|w| w.wire.burst_frames).max() else { return };
    for PlacedWire { wire, found } in wires {
        if wire.burst_frames < largest && found.get("burst").is_some() {
            report
                .warning(
                    &found.place_of("burst"),
                    format!("{}.burst", found.path),
                    format!("bursts of {largest} are taken from all wires"),
                )
                .help("the largest burst of all wires holds for the workers: give all the same");
        }
    }
}

fn cores(n: usize) -> String {
    if n == 1 { "1 core".to_owned() } else { format!("{n} cores") }
}

/// `min_percentage` ≤ `shadow_traffic_percentage` ≤ `max_percentage`.
pub(super) fn percentages(
    report: &mut Report<'_>,
    shadowing: Option<&Found>,
    governor: Option<&Found>,
) {
    let Some(governor) = governor else { return };
    let bounds = Settings::new(&GOVERNOR, Some(governor));
    let (min, max) = (bounds.number("min_percentage"), bounds.number("max_percentage"));
    if min > max {
        report
            .error(
                Class::Conflict,
                &governor.place_of("min_percentage"),
                "governor.min_percentage",
                format!("min_percentage {min} is above max_percentage {max}"),
            )
            .found(min.to_string())
            .legal(format!("0 to {max}"))
            .related("max_percentage", &governor.place_of("max_percentage"));
        return;
    }
    let key = "shadow_traffic_percentage";
    let start = Settings::new(&SHADOWING, shadowing).number(key);
    if (min..=max).contains(&start) {
        return;
    }
    let written = shadowing.and_then(|s| s.get(key));
    let at = written.map_or_else(|| governor.at.clone(), |written| written.at.clone());
    let is_default = if written.is_some() { "" } else { " (the default)" };
    let (bound, word) =
        if start < min { ("min_percentage", "below") } else { ("max_percentage", "above") };
    let value = if start < min { min } else { max };
    report
        .error(
            Class::Conflict,
            &at,
            format!("shadowing.{key}"),
            format!("{key} {start}{is_default} is {word} {bound} {value}"),
        )
        .found(start.to_string())
        .legal(format!("{min} to {max}, by [governor]"))
        .related(bound, &governor.place_of(bound));
}

/// Shadowing that analyses nothing, or the same thing twice.
pub(super) fn instances(report: &mut Report<'_>, shadowing: Option<&Found>) {
    let Some(found) = shadowing else { return };
    let settings = Settings::of(found);
    if !settings.bool("shadow_enabled") {
        return;
    }
    let count: u16 = settings.int("shadow_instance_count");
    let (key, at) = ("shadowing.shadow_instance_count", found.place_of("shadow_instance_count"));
    if count == 0 {
        report
            .warning(&at, key, "without an instance nothing is analysed")
            .help("what is selected is counted no_instance; shadow_enabled = false says it better");
    }
    let replicated = settings.text("distribute") == Some("replicate");
    if replicated && count == 1 {
        report
            .warning(
                &found.place_of("distribute"),
                "shadowing.distribute",
                "with one instance \"replicate\" is the same as \"shard\"",
            )
            .help("raise shadow_instance_count, or leave distribute out");
    }
    let key = "shadow_analysis_profiles";
    if settings.texts(key).is_empty() && found.get(key).is_some() {
        report
            .warning(
                &found.place_of(key),
                format!("shadowing.{key}"),
                "no profile is run: there will be flow records and nothing else",
            )
            .help("name a profile, or set shadow_enabled = false");
    }
}

/// Findings that go nowhere.
pub(super) fn outputs(
    report: &mut Report<'_>,
    outputs: Option<&Found>,
    appliance_at: &Option<Span>,
) {
    match outputs {
        Some(found) => {
            let settings = Settings::new(&OUTPUTS, outputs);
            if settings.switch("eve", "").is_none() && found.get("eve_types").is_some() {
                report
                    .warning(
                        &found.place_of("eve_types"),
                        "outputs.eve_types",
                        "eve_types has no effect: eve is false",
                    )
                    .help("leave eve out, or set it to true");
            }
        }
        None => {
            let at = appliance_at.clone().unwrap_or_else(|| Span::whole_file(0));
            report
                .warning(&at, "outputs", "there is no [outputs]: no file is written")
                .help("add [outputs] with directory = \"…\" to keep flow records and statistics");
        }
    }
}
