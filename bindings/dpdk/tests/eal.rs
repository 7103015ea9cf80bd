//! Start of EAL and closures on lcores.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::{eal, eal_args, numbered, pool};
use umbra_dpdk::{Eal, EalError, LaunchError};

own_process_test! {
    fn a_second_start_is_refused_even_after_the_first_has_ended() {
        let first = eal(&[]);
        assert!(first.tsc_hz() > 1_000_000);
        assert!(umbra_dpdk::dpdk_version().starts_with("DPDK"));
        assert!(matches!(Eal::init(&eal_args(&[])), Err(EalError::AlreadyStarted)));
        drop(first);
        assert!(matches!(Eal::init(&eal_args(&[])), Err(EalError::AlreadyStarted)));
    }
}

own_process_test! {
    fn arguments_that_would_leave_the_process_are_refused_before_eal_starts() {
        assert!(matches!(Eal::init(&["--help"]), Err(EalError::PrintsAndExits { .. })));
        assert!(matches!(Eal::init(&["a\0b"]), Err(EalError::NulInArgument { .. })));
        let _eal = eal(&[]);
    }
}

own_process_test! {
    fn a_missing_core_is_named_with_those_that_there_are() {
        let args = ["--no-huge", "--no-pci", "--no-shconf", "-l", "100"];
        let error = Eal::init(&args).unwrap_err();
        assert!(matches!(error, EalError::NoSuchCore { .. }), "{error:?}");
        assert!(error.to_string().contains("--lcores"), "{error}");
    }
}

own_process_test! {
    fn missing_huge_pages_come_with_the_command_that_makes_them() {
        let prefix = format!("--file-prefix=umbra-test-{}", std::process::id());
        let args = ["--no-pci", "--no-shconf", "--huge-dir=/nowhere", &prefix];
        let error = Eal::init(&args).unwrap_err();
        assert!(matches!(error, EalError::NoHugePages { .. }), "{error:?}");
        assert!(error.to_string().contains("nr_hugepages"), "{error}");
    }
}

own_process_test! {
    fn a_device_that_cannot_be_made_is_named() {
        let error = Eal::init(&eal_args(&["--vdev=net_nonsense0"])).unwrap_err();
        assert!(matches!(error, EalError::Device { .. }), "{error:?}");
    }
}

own_process_test! {
    fn a_closure_runs_on_its_lcore_and_returns_its_value() {
        let eal = eal(&[]);
        let lcores = eal.lcores();
        assert_eq!(lcores.iter().map(|l| (l.id, l.is_main)).collect::<Vec<_>>(), [(0, true), (1, false)]);
        assert_eq!(eal.main_lcore(), 0);
        assert!(eal.node_of(1).is_some() && eal.node_of(9).is_none());
        for round in 0..50 {
            // Again at once: the lcore may be on its way out of the last closure.
            let name = eal.launch(1, move || {
                (round, std::thread::current().name().map(str::to_owned))
            });
            assert_eq!(name.unwrap().join().unwrap().0, round);
        }
    }
}

own_process_test! {
    fn a_busy_a_missing_and_the_main_lcore_take_no_closure() {
        let eal = eal(&[]);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let handle = eal.launch(1, move || {
            while !stopped.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }).unwrap();
        assert!(!handle.is_finished());
        let handle = handle.try_join().unwrap_err();
        assert!(matches!(eal.launch(1, || ()), Err(LaunchError::Busy { asked: 1 })));
        assert!(matches!(eal.launch(0, || ()), Err(LaunchError::MainLcore { .. })));
        let error = eal.launch(7, || ()).unwrap_err().to_string();
        assert!(error.contains("no lcore 7") && error.contains("workers can run on 1"), "{error}");
        stop.store(true, Ordering::Release);
        handle.join().unwrap();
        eal.launch(1, || ()).unwrap().join().unwrap();
    }
}

own_process_test! {
    fn a_panic_on_an_lcore_is_reported_and_the_lcore_goes_on() {
        let eal = eal(&[]);
        let panic = eal.launch(1, || -> u32 { panic!("lost {}", "it") }).unwrap().join().unwrap_err();
        assert_eq!((panic.lcore(), panic.message()), (1, "lost it"));
        assert_eq!(eal.launch(1, || 7).unwrap().join().unwrap(), 7);
    }
}

own_process_test! {
    fn a_result_nobody_wants_is_dropped_with_its_mbufs() {
        let eal = eal(&[]);
        let pool = pool(&eal, "p", 255);
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let frames = numbered::<32>(&pool, 0..20);
        let handle = eal.launch(1, move || {
            wait.recv().unwrap();
            // Dropped after the result, when it is the last thing to go.
            let _tell = tell;
            frames
        }).unwrap();
        drop(handle);
        assert_eq!(pool.in_use(), 20);
        go.send(()).unwrap();
        assert!(told.recv().is_err(), "the closure has ended");
        while eal.launch(1, || ()).map(|h| h.join()).is_err() {
            std::thread::yield_now();
        }
        assert_eq!(pool.in_use(), 0);
        drop::<mpsc::Receiver<()>>(told);
    }
}
