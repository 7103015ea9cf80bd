//! Frames (RFC 9113, section 4 and 6): their header and what stands in the small ones.

/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 9;
/// From so many bytes on a frame is too long to be held, and Suricata calls it so.
pub(super) const LONG_FRAME: usize = 65_536;

/// END_STREAM of DATA and HEADERS.
pub(super) const END_STREAM: u8 = 0x1;
/// END_HEADERS of HEADERS, PUSH_PROMISE and CONTINUATION.
pub(super) const END_HEADERS: u8 = 0x4;
/// PADDED of DATA, HEADERS and PUSH_PROMISE.
pub(super) const PADDED: u8 = 0x8;
/// PRIORITY of HEADERS.
pub(super) const PRIORITY: u8 = 0x20;

/// What a frame is. Types that are not named are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    GoAway,
    WindowUpdate,
    Continuation,
    Other,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) len: usize,
    pub(super) kind_byte: u8,
    pub(super) flags: u8,
    /// Without the reserved bit.
    pub(super) stream: u32,
}

impl FrameHeader {
    /// The header at the beginning of `bytes`, if it is there.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, kind_byte, flags, s0, s1, s2, s3] = bytes.first_chunk::<HEADER_BYTES>()?;
        Some(Self {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind_byte,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) const fn kind(&self) -> Kind {
        match self.kind_byte {
            0 => Kind::Data,
            1 => Kind::Headers,
            2 => Kind::Priority,
            3 => Kind::RstStream,
            4 => Kind::Settings,
            5 => Kind::PushPromise,
            7 => Kind::GoAway,
            8 => Kind::WindowUpdate,
            9 => Kind::Continuation,
            _ => Kind::Other,
        }
    }

    /// Whether it is as long as its kind has to be. Of SETTINGS and PING Suricata does not ask it.
    pub(super) const fn has_legal_len(&self) -> bool {
        match self.kind() {
            Kind::Priority => self.len == 5,
            Kind::RstStream | Kind::WindowUpdate => self.len == 4,
            Kind::GoAway => self.len >= 8,
            _ => true,
        }
    }
}

/// A number of four bytes at a place.
pub(super) fn number(payload: &[u8], at: usize) -> Option<u32> {
    payload.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// What is left of a payload without padding; `None` where there is more padding than payload.
pub(super) fn unpadded<'a>(header: &FrameHeader, payload: &'a [u8]) -> Option<&'a [u8]> {
    if !header.has(PADDED) {
        return Some(payload);
    }
    let (&padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(padding))?)
}

/// A parameter of SETTINGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) id: u16,
    pub(super) value: u32,
}

/// Parameters up to the first that has no name here, as Suricata reads them.
pub(super) fn settings(payload: &[u8]) -> impl Iterator<Item = Setting> + '_ {
    payload
        .chunks_exact(6)
        .map_while(|chunk| {
            let &[i0, i1, v0, v1, v2, v3] = chunk.first_chunk::<6>()?;
            Some(Setting {
                id: u16::from_be_bytes([i0, i1]),
                value: u32::from_be_bytes([v0, v1, v2, v3]),
            })
        })
        .take_while(|setting| setting_name(setting.id).is_some())
}

/// A parameter's name in EVE.
pub(super) const fn setting_name(id: u16) -> Option<&'static str> {
    Some(match id {
        1 => "SETTINGSHEADERTABLESIZE",
        2 => "SETTINGSENABLEPUSH",
        3 => "SETTINGSMAXCONCURRENTSTREAMS",
        4 => "SETTINGSINITIALWINDOWSIZE",
        5 => "SETTINGSMAXFRAMESIZE",
        6 => "SETTINGSMAXHEADERLISTSIZE",
        8 => "SETTINGSENABLECONNECTPROTOCOL",
        9 => "SETTINGSNORFC7540PRIORITIES",
        _ => return None,
    })
}

/// Errors of RST_STREAM and GOAWAY in the order of their numbers.
pub(super) const ERRORS: [&str; 14] = [
    "NoError",
    "ProtocolError",
    "InternalError",
    "FlowControlError",
    "SettingsTimeout",
    "StreamClosed",
    "FrameSizeError",
    "RefusedStream",
    "Cancel",
    "CompressionError",
    "ConnectError",
    "EnhanceYourCalm",
    "InadequateSecurity",
    "Http11Required",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_padding() {
        let header = FrameHeader::of(b"\0\0\x04\x08\0\x80\0\0\x01rest").unwrap();
        assert_eq!((header.len, header.kind(), header.stream), (4, Kind::WindowUpdate, 1));
        assert!(FrameHeader::of(b"\0\0\x04\x08\0\x80\0\0").is_none());
        let padded = FrameHeader { flags: PADDED, ..header };
        assert_eq!(unpadded(&header, b"\x02abc"), Some(&b"\x02abc"[..]));
        assert_eq!(unpadded(&padded, b"\x02abc"), Some(&b"a"[..]));
        assert_eq!(unpadded(&padded, b"\x03abc"), Some(&b""[..]));
        assert_eq!(unpadded(&padded, b"\x04abc"), None);
        assert_eq!(unpadded(&padded, b""), None);
    }

    #[test]
    fn settings_end_where_one_is_unknown() {
        let payload = b"\0\x01\0\0\x10\0\0\x03\0\0\0\x64\0\x77\0\0\0\x01\0\x04\0\0\0\x05";
        let read: Vec<_> = settings(payload).map(|s| (s.id, s.value)).collect();
        assert_eq!(read, [(1, 4096), (3, 100)]);
    }
}
