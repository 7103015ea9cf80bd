//! Pools, mbufs and bursts.

mod common;

use common::{eal, numbered, numbers, pool};
use umbra_dpdk::{Burst, Mempool, MempoolError, NumaNode, RxChecksum};

own_process_test! {
    fn a_dropped_burst_frees_everything() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 1023);
        assert_eq!((pool.size(), pool.in_use()), (1023, 0));
        let mut burst = Burst::<32>::new();
        assert_eq!(pool.alloc_bulk(&mut burst, 32), 32);
        assert_eq!(pool.alloc_bulk(&mut burst, 1), 0, "a full burst takes nothing");
        assert_eq!(pool.in_use(), 32);
        drop(burst.pop());
        assert_eq!(pool.in_use(), 31);
        burst.free_front(10);
        assert_eq!((burst.len(), pool.in_use()), (21, 21));
        drop(burst);
        assert_eq!(pool.in_use(), 0);
    }
}

own_process_test! {
    fn an_exhausted_pool_gives_none_and_says_so() {
        let eal = eal(&[]);
        let pool = Mempool::pktmbuf(&eal, "small", 31, 0, 2048, NumaNode::Any).unwrap();
        let mut burst = Burst::<32>::new();
        assert_eq!(pool.alloc_bulk(&mut burst, 32), 0, "all or none");
        assert_eq!(pool.alloc_bulk(&mut burst, 31), 31);
        assert!(pool.alloc().is_none());
        let error = pool.alloc_from_bytes(b"x").unwrap_err();
        assert!(matches!(error, MempoolError::Exhausted { available: 0, size: 31, .. }), "{error}");
    }
}

own_process_test! {
    fn a_long_frame_becomes_a_chain_and_reads_back_whole() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 1023);
        let bytes: Vec<u8> = (0..9000u32).map(|i| (i * 7) as u8).collect();
        let frame = pool.alloc_from_bytes(&bytes).unwrap();
        assert_eq!((frame.pkt_len(), frame.nb_segs(), frame.data_len()), (9000, 5, 2048));
        assert_eq!(frame.segments().map(<[u8]>::len).collect::<Vec<_>>(), [2048, 2048, 2048, 2048, 808]);
        assert_eq!(frame.to_vec(), bytes);
        assert_eq!(pool.in_use(), 5);
        drop(frame);
        assert_eq!(pool.in_use(), 0, "all segments are freed");

        let frame = pool.alloc_segmented(&bytes[..100], 33).unwrap();
        assert_eq!((frame.nb_segs(), frame.to_vec()), (4, bytes[..100].to_vec()));
        let empty = pool.alloc_from_bytes(b"").unwrap();
        assert_eq!((empty.pkt_len(), empty.nb_segs(), empty.data()), (0, 1, &[][..]));
    }
}

own_process_test! {
    fn an_mbufs_fields_are_what_was_set() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 255);
        let mut frame = pool.alloc().unwrap();
        assert_eq!((frame.pkt_len(), frame.nb_segs(), frame.port()), (0, 1, u16::MAX));
        assert_eq!(frame.rss_hash(), None);
        assert_eq!((frame.rx_ip_checksum(), frame.rx_l4_checksum()), (RxChecksum::Unknown, RxChecksum::Unknown));
        frame.set_rss_hash(0xfeed_f00d);
        assert_eq!(frame.rss_hash(), Some(0xfeed_f00d));
        assert!(frame.append(b"hello"));
        frame.data_mut().unwrap()[0] = b'j';
        assert_eq!(frame.data(), b"jello");
        assert_eq!(frame.tailroom(), 2048 - 5);
        assert!(!frame.append(&[0; 2048]), "does not fit");
        assert_eq!(frame.pkt_len(), 5);
        let fresh = pool.alloc().unwrap();
        drop(frame);
        drop(fresh);
        let again = pool.alloc().unwrap();
        assert_eq!(again.rss_hash(), None, "an mbuf comes back clean");
    }
}

