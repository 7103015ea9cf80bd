//! What is probed on which port of the server, where no pattern fitted.

use super::{Carrier, Look, Origin, asn1, dns, remote, text, transport};
use crate::app::{AppProto, Heading};

/// A protocol's probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    pub(super) protocol: AppProto,
    pub(super) look: fn(Heading, &[u8]) -> Look,
}

const fn probe(protocol: AppProto, look: fn(Heading, &[u8]) -> Look) -> Probe {
    Probe { protocol, look }
}

use AppProto::{
    Dhcp, Dns, Ftp, Http2, Ike, Krb5, Ldap, Mdns, Mqtt, Nfs, Ntp, Pop3, Quic, Rdp, Smb, Snmp,
    Telnet, Tftp, Tls,
};

/// Those of a port, in the order in which they are tried.
pub(super) const fn of(origin: &Origin) -> &'static [Probe] {
    match origin.carrier {
        Carrier::Tcp => match origin.server_port {
            21 => const { &[probe(Ftp, text::ftp_banner)] },
            23 => const { &[probe(Telnet, transport::telnet)] },
            53 => const { &[probe(Dns, dns::stream)] },
            80 => const { &[probe(Http2, transport::http2_settings)] },
            88 => const { &[probe(Krb5, asn1::kerberos_stream)] },
            110 => const { &[probe(Pop3, text::pop3)] },
            139 | 445 => const { &[probe(Smb, remote::smb_session)] },
            389 | 3268 => const { &[probe(Ldap, asn1::ldap_stream)] },
            443 => const { &[probe(Tls, transport::sslv2_compatible)] },
            1883 => const { &[probe(Mqtt, transport::mqtt)] },
            2049 => const { &[probe(Nfs, transport::nfs_stream)] },
            3389 => const { &[probe(Rdp, transport::rdp)] },
            _ => &[],
        },
        Carrier::Udp => match origin.server_port {
            53 => const { &[probe(Dns, dns::datagram)] },
            67 | 68 => const { &[probe(Dhcp, transport::dhcp)] },
            69 => const { &[probe(Tftp, transport::tftp)] },
            80 | 443 => const { &[probe(Quic, transport::quic)] },
            88 => const { &[probe(Krb5, asn1::kerberos_datagram)] },
            123 => const { &[probe(Ntp, transport::ntp)] },
            161 | 162 => const { &[probe(Snmp, asn1::snmp)] },
            389 | 3268 => const { &[probe(Ldap, asn1::ldap_datagram)] },
            500 => const { &[probe(Ike, transport::ike)] },
            2049 => const { &[probe(Nfs, transport::nfs_datagram)] },
            5353 => const { &[probe(Mdns, dns::multicast)] },
            _ => &[],
        },
    }
}
