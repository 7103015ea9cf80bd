//! The keys of a manifest, as a table: what reads them, the JSON Schema and the reference are all
//! made from it.

pub use super::kinds::{Default, IntRange, Kind, ListRange, TextForm, Word};

/// A section: `[name]`, or `[[name]]` where it may stand several times.
#[derive(Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// `[[name]]`.
    pub repeated: bool,
    /// What it is for.
    pub help: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Further keys belong to the profile's kind and are looked at elsewhere.
    pub open: bool,
    /// Why it cannot be used yet; its keys are not looked at.
    pub not_built_yet: Option<&'static str>,
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What holds when it is absent.
    pub default: Default,
    /// What it is for.
    pub help: &'static str,
}

const fn word(word: &'static str, help: &'static str) -> Word {
    Word { word, help, built: true }
}

const fn later(word: &'static str, help: &'static str) -> Word {
    Word { word, help, built: false }
}

const fn key(name: &'static str, kind: Kind, default: Default, help: &'static str) -> Key {
    Key { name, kind, default, help }
}

const fn int(min: i64, max: i64) -> IntRange {
    IntRange { min, max, zero: None, power_of_two: false, auto: false }
}

const fn auto(range: IntRange) -> Kind {
    Kind::Int(IntRange { auto: true, ..range })
}

const fn section(name: &'static str, help: &'static str, keys: &'static [Key]) -> Section {
    Section { name, repeated: false, help, keys, open: false, not_built_yet: None }
}

/// `CPU_SETSIZE` of glibc is 1024.
const CORE: Kind = Kind::Int(int(0, 1023));
const EAL_ARGUMENT: Kind = Kind::Text(TextForm::EalArgument);
const PROFILE_ID: Kind = Kind::Text(TextForm::ProfileId);

const fn distinct(min: usize, max: usize) -> ListRange {
    ListRange { min, max, unique: true }
}

/// `[host]`.
pub const HOST: Section = section(
    "host",
    "The process: EAL arguments and cores. Stands in at most one of the files given.",
    &[
        key(
            "eal",
            Kind::List(&EAL_ARGUMENT, ListRange { min: 0, max: 512, unique: false }),
            Default::Texts(&[]),
            "Arguments for DPDK's EAL, one string each, without core lists: umbra makes those from \
             workers and analyzers.",
        ),
        key(
            "workers",
            Kind::List(&CORE, distinct(1, 64)),
            Default::Automatic("isolated cores, else the last core; umbra says which"),
            "Cores that forward. None of them may be among the analyzers.",
        ),
        key(
            "analyzers",
            Kind::List(&CORE, distinct(1, 256)),
            Default::Automatic("the cores that are no workers; umbra says which"),
            "Cores of the shadow instances and of control.",
        ),
        key(
            "poll",
            Kind::Choice(&[
                word("busy", "a worker polls without a pause"),
                word(
                    "adaptive",
                    "an idle worker backs off, never longer than half the time in which the \
                     descriptor ring fills",
                ),
            ]),
            Default::Text("busy"),
            "What a worker does while nothing arrives.",
        ),
        key(
            "control_socket",
            Kind::Text(TextForm::Path),
            Default::Automatic(
                "/run/umbra/control.sock, or below $XDG_RUNTIME_DIR for an ordinary user",
            ),
            "The Unix socket on which umbra ctl is answered.",
        ),
    ],
);

/// `[appliance]`.
pub const APPLIANCE: Section = section(
    "appliance",
    "What the wires belong to. Stands in exactly one of the files given.",
    &[
        key(
            "name",
            Kind::Text(TextForm::Name),
            Default::Required,
            "Its name, in every event and metric.",
        ),
        key(
            "appliance_image",
            Kind::Text(TextForm::Path),
            Default::Automatic("none"),
            "The image that an external shadow launches copies of.",
        ),
    ],
);

