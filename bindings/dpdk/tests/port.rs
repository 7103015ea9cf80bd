//! Ports on virtual devices and rings.

mod common;

use std::time::Duration;

use common::{eal, numbered, numbers, pool};
use umbra_dpdk::{
    Burst, ConfigureError, HotplugError, NumaNode, Outcome, Port, PortConfig, PortError, PortKind,
    Ring, RingError, RingMode, Rss, Segmentation, StartedPort, Subject, eth_from_rings,
};

fn start(port: Port, config: &PortConfig, pool: &umbra_dpdk::Mempool) -> StartedPort {
    port.configure(config, std::slice::from_ref(pool)).unwrap().start().unwrap()
}

own_process_test! {
    fn frames_go_through_a_pair_of_null_ports_and_all_come_back() {
        let eal = eal(&["--vdev=net_null0", "--vdev=net_null1"]);
        let pool = pool(&eal, "p", 8191);
        let names: Vec<String> = Port::list(&eal).into_iter().map(|p| p.name).collect();
        assert_eq!(names, ["net_null0", "net_null1"]);
        let config = PortConfig::default();
        let mut a = start(Port::by_name(&eal, "net_null0").unwrap(), &config, &pool);
        let mut b = start(Port::by_name(&eal, "net_null1").unwrap(), &config, &pool);
        let mut burst = Burst::<32>::new();
        for _ in 0..100 {
            assert_eq!(a.rx[0].burst(&mut burst), 32);
            assert_eq!(burst.as_slice()[0].pkt_len(), 64);
            assert_eq!(b.tx[0].burst(&mut burst), 32);
            assert!(burst.is_empty());
            assert_eq!(b.tx[0].burst(&mut burst), 0, "nothing to send");
        }
        assert_eq!(a.port.stats().unwrap().ipackets, 3200);
        assert_eq!(b.port.stats().unwrap().opackets, 3200);
        assert!(a.port.xstats().unwrap().contains(&("rx_good_packets".into(), 3200)));
        a.port.reset_stats().unwrap();
        assert_eq!(a.port.stats().unwrap().ipackets, 0);
        assert!(a.port.wait_link(Duration::from_secs(5)).unwrap().up);
        assert_eq!(a.port.mtu().unwrap(), 1500);
        assert_ne!(a.port.mac().unwrap(), b.port.mac().unwrap());
        assert_eq!(pool.in_use(), 0);
    }
}

own_process_test! {
    fn info_says_what_a_port_is() {
        let eal = eal(&["--vdev=net_null0"]);
        let port = Port::by_name(&eal, "net_null0").unwrap();
        let info = port.info().unwrap();
        assert_eq!((info.driver.as_str(), info.name.as_str()), ("net_null", "net_null0"));
        assert_eq!((&info.kind, &info.device), (&PortKind::Vdev, &"net_null0".to_owned()));
        assert_eq!(info.netdev, None);
        assert!(info.max_rx_queues >= 1 && info.max_tx_queues >= 1);
        assert!(info.max_mtu >= 1500, "{info:?}");
    }
}

own_process_test! {
    fn a_port_has_one_owner_and_an_unknown_one_says_how_to_make_it() {
        let eal = eal(&["--vdev=net_null0"]);
        let port = Port::by_name(&eal, "net_null0").unwrap();
        assert!(matches!(Port::by_name(&eal, "net_null0"), Err(PortError::Claimed { .. })));
        drop(port);
        drop(Port::by_name(&eal, "net_null0").unwrap());
        let error = Port::by_name(&eal, "03:00.0").unwrap_err().to_string();
        assert!(error.contains("dpdk-devbind.py") && error.contains("net_null0"), "{error}");
    }
}

own_process_test! {
    fn a_port_stops_and_closes_only_without_queues() {
        let eal = eal(&["--vdev=net_null0"]);
        let pool = pool(&eal, "p", 2047);
        let started = start(Port::by_name(&eal, "net_null0").unwrap(), &PortConfig::default(), &pool);
        let StartedPort { port, rx, tx, .. } = started;
        assert!(matches!(port.stop(), Err(PortError::QueuesAlive { rx: 1, tx: 1, .. })));
        drop(rx);
        assert!(matches!(port.close(), Err(PortError::QueuesAlive { rx: 0, tx: 1, .. })));
        assert!(matches!(port.restart(), Err(PortError::NotStopped { .. })));
        drop(tx);
        port.stop().unwrap();
        port.stop().unwrap();
        let (mut rx, tx) = port.restart().unwrap();
        assert_eq!(rx[0].burst(&mut Burst::<32>::new()), 32, "queues come back to a new owner");
        drop((rx, tx));
        port.close().unwrap();
        port.close().unwrap();
        assert!(matches!(port.stats(), Err(PortError::Closed { .. })));
        assert!(matches!(port.stop(), Err(PortError::Closed { .. })));
    }
}

