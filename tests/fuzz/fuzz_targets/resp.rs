//! Any bytes as a client's stream: requests or an error, the same ones for every way the stream is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin::server::resp::{Limits, Parsed, Parser};

/// The arguments of all requests, and whether an error ended the stream.
fn requests(stream: &[u8], step: usize) -> (Vec<Vec<Vec<u8>>>, bool) {
    let mut parser = Parser::new(Limits::default());
    let mut found = Vec::new();
    let (mut start, mut end) = (0, 0);
    loop {
        match parser.parse(&stream[start..end]) {
            Ok(Parsed::Incomplete) if end == stream.len() => return (found, false),
            Ok(Parsed::Incomplete) => end = (end + step).min(stream.len()),
            Ok(Parsed::Request { bytes }) => {
                let args = parser.args(&stream[start..end]);
                found.push(args.iter_from(0).map(<[u8]>::to_vec).collect());
                start += bytes;
            }
            Err(_) => return (found, true),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&step, stream)) = bytes.split_first() else {
        return;
    };
    let whole = requests(stream, stream.len().max(1));
    let cut = requests(stream, usize::from(step) + 1);
    assert_eq!(whole, cut);
});