own_process_test! {
    fn removal_keeps_the_order_of_the_rest_and_frees_the_others() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 255);
        let mut burst = numbered::<32>(&pool, 0..10);
        assert_eq!(burst.retain(|frame| frame.data()[0] % 3 != 0), 4);
        assert_eq!(numbers(burst.as_slice()), [1, 2, 4, 5, 7, 8]);
        assert_eq!(pool.in_use(), 6);
        assert_eq!(burst.remove_mask(0b10_0001), 2);
        assert_eq!(numbers(burst.as_slice()), [2, 4, 5, 7]);
        assert_eq!(burst.remove_mask(u64::MAX << 4), 0, "bits beyond the end mean nothing");
        assert_eq!(burst.remove_mask(u64::MAX), 4);
        assert_eq!((burst.len(), pool.in_use()), (0, 0));
    }
}

own_process_test! {
    fn a_panic_in_the_middle_of_a_retain_loses_no_frame() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 255);
        let mut burst = numbered::<32>(&pool, 0..10);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            burst.retain(|frame| if frame.data()[0] == 5 { panic!("no") } else { false })
        }));
        assert!(outcome.is_err());
        assert_eq!(numbers(burst.as_slice()), (0..10).collect::<Vec<_>>());
        drop(burst);
        assert_eq!(pool.in_use(), 0);
    }
}

own_process_test! {
    fn bursts_append_what_fits() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 255);
        let mut a = numbered::<8>(&pool, 0..5);
        let mut b = numbered::<32>(&pool, 5..15);
        assert_eq!(a.append(&mut b), 3);
        assert_eq!(numbers(a.as_slice()), (0..8).collect::<Vec<_>>());
        assert_eq!(numbers(b.as_slice()), (8..15).collect::<Vec<_>>());
        assert!(a.is_full());
        let extra = b.pop().unwrap();
        let extra = a.push(extra).unwrap_err();
        assert_eq!(extra.data()[0], 14);
        drop((a, b, extra));
        assert_eq!(pool.in_use(), 0);
    }
}

own_process_test! {
    fn a_pool_outlives_its_owner_until_its_mbufs_are_back() {
        let eal = eal(&[]);
        let make = || Mempool::pktmbuf(&eal, "p", 255, 32, 2048, NumaNode::Any);
        let pool = make().unwrap();
        let frame = pool.alloc_from_bytes(b"still here").unwrap();
        drop(pool);
        assert!(matches!(make(), Err(MempoolError::Create { .. })), "the name is still taken");
        assert_eq!(frame.data(), b"still here");
        drop(frame);
        drop(make().unwrap());
        drop(make().unwrap());
    }
}

own_process_test! {
    fn eal_outlives_its_handle_while_frames_are_about() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 255);
        let frame = pool.alloc_from_bytes(b"still here").unwrap();
        drop(eal);
        drop(pool);
        assert_eq!(frame.data(), b"still here");
        drop(frame);
    }
}

own_process_test! {
    fn pools_out_of_range_name_the_range() {
        let eal = eal(&[]);
        let make = |name: &str, mbufs, cache, room| {
            Mempool::pktmbuf(&eal, name, mbufs, cache, room, NumaNode::Any).unwrap_err()
        };
        assert!(make("", 255, 0, 2048).to_string().contains("1 to"));
        assert!(make(&"n".repeat(40), 255, 0, 2048).to_string().contains("1 to"));
        assert!(make("p", 255, 1000, 2048).to_string().contains("0 to 170"));
        assert!(make("p", 255, 0, 10).to_string().contains("64 to"));
        let error = make("big", 1_000_000, 0, 2048);
        assert!(matches!(error, MempoolError::NoMemory { .. }), "{error:?}");
        assert!(error.to_string().contains("MiB"), "{error}");
    }
}
