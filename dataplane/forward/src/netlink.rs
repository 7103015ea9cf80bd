//! Network interfaces of the kernel through rtnetlink (RFC 3549, rtnetlink(7)): what is there, who
//! has a carrier, and setting one up or down.
//!
//! AF_XDP and AF_PACKET ports stay up in DPDK when the interface below them loses its carrier or is
//! deleted, so their truth is here.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Multicast group of link changes (`RTMGRP_LINK`).
const RTMGRP_LINK: u32 = 1;
/// A dump of links with all statistics is some KiB a link.
const RECEIVE_BYTES: usize = 256 * 1024;

/// An interface of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetDev {
    /// Kernel's index; another one after the interface was deleted and made again.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Set up by the administrator (`IFF_UP`).
    pub admin_up: bool,
    /// Has a carrier (`IFF_LOWER_UP`).
    pub carrier: bool,
    /// MTU in bytes.
    pub mtu: u32,
}

impl NetDev {
    /// Up and with a carrier: frames that are sent can arrive.
    pub fn is_running(&self) -> bool {
        self.admin_up && self.carrier
    }
}

/// A change of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetDevEvent {
    /// Made or changed.
    Changed(NetDev),
    /// Deleted.
    Deleted(NetDev),
}

fn open(groups: u32) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind(&SocketAddr::new(0, groups))?;
    Ok(socket)
}

fn send(socket: &Socket, payload: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    header.sequence_number = 1;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(payload));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    Ok(())
}

/// Calls `each` for every message of one datagram.
fn messages(
    datagram: &[u8],
    mut each: impl FnMut(NetlinkPayload<RouteNetlinkMessage>),
) -> io::Result<()> {
    let mut rest = datagram;
    while rest.len() >= 16 {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
        let length = message.header.length as usize;
        each(message.payload);
        // Messages are aligned to four bytes.
        let step = length.max(16).next_multiple_of(4).min(rest.len());
        rest = &rest[step..];
    }
    Ok(())
}

fn net_dev(message: &LinkMessage) -> NetDev {
    let mut dev = NetDev {
        index: message.header.index,
        name: String::new(),
        admin_up: message.header.flags.contains(LinkFlags::Up),
        carrier: message.header.flags.contains(LinkFlags::LowerUp),
        mtu: 0,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => dev.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => dev.mtu = *mtu,
            _ => {}
        }
    }
    dev
}

/// All interfaces of this network namespace.
pub fn list() -> io::Result<Vec<NetDev>> {
    let socket = open(0)?;
    let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
    send(&socket, request, NLM_F_DUMP | NLM_F_REQUEST)?;
    let mut devs = Vec::new();
    let mut done = false;
    while !done {
        let datagram = receive(&socket)?;
        let mut error = None;
        messages(&datagram, |payload| match payload {
            NetlinkPayload::Done(_) => done = true,
            NetlinkPayload::Error(e) if e.code.is_some() => error = Some(e.to_io()),
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                devs.push(net_dev(&link));
            }
            _ => {}
        })?;
        if let Some(error) = error {
            return Err(error);
        }
    }
    Ok(devs)
}

/// The interface `name`, if there is one.
pub fn find(name: &str) -> io::Result<Option<NetDev>> {
    Ok(list()?.into_iter().find(|dev| dev.name == name))
}

/// Sets an interface up or down (`IFF_UP`). Needs CAP_NET_ADMIN.
pub fn set_admin_up(index: u32, up: bool) -> io::Result<()> {
    let socket = open(0)?;
    let mut link = LinkMessage::default();
    link.header.index = index;
    link.header.change_mask = LinkFlags::Up;
    link.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    send(&socket, RouteNetlinkMessage::SetLink(link), NLM_F_REQUEST | NLM_F_ACK)?;
    let datagram = receive(&socket)?;
    let mut result = Ok(());
    messages(&datagram, |payload| {
        if let NetlinkPayload::Error(e) = payload
            && e.code.is_some()
        {
            result = Err(e.to_io());
        }
    })?;
    result
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(RECEIVE_BYTES);
    socket.recv(&mut buffer, 0)?;
    Ok(buffer)
}

/// Link changes of this network namespace as they happen.
pub struct LinkWatch {
    socket: Socket,
}

impl std::fmt::Debug for LinkWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkWatch").finish_non_exhaustive()
    }
}

impl LinkWatch {
    /// Subscribes. Changes from now on are seen.
    pub fn open() -> io::Result<Self> {
        let socket = open(RTMGRP_LINK)?;
        socket.set_non_blocking(true)?;
        Ok(LinkWatch { socket })
    }

    /// What has happened since the last call; never waits. When the kernel had to drop messages
    /// (ENOBUFS) the error is returned, and the caller lists anew.
    pub fn poll(&mut self) -> io::Result<Vec<NetDevEvent>> {
        let mut events = Vec::new();
        loop {
            let datagram = match receive(&self.socket) {
                Ok(datagram) => datagram,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(events),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            messages(&datagram, |payload| match payload {
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
                    events.push(NetDevEvent::Changed(net_dev(&link)));
                }
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
                    events.push(NetDevEvent::Deleted(net_dev(&link)));
                }
                _ => {}
            })?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listed() {
        let lo = find("lo").unwrap().expect("every namespace has lo");
        assert_eq!(lo.name, "lo");
        assert!(lo.mtu > 0);
    }

    #[test]
    fn an_unknown_interface_is_none_and_setting_it_is_an_error() {
        assert_eq!(find("no-such-if0").unwrap(), None);
        assert!(set_admin_up(0x7fff_fff0, true).is_err());
    }

    #[test]
    fn nothing_happened_is_empty() {
        let mut watch = LinkWatch::open().unwrap();
        // Other tests may make interfaces; an error is what must not come.
        watch.poll().unwrap();
    }
}
