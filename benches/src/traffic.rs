//! Frames to measure with: generated (so many flows, of these sizes) or those of a capture.
//!
//! Lengths are those of DPDK, without the FCS, as `dpdk-testpmd` counts them: 60 is the shortest
//! frame of Ethernet. The RFC 2544 search alone speaks of lengths with FCS, as the RFC does.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use serde::{Deserialize, Serialize};
use umbra_wire::build::Frame;

/// Shortest frame that the generator builds: headers of Ethernet, IPv4 and TCP.
pub(crate) const SHORTEST: u16 = 54;
/// Longest: a jumbo frame of 9,018 bytes less its FCS.
pub(crate) const LONGEST: u16 = 9014;
/// 7 : 4 : 1 frames of 64, 570 and 1518 bytes with FCS, the "simple IMIX" of tester vendors.
const IMIX: [(u16, u32); 3] = [(60, 7), (566, 4), (1514, 1)];

/// How long frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sizes {
    /// All alike.
    Fixed(u16),
    /// Simple IMIX, 7 × 60, 4 × 566, 1 × 1514 bytes.
    Imix,
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("imix") {
            return Ok(Sizes::Imix);
        }
        match text.parse() {
            Ok(size) if (SHORTEST..=LONGEST).contains(&size) => Ok(Sizes::Fixed(size)),
            _ => Err(format!(
                "frame size {text:?}: legal are {SHORTEST} to {LONGEST} bytes without FCS, or imix"
            )),
        }
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Sizes::Fixed(size) => write!(f, "{size}"),
            Sizes::Imix => f.write_str("imix"),
        }
    }
}

/// What the frames of a measurement are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Traffic {
    /// Frame `i` belongs to flow `i mod flows`; flows differ in both addresses and ports, every fifth is
    /// UDP, the others TCP. Odd rounds over the flows go the other way, so that both directions occur.
    Generated { flows: u32, sizes: Sizes },
    /// The frames of a capture in their order, again from its start when they run out.
    Capture { file: PathBuf },
}

impl Traffic {
    /// Frames of `size` bytes in `flows` flows.
    pub(crate) fn fixed(flows: u32, size: u16) -> Self {
        Traffic::Generated { flows, sizes: Sizes::Fixed(size) }
    }

    /// How many frames there are of a capture; of generated ones, one per flow.
    ///
    /// # Errors
    /// As [`Traffic::frames`].
    pub(crate) fn distinct(&self) -> Result<u32> {
        match self {
            Traffic::Generated { flows, .. } => Ok(*flows),
            Traffic::Capture { file } => Ok(u32::try_from(read_capture(file)?.len())?),
        }
    }

    /// Bytes of the longest frame.
    ///
    /// # Errors
    /// As [`Traffic::frames`].
    pub(crate) fn longest(&self) -> Result<u16> {
        match self {
            Traffic::Generated { sizes: Sizes::Fixed(size), .. } => Ok(*size),
            Traffic::Generated { sizes: Sizes::Imix, .. } => Ok(IMIX[2].0),
            Traffic::Capture { file } => {
                let longest = read_capture(file)?.iter().map(Vec::len).max().unwrap_or(0);
                u16::try_from(longest).ok().filter(|&l| l <= LONGEST).with_context(|| {
                    format!("{file:?} holds a frame of {longest} bytes; {LONGEST} are legal")
                })
            }
        }
    }

    /// `count` frames.
    ///
    /// # Errors
    /// When a capture cannot be read or holds no Ethernet frame.
    pub(crate) fn frames(&self, count: usize) -> Result<Vec<Vec<u8>>> {
        match self {
            Traffic::Generated { flows, sizes } => Ok((0..count as u64)
                .map(|i| {
                    let flow = (i % u64::from((*flows).max(1))) as u32;
                    let back = i / u64::from((*flows).max(1)) % 2 == 1;
                    flow_frame(flow, size_of(*sizes, i), back)
                })
                .collect()),
            Traffic::Capture { file } => {
                let frames = read_capture(file)?;
                Ok(frames.iter().cycle().take(count).cloned().collect())
            }
        }
    }
}

impl std::fmt::Display for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Traffic::Generated { flows, sizes } => write!(f, "{sizes} B, {flows} flows"),
            Traffic::Capture { file } => write!(f, "{}", file.display()),
        }
    }
}

/// The mixture is spread evenly: 12 frames in a fixed order have the proportions of the whole.
fn size_of(sizes: Sizes, index: u64) -> u16 {
    const ORDER: [usize; 12] = [0, 1, 0, 0, 1, 0, 2, 0, 1, 0, 1, 0];
    match sizes {
        Sizes::Fixed(size) => size,
        Sizes::Imix => IMIX[ORDER[(index % 12) as usize]].0,
    }
}