/// `[[wire]]`.
pub const WIRE: Section = Section {
    repeated: true,
    ..section(
        "wire",
        "A pair of ports: what enters one leaves the other.",
        &[
            key("name", Kind::Text(TextForm::Name), Default::Required, "Its name, unique."),
            key(
                "a",
                Kind::Text(TextForm::Port),
                Default::Required,
                "One port: a PCI address, or the name of a vdev in [host].eal.",
            ),
            key("b", Kind::Text(TextForm::Port), Default::Required, "The other port."),
            key(
                "mtu",
                // RTE_ETHER_MIN_MTU, and RTE_ETHER_MAX_JUMBO_FRAME_LEN without header and FCS.
                Kind::Int(int(68, 16_110)),
                Default::Int(1500),
                "Largest layer-3 packet in bytes, without Ethernet header and VLAN tags. Longer \
                 frames may be dropped by the port.",
            ),
            key(
                "rx_descriptors",
                auto(int(64, 32_768)),
                Default::Automatic("1024, within the port's limits"),
                "Descriptors of each receive queue.",
            ),
            key(
                "tx_descriptors",
                auto(int(64, 32_768)),
                Default::Automatic("1024, within the port's limits"),
                "Descriptors of each transmit queue.",
            ),
            key(
                "queues",
                auto(int(1, 64)),
                Default::Automatic(
                    "one per worker where both ports can spread flows the same way, else 1",
                ),
                "Queue pairs of each port. Each belongs to one worker.",
            ),
            key(
                "burst",
                Kind::Int(int(1, 64)),
                Default::Int(32),
                "Frames that one receive call asks for.",
            ),
            key(
                "mbufs",
                auto(int(512, 8_388_608)),
                Default::Automatic("from ports, queues, descriptors and workers"),
                "Packet buffers of the wire's pool.",
            ),
            key(
                "mbuf_cache",
                // RTE_MEMPOOL_CACHE_MAX_SIZE.
                auto(int(0, 512)),
                Default::Automatic("256, less for a small pool"),
                "Packet buffers that a worker keeps to itself.",
            ),
            key(
                "promiscuous",
                Kind::Bool,
                Default::Bool(true),
                "Take frames for any address. A wire that does not is not transparent.",
            ),
            key(
                "propagate_link",
                Kind::Bool,
                Default::Bool(true),
                "Take one port down while the other has no link.",
            ),
            key(
                "tx_retries",
                Kind::Int(int(0, 1000)),
                Default::Int(8),
                "How often what did not fit into the transmit queue is offered again before it is \
                 dropped and counted tx_full.",
            ),
            key(
                "numa",
                auto(int(0, 31)),
                Default::Automatic("the node of port a"),
                "NUMA node of the wire's pool.",
            ),
        ],
    )
};

/// `[shadowing]`.
pub const SHADOWING: Section = section(
    "shadowing",
    "How the appliance is shadowed.",
    &[
        key(
            "shadow_enabled",
            Kind::Bool,
            Default::Bool(true),
            "Whether anything is copied at all.",
        ),
        key(
            "shadow_instance_count",
            Kind::Int(int(0, 64)),
            Default::Int(1),
            "Shadow instances: threads that analyse.",
        ),
        key(
            "shadow_traffic_percentage",
            Kind::Percentage,
            Default::Number(1.0),
            "The share of the traffic that is copied; where the governor starts.",
        ),
        key(
            "shadow_analysis_profiles",
            Kind::List(&PROFILE_ID, distinct(0, 16)),
            Default::Texts(&["Performance_Profiling"]),
            "Profiles to run: IDS_Signature_Scan, Anomaly_Detection, Performance_Profiling, \
             Fuzzing, or the id of a [[profile]].",
        ),
        key(
            "select",
            Kind::Choice(&[
                word("flow", "both directions of a flow together"),
                word("host", "all traffic of a host together"),
                word("packet", "each packet for itself"),
            ]),
            Default::Text("flow"),
            "What is selected together.",
        ),
        key(
            "distribute",
            Kind::Choice(&[
                word("shard", "every flow to one instance"),
                word("replicate", "everything to every instance"),
            ]),
            Default::Text("shard"),
            "What each instance gets of the selection.",
        ),
        key(
            "snaplen",
            Kind::Int(IntRange { zero: Some("the whole frame"), ..int(64, 65_535) }),
            Default::Int(0),
            "Bytes copied of each frame.",
        ),
        key(
            "ring_kib",
            Kind::Int(IntRange { power_of_two: true, ..int(64, 1_048_576) }),
            Default::Int(4096),
            "Size of one mirror ring in KiB; there is one for each worker and instance.",
        ),
        key(
            "tunnel",
            Kind::Choice(&[
                word("inner", "the innermost header of a known tunnel"),
                word("outer", "the outermost header"),
            ]),
            Default::Text("inner"),
            "Where the flow of a tunnelled frame is taken from.",
        ),
        key(
            "flow_key",
            Kind::Choice(&[
                word("5tuple", "addresses, ports and protocol"),
                word("hosts", "addresses and protocol: fragments stay with their flow"),
            ]),
            Default::Text("5tuple"),
            "What makes a flow.",
        ),
        key(
            "isolation",
            Kind::Choice(&[
                word("thread", "contains panics, slowness and hangs"),
                later("process", "contains crashes and exhausted memory as well"),
            ]),
            Default::Text("thread"),
            "What contains a profile that fails.",
        ),
    ],
);

