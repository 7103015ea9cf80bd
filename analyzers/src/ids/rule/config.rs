//! The files beside the rules: `classification.config`, `reference.config`, `threshold.config`.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::ClassType;
use super::number::within;
use super::problem::{Problem, Result, fail};

/// Lines that could not be read: number from 1, and why.
pub type LineErrors = Vec<(u32, String)>;

/// Classes of rules by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    classes: HashMap<Box<str>, Arc<ClassType>>,
}

/// Priority of rules without a class that is known.
pub const DEFAULT_PRIORITY: u8 = 3;

impl Classification {
    /// None at all.
    #[must_use]
    pub fn empty() -> Self {
        Self { classes: HashMap::new() }
    }

    /// Reads lines `config classification: name,description,priority`. The first of a name stays.
    #[must_use]
    pub fn parse(text: &str) -> (Self, LineErrors) {
        let mut all = Self::empty();
        let errors = each_line(text, |line| {
            let Some(rest) = config(line, "classification") else {
                fail!("must begin with \"config classification:\"");
            };
            let mut parts = rest.splitn(2, ',');
            let (name, rest) = (parts.next().unwrap_or("").trim(), parts.next().unwrap_or(""));
            let Some((description, priority)) = rest.rsplit_once(',') else {
                fail!("must be name,description,priority");
            };
            if name.is_empty() || name.contains(char::is_whitespace) {
                fail!("{name:?} is no name of a class");
            }
            let priority = within("the priority", priority, 1u8, 255)?;
            all.insert(name, description.trim(), priority);
            Ok(())
        });
        (all, errors)
    }

    fn insert(&mut self, name: &str, description: &str, priority: u8) {
        let (name, description) = (Box::from(name.to_ascii_lowercase()), Box::from(description));
        let class = ClassType { name, description, priority };
        self.classes.entry(class.name.clone()).or_insert_with(|| Arc::new(class));
    }

    /// The class of this name; capitals do not matter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<ClassType>> {
        self.classes.get(name).or_else(|| self.classes.get(name.to_ascii_lowercase().as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }
}

impl Default for Classification {
    /// The classes that Suricata comes with.
    fn default() -> Self {
        let mut all = Self::empty();
        for (name, description, priority) in STOCK_CLASSES {
            all.insert(name, description, *priority);
        }
        all
    }
}

/// Where references lead: system to prefix of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    systems: HashMap<Box<str>, Box<str>>,
}

impl References {
    /// Reads lines `config reference: system prefix`.
    #[must_use]
    pub fn parse(text: &str) -> (Self, LineErrors) {
        let mut systems = HashMap::new();
        let errors = each_line(text, |line| {
            let Some(rest) = config(line, "reference") else {
                fail!("must begin with \"config reference:\"");
            };
            let mut words = rest.split_whitespace();
            let (Some(system), Some(url), None) = (words.next(), words.next(), words.next()) else {
                fail!("must be a system and the prefix of its URLs");
            };
            systems.entry(system.to_ascii_lowercase().into()).or_insert_with(|| url.into());
            Ok(())
        });
        (Self { systems }, errors)
    }

    /// Prefix of the URLs of a system.
    #[must_use]
    pub fn prefix(&self, system: &str) -> Option<&str> {
        self.systems.get(system.to_ascii_lowercase().as_str()).map(|prefix| &**prefix)
    }

    /// The URL of a reference; a reference with a scheme is one already.
    #[must_use]
    pub fn url(&self, system: &str, id: &str) -> Option<String> {
        if id.contains("://") {
            return Some(id.to_owned());
        }
        self.prefix(system).map(|prefix| format!("{prefix}{id}"))
    }
}

impl Default for References {
    fn default() -> Self {
        let systems = STOCK_REFERENCES.iter();
        Self { systems: systems.map(|(system, url)| ((*system).into(), (*url).into())).collect() }
    }
}

/// Calls for every line that is no comment, and collects what it says.
pub(super) fn each_line(text: &str, mut read: impl FnMut(&str) -> Result<()>) -> LineErrors {
    let mut errors = Vec::new();
    let mut open: Option<(u32, String)> = None;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, number) in text.lines().zip(1u32..) {
        let line = line.trim();
        if open.is_none() && (line.is_empty() || line.starts_with('#')) {
            continue;
        }
        let (part, continued) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        let (first, whole) = open.get_or_insert_with(|| (number, String::new()));
        whole.push_str(part);
        if continued {
            continue;
        }
        let first = *first;
        let whole = std::mem::take(whole);
        open = None;
        if let Err(Problem::Failed(reason) | Problem::Unsupported(reason)) = read(&whole) {
            errors.push((first, reason));
        }
    }
    if let Some((first, whole)) = open
        && let Err(Problem::Failed(reason) | Problem::Unsupported(reason)) = read(&whole)
    {
        errors.push((first, reason));
    }
    errors
}

