//! A platform that cannot map files says so.
#![allow(unsafe_code, reason = "a mapping is raw memory")]

use crate::case::{Context, Verdict};
use crate::file::write_file;
use underpin_core::platform::{Map, MapAccess, OpenOptions};

cases!("map::absent", Map:
    mapping_is_unsupported,
);

/// "A cleared bit means that the call returns `Unsupported`".
fn mapping_is_unsupported<P: Map>(cx: &Context<'_, P>) -> Verdict {
    let path = cx.path("map-absent");
    write_file(cx, &path, b"bytes")?;
    let file = cx.p.open(&path, &OpenOptions::read_write())?;
    for access in [MapAccess::Read, MapAccess::ReadWrite] {
        // SAFETY: nobody cuts the file.
        ensure_kind!(unsafe { cx.p.map(&file, 0, 5, access) }, Unsupported);
    }
    Ok(())
}