own_process_test! {
    fn queues_may_go_to_an_lcore_and_outlive_the_handle() {
        let eal = eal(&["--vdev=net_null0"]);
        let pool = pool(&eal, "p", 2047);
        let started = start(Port::by_name(&eal, "net_null0").unwrap(), &PortConfig::default(), &pool);
        let StartedPort { port, mut rx, mut tx, .. } = started;
        let worker = eal.launch(1, move || {
            let mut burst = Burst::<32>::new();
            let mut sent = 0;
            for _ in 0..1000 {
                rx[0].burst(&mut burst);
                sent += tx[0].burst(&mut burst);
            }
            (rx, tx, sent)
        }).unwrap();
        drop(port);
        let (rx, tx, sent) = worker.join().unwrap();
        assert_eq!(sent, 32_000);
        assert!(matches!(Port::by_name(&eal, "net_null0"), Err(PortError::Claimed { .. })));
        drop((rx, tx));
        assert!(matches!(Port::by_name(&eal, "net_null0"), Err(PortError::NotFound { .. })), "closed");
        assert_eq!(pool.in_use(), 0);
    }
}

own_process_test! {
    fn a_device_is_added_used_removed_and_added_again() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 2047);
        for _ in 0..3 {
            eal.hotplug_add("vdev", "net_null7", "size=100").unwrap();
            let port = Port::by_name(&eal, "net_null7").unwrap();
            let mut started = start(port, &PortConfig::default(), &pool);
            let mut burst = Burst::<32>::new();
            started.rx[0].burst(&mut burst);
            assert_eq!(burst.as_slice()[0].pkt_len(), 100);
            let error = eal.hotplug_remove("vdev", "net_null7").unwrap_err();
            assert!(matches!(error, HotplugError::InUse { .. }), "{error}");
            drop(burst);
            drop((started.rx, started.tx));
            started.port.close().unwrap();
            eal.hotplug_remove("vdev", "net_null7").unwrap();
            assert!(Port::list(&eal).is_empty());
            assert_eq!(pool.in_use(), 0);
        }
        assert!(matches!(eal.hotplug_add("vdev", "net_nonsense0", ""), Err(HotplugError::Add { .. })));
        assert!(matches!(eal.hotplug_remove("vdev", "net_null7"), Err(HotplugError::Remove { .. })));
    }
}

own_process_test! {
    fn a_full_tx_ring_leaves_the_rest_in_order() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 2047);
        let make = |name, slots| Ring::create(&eal, name, slots, RingMode::Multi, NumaNode::Any).unwrap();
        let (rx_ring, tx_ring) = (make("rx", 64), make("tx", 16));
        assert_eq!(tx_ring.capacity(), 15);
        let port = eth_from_rings(&eal, "loop", std::slice::from_ref(&rx_ring), std::slice::from_ref(&tx_ring), NumaNode::Any).unwrap();
        let mut started = start(port, &PortConfig::default(), &pool);
        let mut burst = numbered::<32>(&pool, 0..32);
        assert_eq!(rx_ring.enqueue(&mut burst), 32);
        assert_eq!(started.rx[0].pending().unwrap_or(32), 32);
        assert_eq!(started.rx[0].burst(&mut burst), 32);
        assert_eq!(started.tx[0].burst(&mut burst), 15);
        assert_eq!(numbers(burst.as_slice()), (15..32).collect::<Vec<_>>());
        assert_eq!(started.tx[0].burst(&mut burst), 0);
        let mut sent = Burst::<32>::new();
        assert_eq!(tx_ring.dequeue(&mut sent), 15);
        assert_eq!(numbers(sent.as_slice()), (0..15).collect::<Vec<_>>());
        assert_eq!(started.tx[0].burst(&mut burst), 15);
        drop((burst, sent));
        assert_eq!(pool.in_use(), 15, "what is in the ring is the ring's");
        drop(started);
        drop((rx_ring, tx_ring));
        assert_eq!(pool.in_use(), 0);
        // The name is free again.
        let (rx_ring, tx_ring) = (make("rx", 64), make("tx", 16));
        drop(eth_from_rings(&eal, "loop", &[rx_ring], &[tx_ring], NumaNode::Any).unwrap());
    }
}

