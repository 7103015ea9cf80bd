//! Captures as peers read and write them: the frames of a pcap or pcapng file, and one made of a
//! given number of flows.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// What a port with an MTU of 1,500 carries with a VLAN tag. Longer ones, as captured behind
/// segmentation offload, are refused by net_pcap's `infinite_rx` or dropped by a peer in silence.
const FRAME_BYTES_MAX: usize = 1518;

/// The frames of `path`, in their order.
///
/// # Errors
///
/// Where it is neither pcap nor pcapng, is cut short, or holds no frame or too long a one.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let data = std::fs::read(path).with_context(|| path.display().to_string())?;
    let frames = match data.get(..4) {
        Some([0xd4 | 0x4d, 0xc3 | 0x3c, 0xb2, 0xa1]) => pcap(&data, u32::from_le_bytes),
        Some([0xa1, 0xb2, 0xc3 | 0x3c, 0xd4 | 0x4d]) => pcap(&data, u32::from_be_bytes),
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => pcapng(&data),
        _ => bail!("{}: neither pcap nor pcapng", path.display()),
    };
    frames.with_context(|| format!("{} is cut short", path.display()))
}

/// [`read`] for what ports shall receive.
pub(crate) fn read_source(path: &Path) -> Result<Vec<Vec<u8>>> {
    let frames = read(path)?;
    let longest = frames.iter().map(Vec::len).max().unwrap_or(0);
    ensure!(longest > 0, "{}: no frames in it", path.display());
    ensure!(
        longest <= FRAME_BYTES_MAX,
        "{}: a frame of {longest} bytes; the peers take up to {FRAME_BYTES_MAX}. Leave them out: tcpdump -r {} -w OUT less {FRAME_BYTES_MAX}",
        path.display(),
        path.display()
    );
    Ok(frames)
}

fn pcap(data: &[u8], number: fn([u8; 4]) -> u32) -> Option<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    let mut rest = data.get(24..)?;
    while !rest.is_empty() {
        let len = number(rest.get(8..12)?.try_into().ok()?) as usize;
        frames.push(rest.get(16..16 + len)?.to_vec());
        rest = &rest[16 + len..];
    }
    Some(frames)
}

/// Enhanced packet blocks only, in the order of bytes that the writer had: dpdk-dumpcap writes no
/// others.
fn pcapng(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    const ENHANCED_PACKET: u32 = 6;
    let number = match data.get(8..12)? {
        [0x4d, 0x3c, 0x2b, 0x1a] => u32::from_le_bytes,
        _ => u32::from_be_bytes,
    };
    let mut frames = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let field = |at: usize| Some(number(rest.get(at..at + 4)?.try_into().ok()?));
        let block_len = field(4)? as usize;
        if field(0)? == ENHANCED_PACKET {
            frames.push(rest.get(28..28 + field(20)? as usize)?.to_vec());
        }
        rest = rest.get(block_len.max(12)..)?;
    }
    Some(frames)
}

/// Writes a pcap of `flows` UDP flows over IPv4, one frame of `frame_bytes` (without FCS) each.
///
/// # Errors
///
/// For sizes and counts that cannot be, and of writing.
pub(crate) fn write_flows(path: &Path, flows: u16, frame_bytes: u16) -> Result<()> {
    ensure!(
        flows >= 1 && (60..=1514).contains(&frame_bytes),
        "{flows} flows of {frame_bytes} bytes; legal: at least 1 flow, 60 to 1514 bytes"
    );
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend(word.to_le_bytes());
    }
    for flow in 0..flows {
        let frame = udp_frame(flow, frame_bytes);
        for word in [1_767_322_800, u32::from(flow), u32::from(frame_bytes), u32::from(frame_bytes)]
        {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    std::fs::write(path, file).with_context(|| path.display().to_string())
}

fn udp_frame(flow: u16, frame_bytes: u16) -> Vec<u8> {
    let [high, low] = flow.to_be_bytes();
    let mut ip = vec![0x45, 0];
    ip.extend((frame_bytes - 14).to_be_bytes());
    ip.extend([high, low, 0x40, 0, 64, 17, 0, 0, 10, 0, high, low, 198, 51, 100, 1 + low % 8]);
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let [.., checksum_high, checksum_low] = (!((folded & 0xffff) + (folded >> 16))).to_be_bytes();
    ip[10] = checksum_high;
    ip[11] = checksum_low;
    let mut frame = vec![2, 0, 0, 0, 0x0b, 1, 2, 0, 0, 0, 0x0a, 1, 8, 0];
    frame.extend(ip);
    frame.extend(10_000u16.wrapping_add(flow).to_be_bytes());
    frame.extend(53u16.to_be_bytes());
    frame.extend((frame_bytes - 34).to_be_bytes());
    // No checksum, which UDP over IPv4 allows.
    frame.extend([0, 0]);
    frame.extend((frame.len()..usize::from(frame_bytes)).map(|at| at as u8 ^ low));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_flow_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flows.pcap");
        write_flows(&path, 300, 128).unwrap();
        let frames = read_source(&path).unwrap();
        assert_eq!(frames.len(), 300);
        assert!(frames.iter().all(|frame| frame.len() == 128));
        let distinct: std::collections::HashSet<&[u8]> =
            frames.iter().map(|f| &f[26..38]).collect();
        assert_eq!(distinct.len(), 300);
        let sum: u32 =
            frames[299][14..34].chunks(2).map(|p| u32::from(p[0]) << 8 | u32::from(p[1])).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "checksum of the IP header");
    }

    #[test]
    fn packet_blocks_of_a_pcapng_are_read_and_others_passed_over() {
        let mut file: Vec<u8> = Vec::new();
        let mut block = |kind: u32, body: &[u8]| {
            let padded = body.len().next_multiple_of(4);
            let len = u32::try_from(12 + padded).unwrap().to_le_bytes();
            file.extend(kind.to_le_bytes());
            file.extend(len);
            file.extend(body);
            file.resize(file.len() + padded - body.len(), 0);
            file.extend(len);
        };
        block(
            0x0a0d_0d0a,
            &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255],
        );
        block(1, &[1, 0, 0, 0, 0, 0, 0, 0]);
        let mut packet = [0u8; 20].to_vec();
        packet[12] = 5;
        packet[16] = 5;
        packet.extend([1, 2, 3, 4, 5]);
        block(6, &packet);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one.pcapng");
        std::fs::write(&path, &file).unwrap();
        assert_eq!(read(&path).unwrap(), [vec![1, 2, 3, 4, 5]]);
        std::fs::write(&path, &file[..file.len() - 30]).unwrap();
        assert!(read(&path).is_err(), "cut short");
    }
}
