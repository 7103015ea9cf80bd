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

/// Events that older rules name. Suricata 8 leaves such rules out without calling them failed.
pub(super) fn event_is_gone(protocol: AppProto, event: &str) -> bool {
    const DNS: &[&str] = &[
        "malformed_data",
        "not_request",
        "not_response",
        "z_flag_set",
        "invalid_opcode",
        "invalid_additionals",
        "invalid_authorities",
        "name_too_long",
        "infinite_loop",
        "too_many_labels",
    ];
    const TLS_GONE: &[&str] = &[
        "certificate_missing_element",
        "certificate_unknown_element",
        "certificate_invalid_string",
    ];
    const HTTP2: &[&str] = &[
        "invalid_frame_header",
        "invalid_client_magic",
        "invalid_frame_data",
        "invalid_header",
        "invalid_frame_length",
        "extra_header_data",
        "long_frame_data",
        "stream_id_reuse",
        "invalid_http1_settings",
        "failed_decompression",
        "invalid_range",
        "header_integer_overflow",
        "too_many_streams",
        "authority_host_mismatch",
        "userinfo_in_uri",
        "reassembly_limit_reached",
        "dns_request_too_long",
        "dns_response_too_long",
        "data_stream_zero",
        "compression_bomb",
        "header_table_overflow",
        "continuation_without_headers",
        "too_long_repeated_headers",
    ];
    match protocol {
        AppProto::Dns => !DNS.contains(&event),
        AppProto::Http2 => !HTTP2.contains(&event),
        AppProto::Tls => TLS_GONE.contains(&event),
        _ => false,
    }
}

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
    "file.mime",
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
