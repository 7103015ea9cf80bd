//! Finds libdpdk with pkg-config, compiles the shim and generates the bindings.
//!
//! All of `pkg-config --cflags libdpdk` goes to both compilers: DPDK's headers need
//! `-include rte_config.h`, and the vector code in its static inlines needs its `-march`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Libraries of pkg-config's list that the bindings use. The drivers are not among them: the shared
/// build of DPDK loads those itself from its pmds directory.
const LIBRARIES: &[&str] = &[
    "rte_eal",
    "rte_ethdev",
    "rte_log", // split out of rte_eal in 23.11
    "rte_mbuf",
    "rte_mempool",
    "rte_pdump",
    "rte_ring",
    "rte_telemetry",
];

/// Functions of the library, by their exact names; all else goes through the shim.
const FUNCTIONS: &[&str] = &[
    "rte_eal_cleanup",
    "rte_eal_hotplug_add",
    "rte_eal_hotplug_remove",
    "rte_eal_init",
    "rte_eal_remote_launch",
    "rte_eal_wait_lcore",
    "rte_eth_allmulticast_disable",
    "rte_eth_allmulticast_enable",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_dev_close",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_rx_offload_name",
    "rte_eth_dev_set_link_down",
    "rte_eth_dev_set_link_up",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_tx_offload_name",
    "rte_eth_from_rings",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_stats_get",
    "rte_eth_stats_reset",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_get_main_lcore",
    "rte_get_tsc_hz",
    "rte_lcore_to_cpu_id",
    "rte_lcore_to_socket_id",
    "rte_log_set_level_pattern",
    "rte_mempool_avail_count",
    "rte_mempool_free",
    "rte_mempool_in_use_count",
    "rte_mempool_lookup",
    "rte_pdump_init",
    "rte_pdump_uninit",
    "rte_pktmbuf_free_bulk",
    "rte_pktmbuf_pool_create",
    "rte_ring_create",
    "rte_ring_free",
    "rte_socket_count",
    "rte_strerror",
    "rte_tel_data_add_array_string",
    "rte_tel_data_add_dict_container",
    "rte_tel_data_add_dict_string",
    "rte_tel_data_alloc",
    "rte_tel_data_free",
    "rte_tel_data_start_dict",
    "rte_tel_data_string",
    "rte_telemetry_register_cmd",
    "rte_version",
    // The shim is ours, so its prefix is exact enough.
    "shim_.*",
];

/// Types of the library that the functions above need. rte_mbuf, rte_mempool, rte_ring and
/// rte_tel_data are seen only through pointers and declared in lib.rs.
const TYPES: &[&str] = &[
    "lcore_function_t",
    "rte_eth_stats",
    "rte_eth_xstat",
    "rte_eth_xstat_name",
    "rte_ether_addr",
    "telemetry_cb",
];

fn main() {
    for file in ["build.rs", "shim/shim.c", "shim/shim.h"] {
        println!("cargo::rerun-if-changed={file}");
    }
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"]
    {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    if let Err(message) = build() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn build() -> Result<(), String> {
    let library = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk")
        .map_err(missing_dpdk)?;
    let cflags = pkg_config_cflags()?;
    compile_shim(&cflags)?;
    generate_bindings(&cflags)?;
    for path in &library.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    for name in library.libs.iter().filter(|name| LIBRARIES.contains(&name.as_str())) {
        println!("cargo::rustc-link-lib=dylib={name}");
    }
    // The one driver with an interface of its own; pkg-config lists no drivers.
    println!("cargo::rustc-link-lib=dylib=rte_net_ring");
    Ok(())
}

fn missing_dpdk(error: pkg_config::Error) -> String {
    let cause = error.to_string();
    let cause = cause.lines().map(str::trim).filter(|l| !l.is_empty()).take(4);
    format!(
        "DPDK 22.11 or later was not found by pkg-config.\n\
         Debian, Ubuntu: apt-get install libdpdk-dev pkg-config clang libclang-dev\n\
         Fedora: dnf install dpdk-devel pkgconf clang-devel\n\
         A DPDK of your own: export PKG_CONFIG_PATH=PREFIX/lib/x86_64-linux-gnu/pkgconfig\n\
         pkg-config said: {}",
        cause.collect::<Vec<_>>().join(" ")
    )
}

/// The pkg-config crate sorts flags into kinds and loses `-include` and `-march`: ask directly.
fn pkg_config_cflags() -> Result<Vec<String>, String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let output = Command::new(&program)
        .args(["--cflags", "libdpdk"])
        .output()
        .map_err(|e| format!("cannot run {program}: {e}"))?;
    if !output.status.success() {
        return Err(format!(
            "{program} --cflags libdpdk failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

fn compile_shim(cflags: &[String]) -> Result<(), String> {
    let mut shim = cc::Build::new();
    shim.file("shim/shim.c").include("shim").warnings(true).extra_warnings(true);
    // The burst functions are in here: fast in debug builds too.
    shim.opt_level(3).debug(false);
    // DPDK's own inlines trip over these.
    shim.flag_if_supported("-Wno-unused-parameter");
    for flag in cflags {
        shim.flag(flag);
    }
    shim.try_compile("umbra_dpdk_shim").map_err(|e| {
        format!("the C shim does not compile: {e}\nIs there a C compiler? apt-get install gcc")
    })
}

fn generate_bindings(cflags: &[String]) -> Result<(), String> {
    let mut builder = bindgen::Builder::default()
        .header("shim/shim.h")
        .clang_args(cflags)
        .use_core()
        .layout_tests(true)
        .derive_debug(true)
        .derive_default(true)
        .prepend_enum_name(false)
        .generate_comments(false)
        .allowlist_recursively(false)
        .allowlist_var("SHIM_.*")
        .allowlist_type("shim_.*");
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    let bindings = builder.generate().map_err(|e| {
        format!("bindgen failed: {e}\nIs libclang there? apt-get install libclang-dev")
    })?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    bindings
        .write_to_file(out.join("bindings.rs"))
        .map_err(|e| format!("cannot write the bindings: {e}"))
}
