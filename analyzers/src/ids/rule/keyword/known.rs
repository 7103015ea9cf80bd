//! Names that Suricata 8 knows, to tell what is not there from what is wrong.

use crate::app::AppProto;

/// The protocols that flows can be recognised as.
pub(in super::super) fn app_protocol(name: &str) -> Option<AppProto> {
    Some(match name {
        "http" => AppProto::Http,
        "http1" => AppProto::Http1,
        "http2" => AppProto::Http2,
        "dns" => AppProto::Dns,
        "tls" | "ssl" => AppProto::Tls,
        "ssh" => AppProto::Ssh,
        "smtp" => AppProto::Smtp,
        "ftp" => AppProto::Ftp,
        "ftp-data" => AppProto::FtpData,
        "smb" => AppProto::Smb,
        "dcerpc" => AppProto::Dcerpc,
        _ => return None,
    })
}

/// Application protocols of Suricata 8 that are not there.
pub(in super::super) fn app_protocol_is_known(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "bittorrent-dht",
        "dhcp",
        "dnp3",
        "doh2",
        "enip",
        "ike",
        "imap",
        "irc",
        "jabber",
        "krb5",
        "ldap",
        "mdns",
        "modbus",
        "mqtt",
        "msn",
        "nfs",
        "ntp",
        "pgsql",
        "pop3",
        "quic",
        "rdp",
        "rfb",
        "sip",
        "snmp",
        "telnet",
        "tftp",
        "websocket",
    ];
    NAMES.contains(&name)
}

/// Events of application layers that no protocol has for itself.
pub(super) const LAYER_EVENTS: &[&str] = &[
    "applayer_mismatch_protocol_both_directions",
    "applayer_wrong_direction_first_data",
    "applayer_detect_protocol_only_one_direction",
    "applayer_proto_detection_skipped",
    "applayer_no_tls_after_starttls",
    "applayer_unexpected_protocol",
];

/// What stands before the dot in events of decoders.
pub(super) fn decode_layer_is_known(layer: &str) -> bool {
    const LAYERS: &[&str] = &[
        "afpacket",
        "arp",
        "chdlc",
        "cisco_fabricpath",
        "dce",
        "erspan",
        "esp",
        "ethernet",
        "etag",
        "geneve",
        "gre",
        "icmpv4",
        "icmpv6",
        "ieee8021ah",
        "ipraw",
        "ipv4",
        "ipv6",
        "ltnull",
        "mpls",
        "nsh",
        "ppp",
        "pppoe",
        "sctp",
        "sll",
        "sll2",
        "tcp",
        "udp",
        "vlan",
        "vntag",
        "vxlan",
    ];
    LAYERS.contains(&layer)
}

/// Keywords of Suricata 8 that are not read.
pub(super) fn keyword_is_known(name: &str) -> bool {
    KEYWORDS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const KEYWORDS: &[&str] = &[
    "app-layer-state",
    "asn1",
    "bypass",
    "cip_service",
    "config",
    "dhcp.leasetime",
    "dhcp.rebinding_time",
    "dhcp.renewal_time",
    "dnp3_data",
    "dnp3_func",
    "dnp3_ind",
    "dnp3_obj",
    "dns.response",
    "enip_command",
    "file.magic",
    "file.mime",
    "filemagic",
    "flow.elephant",
    "flow.elephant_toclient",
    "flow.elephant_toserver",
    "frame",
    "ftp.mode",
    "geoip",
    "iprep",
    "krb5_cname",
    "krb5_err_code",
    "krb5_msg_type",
    "krb5_sname",
    "l3_proto",
    "l3proto",
    "lua",
    "luajit",
    "luaxform",
    "modbus",
    "nfs.procedure",
    "nfs_procedure",
    "nfs.version",
    "nfq_set_mark",
    "replace",
    "sip.method",
    "smb.ntlmssp.domain",
    "smb.ntlmssp.user",
    "ssh.protoversion",
    "ssh.softwareversion",
    "tls.store",
    "tls_store",
    "udp.port",
    "xff",
];

/// Families of keywords, of protocols that are not there.
const PREFIXES: &[&str] = &[
    "dnp3.",
    "enip.",
    "ike.",
    "krb5.",
    "ldap.",
    "mdns.",
    "modbus.",
    "mqtt.",
    "ntp.",
    "pgsql.",
    "quic.",
    "rdp.",
    "rfb.",
    "sdp.",
    "sip.",
    "snmp.",
    "tftp.",
    "vnc.",
    "websocket.",
];
