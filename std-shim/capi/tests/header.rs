//! `include/underpin.h` says what the source says. `UPDATE=1 cargo test -p underpin-capi` writes it anew.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_header_is_made_from_the_source() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(package.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["status", "bytes", "db", "batch", "cursor"] {
        builder = builder.with_src(package.join("src").join(file).with_extension("rs"));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = package.join("include/underpin.h");
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "include/underpin.h is not what the source says: UPDATE=1 cargo test -p underpin-capi writes it anew"
    );
}