/// `[[profile]]`, without the keys of its kind.
pub const PROFILE: Section = Section {
    repeated: true,
    open: true,
    ..section(
        "profile",
        "A named configuration of an analysis. The four standard ids exist without one.",
        &[
            key(
                "id",
                Kind::Text(TextForm::ProfileId),
                Default::Required,
                "What shadow_analysis_profiles calls it.",
            ),
            key(
                "kind",
                Kind::Choice(&[
                    word("ids", "signatures"),
                    word("anomaly", "what is unusual"),
                    word("performance", "what is slow"),
                    later("fuzzing", "mutated traffic against a copy of the appliance"),
                ]),
                Default::Required,
                "Which analysis.",
            ),
        ],
    )
};

/// `[governor]`.
pub const GOVERNOR: Section = section(
    "governor",
    "Who sets shadow_traffic_percentage.",
    &[
        key(
            "policy",
            Kind::Choice(&[
                word("static", "it stays where it was put"),
                later("aimd", "up in steps, down by half under load"),
                later("predictive", "from a prediction of the analysis' cost"),
            ]),
            Default::Text("static"),
            "How the percentage is set.",
        ),
        key(
            "min_percentage",
            Kind::Percentage,
            Default::Number(0.0),
            "Never below, also by umbra ctl percentage.",
        ),
        key(
            "max_percentage",
            Kind::Percentage,
            Default::Number(100.0),
            "Never above, also by umbra ctl percentage.",
        ),
    ],
);

/// `[remediation]`.
pub const REMEDIATION: Section = section(
    "remediation",
    "What is done about an alert.",
    &[key(
        "mode",
        Kind::Choice(&[
            word("observe", "nothing; what would be done is said"),
            later("enforce", "block, escalate, scale, run a hook"),
        ]),
        Default::Text("observe"),
        "Whether anything is done.",
    )],
);

