//! Finds libhs (vectorscan, or Hyperscan of which it is a fork) with pkg-config and generates the bindings.

use std::env;
use std::path::PathBuf;

/// Functions of the library, by their exact names.
const FUNCTIONS: &[&str] = &[
    "hs_alloc_scratch",
    "hs_clone_scratch",
    "hs_compile_ext_multi",
    "hs_compile_lit_multi",
    "hs_database_size",
    "hs_deserialize_database",
    "hs_free_compile_error",
    "hs_free_database",
    "hs_free_scratch",
    "hs_scan",
    "hs_scratch_size",
    "hs_serialize_database",
    "hs_set_misc_allocator",
    "hs_valid_platform",
    "hs_version",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
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
    // 5.2 has compilation of literals.
    let library = pkg_config::Config::new()
        .atleast_version("5.2")
        .cargo_metadata(false)
        .probe("libhs")
        .map_err(missing)?;
    let mut builder = bindgen::Builder::default()
        .header_contents("hs_sys.h", "#include <hs.h>")
        .use_core()
        .derive_debug(true)
        .derive_default(true)
        .prepend_enum_name(false)
        .generate_comments(false)
        // Codes and flags by what functions take and give: hs_error_t is an int.
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .allowlist_var("HS_.*")
        .allowlist_type("hs_.*");
    for path in &library.include_paths {
        builder = builder.clang_arg(format!("-I{}", path.display()));
    }
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    let bindings = builder.generate().map_err(|e| {
        format!("bindgen failed: {e}\nIs libclang there? apt-get install libclang-dev")
    })?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    bindings
        .write_to_file(out.join("bindings.rs"))
        .map_err(|e| format!("cannot write the bindings: {e}"))?;
    for path in &library.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    println!("cargo::rustc-link-lib=dylib=hs");
    Ok(())
}

fn missing(error: pkg_config::Error) -> String {
    let cause = error.to_string();
    let cause = cause.lines().map(str::trim).filter(|l| !l.is_empty()).take(4);
    format!(
        "vectorscan (libhs 5.2 or later) was not found by pkg-config.\n\
         Debian, Ubuntu: apt-get install libvectorscan-dev pkg-config libclang-dev\n\
         Fedora: dnf install vectorscan-devel pkgconf clang-devel\n\
         pkg-config said: {}",
        cause.collect::<Vec<_>>().join(" ")
    )
}
