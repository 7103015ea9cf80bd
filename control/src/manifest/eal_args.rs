//! What is said to EAL: which devices it makes, and what umbra must not let through.
//!
//! The options are those of `eal_common_options.c` and `eal_options.h` of DPDK 22.11 to 25.11. EAL
//! reads them with `getopt_long`, which takes unambiguous beginnings of long options as well.

use super::suggest::nearest;

/// What umbra thinks of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// Says on which cores lcores run.
    Cores,
    /// Prints something and exits.
    Exits,
}

/// Long name, short name, whether a value must follow, verdict.
type EalOption = (&'static str, Option<char>, bool, Verdict);

const OPTIONS: &[EalOption] = &[
    ("allow", Some('a'), true, Verdict::Fine),
    ("base-virtaddr", None, true, Verdict::Fine),
    ("block", Some('b'), true, Verdict::Fine),
    ("corelist", Some('l'), true, Verdict::Cores),
    ("coremask", Some('c'), true, Verdict::Cores),
    ("create-uio-dev", None, false, Verdict::Fine),
    ("driver-path", Some('d'), true, Verdict::Fine),
    ("file-prefix", None, true, Verdict::Fine),
    ("force-max-simd-bitwidth", None, true, Verdict::Fine),
    ("help", Some('h'), false, Verdict::Exits),
    ("huge-dir", None, true, Verdict::Fine),
    ("huge-unlink", None, false, Verdict::Fine),
    ("huge-worker-stack", None, false, Verdict::Fine),
    ("in-memory", None, false, Verdict::Fine),
    ("iova-mode", None, true, Verdict::Fine),
    ("lcores", None, true, Verdict::Cores),
    ("legacy-mem", None, false, Verdict::Fine),
    ("log-color", None, false, Verdict::Fine),
    ("log-level", None, true, Verdict::Fine),
    ("log-timestamp", None, false, Verdict::Fine),
    ("main-lcore", None, true, Verdict::Cores),
    ("master-lcore", None, true, Verdict::Cores),
    ("match-allocations", None, false, Verdict::Fine),
    ("mbuf-pool-ops-name", None, true, Verdict::Fine),
    ("memory-channels", Some('n'), true, Verdict::Fine),
    ("memory-ranks", Some('r'), true, Verdict::Fine),
    ("memory-size", Some('m'), true, Verdict::Fine),
    ("no-hpet", None, false, Verdict::Fine),
    ("no-huge", None, false, Verdict::Fine),
    ("no-pci", None, false, Verdict::Fine),
    ("no-shconf", None, false, Verdict::Fine),
    ("no-telemetry", None, false, Verdict::Fine),
    ("numa-limit", None, true, Verdict::Fine),
    ("numa-mem", None, true, Verdict::Fine),
    ("proc-type", None, true, Verdict::Fine),
    ("remap-lcore-ids", Some('R'), false, Verdict::Cores),
    ("service-corelist", Some('S'), true, Verdict::Cores),
    ("service-coremask", Some('s'), true, Verdict::Cores),
    ("single-file-segments", None, false, Verdict::Fine),
    ("socket-limit", None, true, Verdict::Fine),
    ("socket-mem", None, true, Verdict::Fine),
    ("syslog", None, false, Verdict::Fine),
    ("telemetry", None, false, Verdict::Fine),
    ("trace", None, true, Verdict::Fine),
    ("trace-bufsz", None, true, Verdict::Fine),
    ("trace-dir", None, true, Verdict::Fine),
    ("trace-mode", None, true, Verdict::Fine),
    ("vdev", None, true, Verdict::Fine),
    ("version", Some('v'), false, Verdict::Exits),
    ("vfio-intr", None, true, Verdict::Fine),
    ("vfio-vf-token", None, true, Verdict::Fine),
    ("vmware-tsc-map", None, false, Verdict::Fine),
];

/// Something wrong with an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Which argument.
    pub(super) index: usize,
    pub(super) message: String,
    pub(super) help: String,
    /// EAL might take it all the same.
    pub(super) only_doubtful: bool,
}

