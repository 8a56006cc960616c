//! Linker arguments of the library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // Never unloaded: threads and exit hooks point into it. Its own calls reach its own functions.
    for argument in ["-Wl,-z,nodelete", "-Wl,-Bsymbolic-functions", "-Wl,-z,now"] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
}
