//! Flags from a file, as ripgrep has them: one a line, before those of the command line.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// The environment variable with the file's path.
const VARIABLE: &str = "UNDERPIN_GREP_CONFIG_PATH";

/// What the file says; what is wrong with it goes to `complain`, and the search goes on without.
pub(super) fn flags(complain: &mut dyn FnMut(&str)) -> Vec<OsString> {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return Vec::new();
    };
    let path = Path::new(&path);
    match fs::read(path) {
        Ok(text) => read(&text, &mut |line| {
            complain(&format!("{}:{line}: not UTF-8", path.display()));
        }),
        Err(error) => {
            complain(&format!("{VARIABLE}: {}: {error}", path.display()));
            Vec::new()
        }
    }
}

/// The flags in `text`; the numbers of lines that are none go to `wrong`.
fn read(text: &[u8], wrong: &mut dyn FnMut(u64)) -> Vec<OsString> {
    let mut flags = Vec::new();
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match underpin::sys::path_from_bytes(line) {
            Some(flag) => flags.push(flag.as_os_str().to_owned()),
            None => wrong(number),
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn a_flag_a_line() {
        let text = b"# comment\n--smart-case\n\n  --glob=!*.lock \r\n\t#x\n-A\n2";
        let flags = read(text, &mut |_| panic!("all is right"));
        assert_eq!(flags, ["--smart-case", "--glob=!*.lock", "-A", "2"]);
    }
}