/// What EAL is told, as far as it matters to the wires. Each with the argument that says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EalArguments {
    /// Names of the devices that `--vdev` makes.
    pub(super) vdevs: Vec<(usize, String)>,
    /// Devices of `-a`.
    pub(super) allowed: Vec<(usize, String)>,
    /// Devices of `-b`.
    pub(super) blocked: Vec<(usize, String)>,
    /// `--no-pci`.
    pub(super) no_pci: Option<usize>,
    /// `--no-huge`.
    pub(super) no_huge: Option<usize>,
    pub(super) faults: Vec<Fault>,
}

impl EalArguments {
    /// Reads the arguments as `getopt_long` would.
    pub(super) fn read(arguments: &[&str]) -> Self {
        let mut this = Self::default();
        let mut in_memory = false;
        let mut index = 0;
        while let Some(&argument) = arguments.get(index) {
            let at = index;
            index += 1;
            let Some((option, attached)) = this.option(at, argument) else { continue };
            let (name, _, takes_value, verdict) = *option;
            let value = match attached {
                Some(value) => Some(value),
                None if takes_value => {
                    let next = arguments.get(index).copied();
                    index += 1;
                    next
                }
                None => None,
            };
            match verdict {
                Verdict::Cores => {
                    this.fault(
                        at,
                        format!("{argument} says on which cores to run, which is not EAL's here"),
                        "umbra builds --lcores itself: leave it out, and name cores in [host] \
                         workers and analyzers",
                    );
                    continue;
                }
                Verdict::Exits => {
                    this.fault(at, format!("{argument} makes EAL exit"), "leave it out");
                    continue;
                }
                Verdict::Fine => {}
            }
            if takes_value && value.is_none_or(str::is_empty) {
                let help = format!("write {argument}=VALUE, or the value as the next argument");
                this.fault(at, format!("{argument} has no value"), help);
                continue;
            }
            let device = value.map(|v| v.split_once(',').map_or(v, |(name, _)| name).to_owned());
            match (name, device) {
                ("vdev", Some(device)) => this.vdev(at, device),
                ("allow", Some(device)) => this.allowed.push((at, device)),
                ("block", Some(device)) => this.blocked.push((at, device)),
                ("proc-type", Some(kind)) if kind != "primary" && kind != "auto" => this.fault(
                    at,
                    format!("umbra cannot be a {kind} process"),
                    "it owns its ports: leave --proc-type out",
                ),
                ("no-pci", _) => this.no_pci = Some(at),
                ("no-huge", _) => this.no_huge = Some(at),
                ("in-memory", _) => in_memory = true,
                _ => {}
            }
        }
        if let Some(at) = this.no_huge.filter(|_| in_memory) {
            this.fault(
                at,
                "EAL refuses --no-huge together with --in-memory".to_owned(),
                "leave one out; without huge pages --no-huge alone (and -m MEGABYTES) will do",
            );
        }
        this
    }

    fn fault(&mut self, index: usize, message: String, help: impl Into<String>) {
        self.faults.push(Fault { index, message, help: help.into(), only_doubtful: false });
    }

    fn vdev(&mut self, at: usize, device: String) {
        if self.vdevs.iter().any(|(_, other)| *other == device) {
            let help = "number them: net_ring0, net_ring1";
            self.fault(at, format!("vdev {device} is made twice"), help);
        } else {
            self.vdevs.push((at, device));
        }
    }