own_process_test! {
    fn frames_of_many_segments_keep_their_hash_and_bytes_through_a_ring_cable() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 2047);
        let make = |name| Ring::create(&eal, name, 64, RingMode::Single, NumaNode::Any).unwrap();
        let (there, back) = (make("there"), make("back"));
        let (a, b) = {
            let port = |name, rx: &Ring, tx: &Ring| {
                eth_from_rings(&eal, name, std::slice::from_ref(rx), std::slice::from_ref(tx), NumaNode::Any)
            };
            (port("a", &back, &there).unwrap(), port("b", &there, &back).unwrap())
        };
        let error = eth_from_rings(&eal, "c", &[make("x")], std::slice::from_ref(&there), NumaNode::Any);
        assert!(matches!(error, Err(RingError::EndTaken { end: "producer", .. })));
        let config = PortConfig { mtu: Some(9000), segmentation: Segmentation::Always, ..PortConfig::default() };
        let (mut a, mut b) = (start(a, &config, &pool), start(b, &config, &pool));
        let bytes: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
        let mut frame = pool.alloc_from_bytes(&bytes).unwrap();
        frame.set_rss_hash(42);
        let mut burst = Burst::<32>::new();
        burst.push(frame).unwrap();
        assert_eq!(there.enqueue(&mut burst), 0, "the producer's end is the port's");
        assert_eq!(a.tx[0].burst(&mut burst), 1);
        assert_eq!(b.rx[0].burst(&mut burst), 1);
        let frame = burst.pop().unwrap();
        assert_eq!((frame.nb_segs(), frame.rss_hash(), frame.to_vec()), (3, Some(42), bytes));
    }
}

own_process_test! {
    fn the_report_says_what_was_refused_and_why() {
        let eal = eal(&["--vdev=net_null0"]);
        let pool = pool(&eal, "p", 8191);
        let config = PortConfig {
            rx_queues: 2,
            tx_queues: 2,
            segmentation: Segmentation::Always,
            rss: Rss::Symmetric { key: vec![7; 52] },
            fast_free: true,
            ..PortConfig::default()
        };
        let started = start(Port::by_name(&eal, "net_null0").unwrap(), &config, &pool);
        let report = &started.report;
        assert_eq!((report.rx_queues, started.rx.len(), started.tx.len()), (2, 2, 2));
        let fast_free = report.about(Subject::FastFree).unwrap();
        assert_eq!(fast_free.outcome, Outcome::Refused);
        assert!(fast_free.reason.contains("net_null"), "{fast_free}");
        let rss = report.about(Subject::Rss).unwrap();
        assert!(!report.rss.hash_is_samplable(), "{rss}");
        assert!(report.deviations().count() >= 2, "{report:#?}");
        assert_eq!(report.about(Subject::Promiscuous).unwrap().outcome, Outcome::Enabled);
        assert_eq!(started.port.report().as_ref(), Some(report));
    }
}

own_process_test! {
    fn impossible_configurations_name_the_range_and_leave_the_port_usable() {
        let eal = eal(&["--vdev=net_null0"]);
        let pool = pool(&eal, "p", 2047);
        let pools = std::slice::from_ref(&pool);
        let port = || Port::by_name(&eal, "net_null0").unwrap();
        let config = PortConfig { mtu: Some(20), ..PortConfig::default() };
        let error = port().configure(&config, pools).unwrap_err();
        assert!(matches!(error, ConfigureError::Mtu { asked: 20, .. }), "{error}");
        let config = PortConfig { rx_queues: 0, ..PortConfig::default() };
        assert!(matches!(port().configure(&config, pools), Err(ConfigureError::NoQueues { .. })));
        assert!(matches!(port().configure(&PortConfig::default(), &[]), Err(ConfigureError::Pools { .. })));
        start(port(), &PortConfig::default(), &pool);
    }
}
