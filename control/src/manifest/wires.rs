//! `[[wire]]`.

use std::collections::HashMap;

use super::diagnostic::{Class, Report};
use super::names::{Name, PortName};
use super::reader::Found;
use super::settings::Settings;
use super::source::Span;
use super::types::Wire;

/// A wire and the section that it comes from.
#[derive(Debug)]
pub(super) struct PlacedWire<'f> {
    pub(super) wire: Wire,
    pub(super) found: &'f Found,
}

/// The wires that are complete, and whether all of them are.
pub(super) fn wires<'f>(
    report: &mut Report<'_>,
    sections: &[&'f Found],
) -> (Vec<PlacedWire<'f>>, bool) {
    let wires: Vec<_> = sections.iter().filter_map(|found| wire(found)).collect();
    report_same_names(report, sections);
    report_shared_ports(report, sections);
    report_unequal_pools(report, &wires);
    let complete = wires.len() == sections.len();
    (wires, complete)
}

fn wire(found: &Found) -> Option<PlacedWire<'_>> {
    let settings = Settings::of(found);
    let wire = Wire {
        name: Name::new(settings.text("name")?)?,
        a: PortName::new(settings.text("a")?)?,
        b: PortName::new(settings.text("b")?)?,
        mtu_bytes: settings.int("mtu"),
        rx_descriptors: settings.auto_int("rx_descriptors"),
        tx_descriptors: settings.auto_int("tx_descriptors"),
        queues: settings.auto_int("queues"),
        burst_frames: settings.int("burst"),
        mbufs: settings.auto_int("mbufs"),
        mbuf_cache: settings.auto_int("mbuf_cache"),
        promiscuous: settings.bool("promiscuous"),
        propagate_link: settings.bool("propagate_link"),
        tx_retries: settings.int("tx_retries"),
        numa_node: settings.auto_int("numa"),
    };
    Some(PlacedWire { wire, found })
}

fn report_same_names(report: &mut Report<'_>, sections: &[&Found]) {
    let mut names: HashMap<&str, Span> = HashMap::new();
    for found in sections {
        let Some(name) = Settings::of(found).text("name") else { continue };
        let at = found.place_of("name");
        if let Some(first) = names.get(name) {
            report
                .error(
                    Class::Duplicate,
                    &at,
                    format!("{}.name", found.path),
                    format!("another wire is called {name:?}"),
                )
                .related("first", first)
                .help("give each wire a name of its own");
        } else {
            names.insert(name, at);
        }
    }
}

fn report_shared_ports(report: &mut Report<'_>, sections: &[&Found]) {
    let mut ports: HashMap<PortName, (Span, &Found)> = HashMap::new();
    for found in sections {
        for end in ["a", "b"] {
            let Some(port) = Settings::of(found).text(end).and_then(PortName::new) else {
                continue;
            };
            let at = found.place_of(end);
            if let Some((first, owner)) = ports.get(&port) {
                let message = if std::ptr::eq(*owner, *found) {
                    format!("both ends of the wire are {port}")
                } else {
                    format!("{port} is an end of another wire")
                };
                report
                    .error(Class::Conflict, &at, format!("{}.{end}", found.path), message)
                    .related("first", first)
                    .help("a wire has two ports, and a port belongs to one wire");
            } else {
                ports.insert(port, (at, found));
            }
        }
    }
}

/// Every descriptor of both ports holds a buffer, and every worker's cache some more.
fn report_unequal_pools(report: &mut Report<'_>, wires: &[PlacedWire<'_>]) {
    for PlacedWire { wire, found } in wires {
        let Some(mbufs) = wire.mbufs else { continue };
        let queues = u32::from(wire.queues.unwrap_or(1));
        let descriptors = [wire.rx_descriptors, wire.tx_descriptors];
        let per_queue: u32 = descriptors.iter().map(|d| u32::from(d.unwrap_or(64))).sum();
        let cache = u32::from(wire.mbuf_cache.unwrap_or(0));
        let least = 2 * queues * per_queue + queues * (cache + u32::from(wire.burst_frames));
        if mbufs < least {
            report
                .error(
                    Class::Conflict,
                    &found.place_of("mbufs"),
                    format!("{}.mbufs", found.path),
                    format!("{mbufs} mbufs are too few for the wire's descriptors and caches"),
                )
                .found(mbufs.to_string())
                .legal(format!(
                    "at least {least}: 2 ports × {per_queue} descriptors × {queues} (queues), \
                     and for each queue's worker a cache of {cache} and a burst of {}",
                    wire.burst_frames
                ))
                .help("raise it, or leave it out: umbra computes it");
        }
        // rte_mempool_create refuses a cache of more than two thirds of the pool.
        if let Some(cache) = wire.mbuf_cache.map(u32::from)
            && cache * 3 > mbufs * 2
        {
            report
                .error(
                    Class::Conflict,
                    &found.place_of("mbuf_cache"),
                    format!("{}.mbuf_cache", found.path),
                    format!("a cache of {cache} is more than two thirds of {mbufs} mbufs"),
                )
                .legal(format!("0 to {}", mbufs * 2 / 3));
        }
    }
}