/// One frame of a flow. Distinct for up to 2^24 flows.
pub(crate) fn flow_frame(flow: u32, size: u16, back: bool) -> Vec<u8> {
    let [_, f1, f2, f3] = flow.to_be_bytes();
    // A multiplicative step spreads servers and ports over the flows without making two alike.
    let [p0, p1, ..] = flow.wrapping_mul(0x9E37_79B1).to_be_bytes();
    let client_port = 1024 + u16::from_be_bytes([p0, p1]) % 60_000;
    let (udp, server_port) = (flow % 5 == 4, [443, 80, 53, 8080, 22][flow as usize % 5]);
    let frame = Frame::ethernet([2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1])
        .ipv4([10, f1, f2, f3], [192, 168, p0 & 15, f3 | 1]);
    let (frame, headers) = if udp {
        (frame.udp(client_port, server_port), 42)
    } else {
        (frame.tcp(client_port, server_port), 54)
    };
    let payload: Vec<u8> = (0..usize::from(size).saturating_sub(headers))
        .map(|i| (i as u8).wrapping_mul(31).wrapping_add(f3))
        .collect();
    let frame = frame.payload(&payload);
    if back { frame.reversed().bytes() } else { frame.bytes() }
}

/// Frames of a classic pcap file.
fn read_capture(file: &Path) -> Result<Vec<Vec<u8>>> {
    let open = File::open(file).with_context(|| format!("cannot open the capture {file:?}"))?;
    let mut reader = PcapReader::new(BufReader::new(open)).with_context(|| {
        format!("{file:?} is not a classic pcap file (editcap -F pcap makes one)")
    })?;
    if reader.header().datalink != pcap_file::DataLink::ETHERNET {
        bail!("{file:?} holds {:?} frames; only Ethernet can be sent", reader.header().datalink);
    }
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet.with_context(|| format!("{file:?}, frame {}", frames.len() + 1))?;
        if packet.data.len() >= 14 {
            frames.push(packet.data.into_owned());
        }
    }
    if frames.is_empty() {
        bail!("{file:?} holds no frame of 14 bytes or more");
    }
    Ok(frames)
}

/// Writes frames where net_pcap reads them.
///
/// # Errors
/// Names the file.
pub(crate) fn write_capture(file: &Path, frames: &[Vec<u8>]) -> Result<()> {
    let context = || format!("cannot write {file:?}");
    let out = BufWriter::new(File::create(file).with_context(context)?);
    let header = PcapHeader { snaplen: 65_535, ..PcapHeader::default() };
    let mut writer = PcapWriter::with_header(out, header).with_context(context)?;
    for (i, frame) in frames.iter().enumerate() {
        let at = Duration::from_micros(i as u64);
        let packet = PcapPacket::new(at, u32::try_from(frame.len())?, frame);
        writer.write_packet(&packet).with_context(context)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use umbra_wire::{KeyOptions, SymmetricHash};

    #[test]
    fn every_flow_is_another_and_both_directions_are_one() {
        let hash = SymmetricHash::new([1, 2, 3, 4]);
        let flows = 20_000;
        let frames = Traffic::fixed(flows, 60).frames(2 * flows as usize).unwrap();
        let hashes: Vec<u64> =
            frames.iter().map(|f| hash.frame(f, &KeyOptions::default())).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), flows as usize);
        let (there, back) = hashes.split_at(flows as usize);
        assert_eq!(there, back);
    }

    #[test]
    fn sizes_are_what_was_asked() {
        for size in [60, 64, 1514, LONGEST] {
            let frames = Traffic::fixed(10, size).frames(10).unwrap();
            assert!(frames.iter().all(|f| f.len() == usize::from(size)), "{size}");
        }
        let imix = Traffic::Generated { flows: 7, sizes: Sizes::Imix }.frames(1200).unwrap();
        let count = |size: usize| imix.iter().filter(|f| f.len() == size).count();
        assert_eq!([count(60), count(566), count(1514)], [700, 400, 100]);
        for bad in ["53", "9015", "", "big", "-1"] {
            assert!(bad.parse::<Sizes>().unwrap_err().contains("54 to 9014"), "{bad}");
        }
    }

    #[test]
    fn a_capture_comes_back_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.pcap");
        let frames = Traffic::fixed(3, 100).frames(5).unwrap();
        write_capture(&file, &frames).unwrap();
        let traffic = Traffic::Capture { file: file.clone() };
        assert_eq!(traffic.frames(5).unwrap(), frames);
        assert_eq!(traffic.frames(7).unwrap()[5..], frames[..2]);
        std::fs::write(&file, b"no capture").unwrap();
        let error = format!("{:#}", traffic.frames(1).unwrap_err());
        assert!(error.contains("x.pcap"), "{error}");
    }
}
