//! DPDK's log as records, and commands of its telemetry socket.

mod common;

use std::ffi::CString;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard};

use common::eal;
use log::{Level, LevelFilter, Log, Metadata, Record};
use umbra_dpdk::telemetry::{self, TelValue};
use umbra_dpdk_sys as sys;

struct Kept(Mutex<Vec<(Level, String, String)>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));

impl Kept {
    fn records(&self) -> MutexGuard<'_, Vec<(Level, String, String)>> {
        self.0.lock().unwrap()
    }
}

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let kept = (record.level(), record.target().to_owned(), record.args().to_string());
        self.records().push(kept);
    }

    fn flush(&self) {}
}

fn say(level: u32, logtype: u32, text: &str) {
    let text = CString::new(text).unwrap();
    // SAFETY: a NUL-terminated text.
    unsafe { sys::shim_log(level, logtype, text.as_ptr()) };
}

own_process_test! {
    fn dpdk_logs_through_the_log_crate_before_and_after_eal_starts() {
        log::set_logger(&KEPT).unwrap();
        log::set_max_level(LevelFilter::Debug);
        umbra_dpdk::logging::install();
        say(4, 0, "EAL: something ");
        assert!(KEPT.records().is_empty(), "half a line is no record");
        say(4, 0, "is wrong\nand more\n");
        assert_eq!(*KEPT.records(), [
            (Level::Error, "dpdk::eal".to_owned(), "something is wrong".to_owned()),
            (Level::Error, "dpdk::eal".to_owned(), "and more".to_owned()),
        ]);
        KEPT.records().clear();
        let eal = eal(&["--vdev=net_null0"]);
        assert!(KEPT.records().iter().any(|(_, target, _)| target == "dpdk::eal"));
        KEPT.records().clear();
        umbra_dpdk::logging::set_level("lib.eal", Some(Level::Debug)).unwrap();
        say(8, 0, "EAL: fine print\n");
        let expected = (Level::Debug, "dpdk::eal".to_owned(), "fine print".to_owned());
        assert!(KEPT.records().contains(&expected), "{:?}", KEPT.records());
        umbra_dpdk::logging::set_level("lib.eal", Some(Level::Error)).unwrap();
        KEPT.records().clear();
        say(8, 0, "EAL: fine print\n");
        assert!(KEPT.records().is_empty());
        assert!(eal.hotplug_add("vdev", "net_nonsense0", "").is_err());
        let records = KEPT.records();
        assert!(records.iter().any(|(level, target, _)| {
            *level == Level::Error && target.starts_with("dpdk::")
        }), "{records:?}");
    }
}

/// The telemetry socket keeps the borders of messages: SOCK_SEQPACKET.
fn connect(path: &str) -> std::fs::File {
    // SAFETY: makes a socket; its number is checked and owned at once.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: zeroes are a valid address.
    let mut address: libc::sockaddr_un = unsafe { MaybeUninit::zeroed().assume_init() };
    address.sun_family = libc::AF_UNIX as u16;
    for (to, from) in address.sun_path.iter_mut().zip(path.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: an address of the length that is passed.
    let rc = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_un>() as u32,
        )
    };
    assert_eq!(rc, 0, "{path}: {}", std::io::Error::last_os_error());
    socket.into()
}

fn ask(socket: &mut std::fs::File, command: &str) -> String {
    socket.write_all(command.as_bytes()).unwrap();
    receive(socket)
}

fn receive(socket: &mut std::fs::File) -> String {
    let mut answer = vec![0; 64 * 1024];
    let len = socket.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..len]).into_owned()
}

own_process_test! {
    fn telemetry_commands_answer_with_what_their_closure_returns() {
        let dict = |entries: &[(&str, TelValue)]| {
            TelValue::Dict(entries.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect())
        };
        telemetry::register("/umbra/echo", "Says it again.", |params| params.into()).unwrap();
        let tree = dict(&[
            ("rx", TelValue::U64(u64::MAX)),
            ("delta", TelValue::I64(-5)),
            ("name", "edge".into()),
            ("wires", TelValue::Array(vec![1u64.into(), 2u64.into()])),
            ("flags", TelValue::Array(vec![(-1i64).into(), 2i64.into()])),
            ("words", TelValue::Array(vec!["a".into(), "b".into()])),
            ("inner", dict(&[("x", 1u64.into()), ("deep", dict(&[("y", 2u64.into())]))])),
            ("edges", TelValue::Array(vec![
                dict(&[("a", 1u64.into())]),
                dict(&[("b", TelValue::Array(vec![3u64.into()]))]),
            ])),
        ]);
        let _eal = eal(&[]);
        telemetry::register("/umbra/tree", "A tree.", move |_| tree.clone()).unwrap();
        telemetry::register("/umbra/rows", "Rows.", move |_| {
            TelValue::Array(vec![
                TelValue::Array(vec![1u64.into()]),
                TelValue::Array(vec![2u64.into(), 3u64.into()]),
            ])
        }).unwrap();
        telemetry::register("/umbra/panic", "Panics.", |_| panic!("on purpose")).unwrap();
        let runtime = std::env::var("XDG_RUNTIME_DIR").ok();
        // SAFETY: reads an id.
        let root = unsafe { libc::geteuid() } == 0;
        let base = if root { "/var/run".to_owned() } else { runtime.unwrap_or("/tmp".into()) };
        let path = format!("{base}/dpdk/umbra-test-{}/dpdk_telemetry.v2", std::process::id());
        let mut socket = connect(&path);
        assert!(receive(&mut socket).contains("DPDK"), "greeting");
        assert_eq!(ask(&mut socket, "/umbra/echo,hello there"), r#"{"/umbra/echo":"hello there"}"#);
        assert_eq!(ask(&mut socket, "/umbra/echo"), r#"{"/umbra/echo":""}"#);
        let tree = ask(&mut socket, "/umbra/tree");
        for part in [
            r#""rx":18446744073709551615"#, r#""delta":-5"#, r#""name":"edge""#, r#""wires":[1,2]"#,
            r#""flags":[-1,2]"#, r#""words":["a","b"]"#,
            r#""inner":{"x":1,"deep":{"y":2}}"#, r#""edges":{"0":{"a":1},"1":{"b":[3]}}"#,
        ] {
            assert!(tree.replace(": ", ":").replace(", ", ",").contains(part), "{part} in {tree}");
        }
        let rows = ask(&mut socket, "/umbra/rows");
        assert_eq!(rows, r#"{"/umbra/rows":{"0":[1],"1":[2,3]}}"#);
        assert_eq!(ask(&mut socket, "/umbra/panic"), r#"{"/umbra/panic":null}"#);
        telemetry::register("/umbra/echo", "Anew.", |_| "anew".into()).unwrap();
        assert_eq!(ask(&mut socket, "/umbra/echo"), r#"{"/umbra/echo":"anew"}"#);
        telemetry::unregister("/umbra/echo");
        assert_eq!(ask(&mut socket, "/umbra/echo"), r#"{"/umbra/echo":null}"#);
        assert!(telemetry::register("/umbra/ümlaut", "", |_| 1u64.into()).is_err());
    }
}

own_process_test! {
    fn packet_capture_is_offered_only_where_there_is_a_channel_for_it() {
        // Without a shared configuration there is no channel to other processes; either answer is
        // the library's, neither may harm.
        let eal = eal(&[]);
        match umbra_dpdk::pdump::init(&eal) {
            Ok(()) => umbra_dpdk::pdump::uninit(&eal).unwrap(),
            Err(error) => assert!(error.to_string().contains("--no-shconf"), "{error}"),
        }
    }
}
