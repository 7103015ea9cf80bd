//! The offsets of the shim against an mbuf that the C compiler reads and writes.

use core::ptr::without_provenance;

use umbra_dpdk_sys as sys;

/// An mbuf-sized piece of memory, aligned as one.
#[repr(C, align(128))]
struct Memory([u8; sys::SHIM_MBUF_SIZE]);

impl Memory {
    fn get<const N: usize>(&self, offset: usize) -> [u8; N] {
        self.0[offset..offset + N].try_into().unwrap()
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}

fn fields() -> sys::shim_mbuf_fields {
    sys::shim_mbuf_fields {
        buf_addr: without_provenance(0x1122_3344_5566_7780),
        next: without_provenance(0x2233_4455_6677_8880),
        ol_flags: 0x0123_4567_89ab_cdef,
        pkt_len: 0xa1b2_c3d4,
        hash_rss: 0xdead_beef,
        data_off: 0x0102,
        refcnt: 0x0203,
        nb_segs: 0x0304,
        port: 0x0405,
        data_len: 0x0506,
        vlan_tci: 0x0607,
        buf_len: 0x0708,
    }
}

#[test]
fn what_c_writes_is_found_at_the_offsets() {
    let mut memory = Memory([0; sys::SHIM_MBUF_SIZE]);
    let fields = fields();
    // SAFETY: the memory has an mbuf's size and alignment; only scalar fields are written.
    unsafe { sys::shim_mbuf_write((&raw mut memory).cast(), &fields) };
    assert_eq!(u64::from_ne_bytes(memory.get(sys::SHIM_MBUF_OL_FLAGS)), fields.ol_flags);
    assert_eq!(u32::from_ne_bytes(memory.get(sys::SHIM_MBUF_PKT_LEN)), fields.pkt_len);
    assert_eq!(u32::from_ne_bytes(memory.get(sys::SHIM_MBUF_HASH_RSS)), fields.hash_rss);
    assert_eq!(u16::from_ne_bytes(memory.get(sys::SHIM_MBUF_DATA_OFF)), fields.data_off);
    assert_eq!(u16::from_ne_bytes(memory.get(sys::SHIM_MBUF_PORT)), fields.port);
    assert_eq!(u16::from_ne_bytes(memory.get(sys::SHIM_MBUF_DATA_LEN)), fields.data_len);
    assert_eq!(u16::from_ne_bytes(memory.get(sys::SHIM_MBUF_VLAN_TCI)), fields.vlan_tci);
}

#[test]
fn what_is_written_at_the_offsets_is_what_c_reads() {
    let mut memory = Memory([0; sys::SHIM_MBUF_SIZE]);
    let fields = fields();
    memory.put(sys::SHIM_MBUF_BUF_ADDR, &fields.buf_addr.addr().to_ne_bytes());
    memory.put(sys::SHIM_MBUF_NEXT, &fields.next.addr().to_ne_bytes());
    memory.put(sys::SHIM_MBUF_OL_FLAGS, &fields.ol_flags.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_PKT_LEN, &fields.pkt_len.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_HASH_RSS, &fields.hash_rss.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_DATA_OFF, &fields.data_off.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_REFCNT, &fields.refcnt.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_NB_SEGS, &fields.nb_segs.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_PORT, &fields.port.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_DATA_LEN, &fields.data_len.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_VLAN_TCI, &fields.vlan_tci.to_ne_bytes());
    memory.put(sys::SHIM_MBUF_BUF_LEN, &fields.buf_len.to_ne_bytes());
    let mut read = core::mem::MaybeUninit::<sys::shim_mbuf_fields>::zeroed();
    // SAFETY: the memory has an mbuf's size and alignment; pointers are read, not followed.
    let read = unsafe {
        sys::shim_mbuf_read((&raw const memory).cast(), read.as_mut_ptr());
        read.assume_init()
    };
    assert_eq!(format!("{read:?}"), format!("{fields:?}"));
}

#[test]
fn an_mbuf_is_two_cache_lines_and_its_hot_fields_are_in_the_first() {
    assert_eq!(sys::SHIM_MBUF_SIZE, 128);
    for offset in [
        sys::SHIM_MBUF_BUF_ADDR,
        sys::SHIM_MBUF_DATA_OFF,
        sys::SHIM_MBUF_NB_SEGS,
        sys::SHIM_MBUF_OL_FLAGS,
        sys::SHIM_MBUF_PKT_LEN,
        sys::SHIM_MBUF_DATA_LEN,
        sys::SHIM_MBUF_HASH_RSS,
    ] {
        assert!(offset < 64, "{offset}");
    }
}