fn config<'a>(line: &'a str, what: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("config")?;
    rest.trim_start().strip_prefix(what)?.trim_start().strip_prefix(':')
}

/// The systems of Suricata's `reference.config`.
const STOCK_REFERENCES: &[(&str, &str)] = &[
    ("bugtraq", "http://www.securityfocus.com/bid/"),
    ("bid", "http://www.securityfocus.com/bid/"),
    ("cve", "http://cve.mitre.org/cgi-bin/cvename.cgi?name="),
    ("secunia", "http://www.secunia.com/advisories/"),
    ("arachnids", "http://www.whitehats.com/info/IDS"),
    ("mcafee", "http://vil.nai.com/vil/content/v_"),
    ("nessus", "http://cgi.nessus.org/plugins/dump.php3?id="),
    ("url", "http://"),
    ("et", "http://doc.emergingthreats.net/"),
    ("etpro", "http://doc.emergingthreatspro.com/"),
    ("telus", "http://"),
    ("osvdb", "http://osvdb.org/show/osvdb/"),
    ("threatexpert", "http://www.threatexpert.com/report.aspx?md5="),
    ("md5", "http://www.threatexpert.com/report.aspx?md5="),
    ("exploitdb", "http://www.exploit-db.com/exploits/"),
    ("openpacket", "https://www.openpacket.org/capture/grab/"),
    ("securitytracker", "http://securitytracker.com/id?"),
    ("xforce", "http://xforce.iss.net/xforce/xfdb/"),
    ("msft", "http://technet.microsoft.com/security/bulletin/"),
];

/// The classes of Suricata's `classification.config`.
const STOCK_CLASSES: &[(&str, &str, u8)] = &[
    ("not-suspicious", "Not Suspicious Traffic", 3),
    ("unknown", "Unknown Traffic", 3),
    ("bad-unknown", "Potentially Bad Traffic", 2),
    ("attempted-recon", "Attempted Information Leak", 2),
    ("successful-recon-limited", "Information Leak", 2),
    ("successful-recon-largescale", "Large Scale Information Leak", 2),
    ("attempted-dos", "Attempted Denial of Service", 2),
    ("successful-dos", "Denial of Service", 2),
    ("attempted-user", "Attempted User Privilege Gain", 1),
    ("unsuccessful-user", "Unsuccessful User Privilege Gain", 1),
    ("successful-user", "Successful User Privilege Gain", 1),
    ("attempted-admin", "Attempted Administrator Privilege Gain", 1),
    ("successful-admin", "Successful Administrator Privilege Gain", 1),
    ("rpc-portmap-decode", "Decode of an RPC Query", 2),
    ("shellcode-detect", "Executable code was detected", 1),
    ("string-detect", "A suspicious string was detected", 3),
    ("suspicious-filename-detect", "A suspicious filename was detected", 2),
    ("suspicious-login", "An attempted login using a suspicious username was detected", 2),
    ("system-call-detect", "A system call was detected", 2),
    ("tcp-connection", "A TCP connection was detected", 4),
    ("trojan-activity", "A Network Trojan was detected", 1),
    ("unusual-client-port-connection", "A client was using an unusual port", 2),
    ("network-scan", "Detection of a Network Scan", 3),
    ("denial-of-service", "Detection of a Denial of Service Attack", 2),
    ("non-standard-protocol", "Detection of a non-standard protocol or event", 2),
    ("protocol-command-decode", "Generic Protocol Command Decode", 3),
    ("web-application-activity", "access to a potentially vulnerable web application", 2),
    ("web-application-attack", "Web Application Attack", 1),
    ("misc-activity", "Misc activity", 3),
    ("misc-attack", "Misc Attack", 2),
    ("icmp-event", "Generic ICMP event", 3),
    ("kickass-porn", "SCORE! Get the lotion!", 1),
    ("policy-violation", "Potential Corporate Privacy Violation", 1),
    ("targeted-activity", "Targeted Malicious Activity was Detected", 1),
    ("exploit-kit", "Exploit Kit Activity Detected", 1),
    ("external-ip-check", "Device Retrieving External IP Address Detected", 2),
    ("domain-c2", "Domain Observed Used for C2 Detected", 1),
    ("pup-activity", "Possibly Unwanted Program Detected", 2),
    ("credential-theft", "Successful Credential Theft Detected", 1),
    ("social-engineering", "Possible Social Engineering Attempted", 2),
    ("coin-mining", "Crypto Currency Mining Activity Detected", 2),
    ("command-and-control", "Malware Command and Control Activity Detected", 1),
    ("default-login-attempt", "Attempt to login by a default username and password", 2),
];