/// `[outputs]`.
pub const OUTPUTS: Section = section(
    "outputs",
    "What is written where. Without this section no file is written.",
    &[
        key(
            "directory",
            Kind::Text(TextForm::Path),
            Default::Text("/var/log/umbra"),
            "Where files are written; made if need be.",
        ),
        key(
            "eve",
            Kind::Switch,
            Default::Bool(true),
            "EVE JSON lines: true is eve.json, a string another file name.",
        ),
        key(
            "eve_types",
            Kind::List(&EVE_TYPE, distinct(1, 32)),
            Default::Texts(&[
                "flow", "stats", "alert", "http", "dns", "tls", "fileinfo", "smtp", "ssh", "ftp",
                "smb", "dcerpc",
            ]),
            "Which records are written.",
        ),
        key(
            "eve_alert_payload",
            Kind::Bool,
            Default::Bool(false),
            "Alerts of rules say what they matched in, in Base64 (payload).",
        ),
        key(
            "eve_alert_payload_printable",
            Kind::Bool,
            Default::Bool(false),
            "The same with dots for what is not printable (payload_printable).",
        ),
        key(
            "eve_alert_payload_length",
            Kind::Bool,
            Default::Bool(false),
            "Alerts of rules say how long that is (payload_length).",
        ),
        key(
            "eve_alert_payload_bytes",
            Kind::Int(int(1, 1 << 20)),
            Default::Int(4096),
            "Bytes of a payload that are written at most.",
        ),
        key(
            "eve_alert_packet",
            Kind::Bool,
            Default::Bool(false),
            "Alerts of rules have the frame that triggered, in Base64 (packet).",
        ),
        key(
            "eve_alert_rule",
            Kind::Bool,
            Default::Bool(false),
            "Alerts of rules have the rule itself (alert.rule).",
        ),
        key(
            "eve_alert_references",
            Kind::Bool,
            Default::Bool(false),
            "Alerts of rules say where to read more (alert.references).",
        ),
        key(
            "eve_community_id",
            Kind::Bool,
            Default::Bool(false),
            "Records of flows have a Community ID, version 1 with seed 0.",
        ),
        key(
            "stats_interval_s",
            Kind::Int(int(1, 86_400)),
            Default::Int(8),
            "Seconds between two stats records.",
        ),
    ],
);

const EVE_TYPE: Kind = Kind::Choice(&[
    word("flow", "one record per flow that ended"),
    word("stats", "all counters"),
    word("alert", "rules that matched, and findings"),
    word("anomaly", "decode faults, a record for each"),
    word("http", "HTTP requests with their responses"),
    word("dns", "DNS queries and answers"),
    word("tls", "TLS handshakes"),
    word("fileinfo", "files seen"),
    word("smtp", "mails"),
    word("ssh", "SSH handshakes"),
    word("ftp", "FTP commands and transfers"),
    word("smb", "SMB requests"),
    word("dcerpc", "DCE/RPC calls outside of SMB"),
]);

/// `[external_shadow]`.
pub const EXTERNAL_SHADOW: Section = Section {
    not_built_yet: Some("copies of the appliance fed through a mirror port"),
    ..section("external_shadow", "A copy of the appliance fed through a mirror port.", &[])
};

/// All sections, in the order in which people write them.
pub const SECTIONS: &[&Section] = &[
    &HOST,
    &APPLIANCE,
    &WIRE,
    &SHADOWING,
    &PROFILE,
    &GOVERNOR,
    &REMEDIATION,
    &OUTPUTS,
    &EXTERNAL_SHADOW,
];

impl Section {
    /// The key `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// As it is written: `[host]`, `[[wire]]`.
    pub fn header(&self) -> String {
        if self.repeated { format!("[[{}]]", self.name) } else { format!("[{}]", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_itself_legal() {
        for section in SECTIONS {
            for key in section.keys {
                let legal = match (key.default, &key.kind) {
                    (Default::Required | Default::Automatic(_), _) => true,
                    (Default::Bool(_), Kind::Bool | Kind::Switch) => true,
                    (Default::Int(n), Kind::Int(range)) => range.contains(n),
                    (Default::Number(n), Kind::Percentage) => (0.0..=100.0).contains(&n),
                    (Default::Text(text), Kind::Choice(words)) => {
                        words.iter().any(|w| w.built && w.word == text)
                    }
                    (Default::Text(text), Kind::Text(_)) => !text.is_empty(),
                    (Default::Texts(items), Kind::List(_, range)) => items.len() >= range.min,
                    _ => false,
                };
                assert!(legal, "{}.{}", section.name, key.name);
            }
        }
    }

    #[test]
    fn names_of_sections_and_keys_are_unique() {
        for (n, section) in SECTIONS.iter().enumerate() {
            assert!(SECTIONS[..n].iter().all(|other| other.name != section.name));
            for (m, key) in section.keys.iter().enumerate() {
                assert!(section.keys[..m].iter().all(|other| other.name != key.name));
            }
        }
    }
}