    /// Which option an argument is, and the value that is attached to it.
    fn option<'a>(
        &mut self,
        at: usize,
        argument: &'a str,
    ) -> Option<(&'static EalOption, Option<&'a str>)> {
        if argument.starts_with('-') && argument.split_whitespace().skip(1).any(is_option) {
            self.fault(
                at,
                format!("{argument:?} is several arguments in one string"),
                "write one string for each argument",
            );
            return None;
        }
        if argument == "--" {
            self.fault(at, "-- would end EAL's arguments".to_owned(), "leave it out");
            return None;
        }
        if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v)));
            return self.long(at, argument, name).map(|option| (option, value));
        }
        let mut chars = argument.strip_prefix('-').unwrap_or_default().chars();
        let Some(short) = chars.next() else {
            self.fault(
                at,
                format!("{argument:?} is no option"),
                "EAL's arguments begin with - or --, but for values of the argument before",
            );
            return None;
        };
        let Some(option) = OPTIONS.iter().find(|o| o.1 == Some(short)) else {
            self.unknown(at, argument, None);
            return None;
        };
        Some((option, Some(chars.as_str()).filter(|rest| !rest.is_empty() && option.2)))
    }

    fn long(&mut self, at: usize, argument: &str, name: &str) -> Option<&'static EalOption> {
        if let Some(exact) = OPTIONS.iter().find(|o| o.0 == name) {
            return Some(exact);
        }
        let mut begun = OPTIONS.iter().filter(|o| !name.is_empty() && o.0.starts_with(name));
        let first = begun.next();
        // Ambiguous, but every reading is a core list (--service-core).
        if let Some(first) = first
            && begun.all(|other| other.3 == Verdict::Cores && first.3 == Verdict::Cores)
        {
            return Some(first);
        }
        self.unknown(at, argument, nearest(name, OPTIONS.iter().map(|o| o.0)));
        None
    }

    fn unknown(&mut self, at: usize, argument: &str, near: Option<&str>) {
        let help = near.map_or_else(
            || "EAL prints its options when dpdk-testpmd is called with --help".to_owned(),
            |near| format!("did you mean --{near}?"),
        );
        let message = format!("{argument} is no option of EAL that umbra knows");
        self.faults.push(Fault { index: at, message, help, only_doubtful: true });
    }
}

/// True for what looks like the beginning of an option, and not like a file name with a dash.
fn is_option(word: &str) -> bool {
    word.strip_prefix("--").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        || (word.len() == 2 && word.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_lists_are_refused_in_every_spelling() {
        for spelling in [
            &["-l", "0-3"][..],
            &["-l0-3"],
            &["-c", "f"],
            &["-c0xf"],
            &["--lcores", "0@0"],
            &["--lcores=0@0"],
            &["--lcor=0@0"],
            &["--lc", "0@0"],
            &["--main-lcore=1"],
            &["--mai=1"],
            &["--master-lcore", "1"],
            &["-s", "1"],
            &["-S1"],
            &["--service-coremask=1"],
            &["--service-corelist", "1"],
            &["--service-core=1"],
            &["--coremask=3"],
            &["--corelist=1"],
            &["-R"],
            &["--remap-lcore-ids"],
        ] {
            let read = EalArguments::read(spelling);
            assert_eq!(read.faults.len(), 1, "{spelling:?}: {:?}", read.faults);
            assert!(read.faults[0].help.contains("--lcores itself"), "{spelling:?}");
        }
    }

    #[test]
    fn values_that_look_like_core_lists_are_not_options() {
        let read = EalArguments::read(&[
            "--file-prefix",
            "-l",
            "-m",
            "512",
            "--vdev=net_null0,size=64",
            "-a",
            "03:00.0,x=1",
            "--vdev",
            "net_null1",
            "--no-huge",
            "--no-pci",
            "-n4",
            "--log-level=lib.eal:debug",
        ]);
        assert_eq!(read.faults, []);
        assert_eq!(read.vdevs, [(4, "net_null0".to_owned()), (7, "net_null1".to_owned())]);
        assert_eq!(read.allowed, [(5, "03:00.0".to_owned())]);
        assert_eq!((read.no_huge, read.no_pci), (Some(9), Some(10)));
    }

    #[test]
    fn arguments_of_any_form_are_read_to_the_end() {
        for odd in [&["-"][..], &["--"], &["--="], &[""], &["--vdev"], &["-a"], &["-é"], &["--é=x"]]
        {
            assert_eq!(EalArguments::read(odd).faults.len(), 1, "{odd:?}");
        }
    }
}
